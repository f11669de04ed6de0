// SCHEDULE.*: what is published when its time comes.
#include "base/text.h"
#include "engine/names.h"
#include "engine/schedule.h"
#include "protocol/headers.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/publish_options.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;

struct ScheduleOptions {
  explicit ScheduleOptions(Session& session) : publish(session) {}

  PublishOptions publish;
  engine::ScheduleSpec spec{};
  std::string_view body{}, task{}, args = "[]";
  bool has_body = false, has_args = false;
};

// An option that SEND has, too.
template <Result<void> (*kSet)(PublishOptions&, Args)>
Result<void> as_published(ScheduleOptions& into, Args values) {
  return kSet(into.publish, values);
}

Result<void> set_zone(ScheduleOptions& into, Args values) {
  into.spec.zone = values[0];
  return {};
}
Result<void> set_queue(ScheduleOptions& into, Args values) {
  into.spec.queue = values[0];
  return valid_name(values[0], "queue name");
}
Result<void> set_body(ScheduleOptions& into, Args values) {
  into.body = values[0];
  into.has_body = true;
  return {};
}
Result<void> set_task(ScheduleOptions& into, Args values) {
  into.task = values[0];
  return valid_name(values[0], "task name");
}
Result<void> set_args(ScheduleOptions& into, Args values) {
  into.args = values[0];
  into.has_args = true;
  return check_json(values[0], '[');
}
Result<void> set_kwargs(ScheduleOptions& into, Args values) {
  into.publish.kwargs = values[0];
  into.has_args = true;
  return check_json(values[0], '{');
}
Result<void> set_max_attempts(ScheduleOptions& into, Args values) {
  const auto attempts = read_count(values[0], 0, 1'000'000);
  if (!attempts) return fail(attempts.error());
  into.spec.policy.max_attempts = *attempts;
  return {};
}
Result<void> set_backoff(ScheduleOptions& into, Args values) {
  const auto backoff = read_backoff(values[0]);
  if (!backoff) return fail(backoff.error());
  into.spec.policy.backoff = *backoff;
  return {};
}
Result<void> set_lease(ScheduleOptions& into, Args values) {
  const auto lease = read_duration(values[0]);
  if (!lease) return fail(lease.error());
  if (*lease == Duration(0)) return fail(ErrorCode::invalid, "a lease of no time is none");
  into.spec.policy.lease = *lease;
  return {};
}
Result<void> set_result_ttl(ScheduleOptions& into, Args values) {
  const auto ttl = read_duration(values[0]);
  if (!ttl) return fail(ttl.error());
  into.spec.policy.result_ttl = *ttl;
  return {};
}
Result<void> set_missed(ScheduleOptions& into, Args values) {
  const auto missed = engine::parse_missed(ascii_lowered(values[0]));
  if (!missed) return fail(missed.error());
  into.spec.missed = *missed;
  return {};
}
Result<void> set_overlap(ScheduleOptions& into, Args values) {
  const auto overlap = engine::parse_overlap(ascii_lowered(values[0]));
  if (!overlap) return fail(overlap.error());
  into.spec.overlap = *overlap;
  return {};
}
Result<void> set_paused(ScheduleOptions& into, Args values) {
  const auto paused = read_yes_no(values[0]);
  if (!paused) return fail(paused.error());
  into.spec.paused = *paused;
  return {};
}

constexpr Option<ScheduleOptions> kPutOptions[] = {
    {"ZONE", 1, set_zone},
    {"QUEUE", 1, set_queue},
    {"BODY", 1, set_body},
    {"TASK", 1, set_task},
    {"ARGS", 1, set_args},
    {"KWARGS", 1, set_kwargs},
    {"PRIORITY", 1, as_published<set_priority>},
    {"KEY", 1, as_published<set_key>},
    {"GROUP", 1, as_published<set_group>},
    {"HEADER", 2, as_published<set_header>},
    {"MAXATTEMPTS", 1, set_max_attempts},
    {"BACKOFF", 1, set_backoff},
    {"LEASE", 1, set_lease},
    {"RESULTTTL", 1, set_result_ttl},
    {"MISSED", 1, set_missed},
    {"OVERLAP", 1, set_overlap},
    {"PAUSED", 1, set_paused},
};

// A task, or any body.
Result<void> make_payload(ScheduleOptions& options) {
  auto& [leases, messages, headers, text, keys] = options.publish.scratch;
  if (options.task.empty()) {
    if (options.has_args)
      return fail(ErrorCode::invalid, "ARGS and KWARGS are those of a TASK, and none is named");
    if (!options.has_body)
      return fail(ErrorCode::invalid,
                  "a schedule publishes something: name a TASK, or give a BODY");
    options.spec.body = as_bytes(options.body);
  } else {
    if (options.has_body)
      return fail(ErrorCode::invalid, "a schedule publishes a TASK or a BODY, not both");
    headers.add(kTaskHeader, options.task);
    text.append("{\"args\":").append(options.args);
    if (!options.publish.kwargs.empty()) text.append(",\"kwargs\":").append(options.publish.kwargs);
    text.append("}");
    options.spec.body = as_bytes(text);
    options.spec.task = true;
  }
  options.spec.headers = headers.view();
  return {};
}

void field(ReplyWriter& to, std::string_view name, std::string_view value) {
  to.bulk(name);
  to.bulk(value);
}
void field(ReplyWriter& to, std::string_view name, std::uint64_t value) {
  to.bulk(name);
  to.integer(static_cast<std::int64_t>(value));
}
void field(ReplyWriter& to, std::string_view name, Time value) {
  to.bulk(name);
  to.integer(micros(value) / 1000);
}

void write_schedule(ReplyWriter& to, const engine::Schedule& schedule, bool with_body) {
  const auto task = find_header(as_bytes(schedule.headers), kTaskHeader).value_or("");
  to.map(with_body ? 19 : 18);
  field(to, "name", schedule.name);
  field(to, "when", schedule.when);
  field(to, "zone", schedule.zone);
  field(to, "queue", schedule.queue);
  field(to, "task", schedule.task ? task : std::string_view());
  if (with_body) field(to, "body", schedule.body);
  field(to, "missed", name_of(schedule.missed_policy));
  field(to, "overlap", name_of(schedule.overlap));
  to.bulk("paused");
  to.boolean(schedule.paused);
  field(to, "next_at", schedule.next_due.value_or(Time{}));
  field(to, "last_due_at", schedule.last_due);
  field(to, "last_fired_at", schedule.last_fired_at);
  field(to, "last_id", schedule.last_message ? std::to_string(schedule.last_message.value) : "");
  field(to, "waiting_at", schedule.waiting);
  field(to, "fired_total", schedule.fired);
  field(to, "missed_total", schedule.missed);
  field(to, "skipped_total", schedule.skipped);
  field(to, "refused_total", schedule.refused);
  field(to, "error", schedule.problem.empty() ? schedule.last_error : schedule.problem);
}

Result<void> check_name(std::string_view name) {
  return valid_name(name, "schedule name");
}

}  // namespace

Result<void> schedule_put(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  ScheduleOptions options(session);
  options.spec.name = args[1];
  options.spec.when = args[2];
  options.spec.queue = "default";
  if (auto read = read_options(args, 3, kPutOptions, options); !read) return fail(read.error());
  if (auto made = make_payload(options); !made) return made;
  options.spec.priority = options.publish.message.priority;
  options.spec.key = options.publish.message.key;
  options.spec.group = options.publish.message.group;
  session.broker().put_schedule(session.id(), session.ask(encode_count), options.spec);
  return {};
}

Result<void> schedule_delete(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  session.broker().remove_schedule(session.id(), session.ask(encode_ok), args[1]);
  return {};
}

Result<void> schedule_pause(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  session.broker().pause_schedule(session.id(), session.ask(encode_ok), args[1], true);
  return {};
}

Result<void> schedule_resume(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  session.broker().pause_schedule(session.id(), session.ask(encode_ok), args[1], false);
  return {};
}

Result<void> schedule_trigger(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  session.broker().trigger_schedule(session.id(), session.ask(encode_id), args[1]);
  return {};
}

Result<void> schedule_get(Session& session, Args args) {
  if (auto good = check_name(args[1]); !good) return good;
  const auto schedule = session.broker().schedule(session.id(), args[1]);
  if (!schedule) return fail(schedule.error());
  session.answer_when_durable([&](ReplyWriter to) { write_schedule(to, **schedule, true); });
  return {};
}

Result<void> schedule_list(Session& session, Args) {
  auto all = session.broker().schedules(session.id());
  if (!all) return fail(all.error());
  std::erase_if(*all, [](const engine::Schedule* schedule) {
    return engine::split_name(schedule->name).host != engine::kDefaultHost;
  });
  session.answer_when_durable([&](ReplyWriter to) {
    to.array(all->size());
    for (const auto* schedule : *all) write_schedule(to, *schedule, false);
  });
  return {};
}

}  // namespace penstock::protocol::resp
