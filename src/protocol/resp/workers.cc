// WORKER.*: who runs tasks, and what they are told; and what is said of tasks by and to them.
#include "base/text.h"
#include "protocol/resp/command_table.h"
#include "protocol/resp/encode.h"
#include "protocol/resp/leases.h"
#include "protocol/resp/options.h"
#include "protocol/resp/publish_options.h"
#include "protocol/worker_json.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;

void encode_told(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& told = std::get<engine::WorkerTold>(reply);
  to.map(4);
  to.bulk("quiet");
  to.boolean(told.quiet);
  to.bulk("stop");
  to.boolean(told.stop);
  to.bulk("slots");
  to.integer(told.slots);
  to.bulk("cancelled");
  to.array(told.cancelled.size());
  for (const auto id : told.cancelled) to.bulk(std::to_string(id.value));
}

void encode_ordered(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& ordered = std::get<engine::WorkersOrdered>(reply);
  to.map(2);
  to.bulk("number");
  to.integer(static_cast<std::int64_t>(ordered.number));
  to.bulk("workers");
  to.integer(ordered.workers);
}

void encode_redriven(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& redriven = std::get<engine::Redriven>(reply);
  to.map(2);
  to.bulk("moved");
  to.integer(static_cast<std::int64_t>(redriven.moved));
  to.bulk("next");
  to.bulk(redriven.next ? std::to_string(redriven.next.value) : "");
}

void encode_log(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& log = std::get<broker::TaskLog>(reply);
  to.map(2);
  to.bulk("lines");
  to.array(log.lines.size());
  for (const auto& line : log.lines) {
    to.map(4);
    to.bulk("number");
    to.integer(static_cast<std::int64_t>(line.number));
    to.bulk("attempt");
    to.integer(line.attempt);
    to.bulk("at");
    to.integer(micros(line.at) / 1000);
    to.bulk("text");
    to.bulk(line.text);
  }
  to.bulk("ended");
  to.boolean(log.ended);
}

Result<void> set_slots(engine::WorkerOrderSpec& into, Args values) {
  const auto slots = read_count(values[0], 1, 1u << 20);
  if (!slots) return fail(slots.error());
  into.slots = *slots;
  return {};
}
template <std::string engine::WorkerSelector::*kField>
Result<void> set_pattern(engine::WorkerOrderSpec& into, Args values) {
  into.who.*kField = values[0];
  return {};
}
constexpr Option<engine::WorkerOrderSpec> kOrderOptions[] = {
    {"SLOTS", 1, set_slots},
    {"NAME", 1, set_pattern<&engine::WorkerSelector::name>},
    {"QUEUE", 1, set_pattern<&engine::WorkerSelector::queue>},
    {"VERSION", 1, set_pattern<&engine::WorkerSelector::version>},
};

Result<void> set_after(engine::Redrive& into, Args values) {
  const auto id = read_id(values[0]);
  if (!id) return fail(id.error());
  into.after = *id;
  return {};
}
Result<void> set_max(engine::Redrive& into, Args values) {
  const auto max = read_count(values[0], 1, 1'000'000'000);
  if (!max) return fail(max.error());
  into.max = *max;
  return {};
}
Result<void> set_error(engine::Redrive& into, Args values) {
  const auto text = read_error_text(values[0]);
  if (!text) return fail(text.error());
  into.error = *text;
  return {};
}
Result<void> set_task(engine::Redrive& into, Args values) {
  into.task = values[0];
  return valid_name(values[0], "task name");
}
constexpr Option<engine::Redrive> kRedriveOptions[] = {
    {"ERROR", 1, set_error}, {"TASK", 1, set_task}, {"MAX", 1, set_max}, {"AFTER", 1, set_after}};

struct LogOptions {
  std::uint64_t after = 0;
  Duration wait{0};
};
constexpr Option<LogOptions> kLogOptions[] = {
    {"AFTER", 1,
     [](LogOptions& into, Args values) -> Result<void> {
       const auto after = parse_u64(values[0]);
       if (!after) return fail(after.error());
       into.after = *after;
       return {};
     }},
    {"WAIT", 1,
     [](LogOptions& into, Args values) -> Result<void> {
       const auto wait = read_duration(values[0]);
       if (!wait) return fail(wait.error());
       into.wait = *wait;
       return {};
     }},
};

}  // namespace

Result<void> worker_announce(Session& session, Args args) {
  auto worker = read_worker(args[1]);
  if (!worker) return fail(worker.error());
  session.broker().announce_worker(session.id(), session.ask(encode_told), std::move(*worker));
  return {};
}

Result<void> worker_beat(Session& session, Args args) {
  auto beat = read_beat(args[1]);
  if (!beat) return fail(beat.error());
  session.broker().beat_worker(session.id(), session.ask(encode_told), std::move(*beat));
  return {};
}

Result<void> worker_list(Session& session, Args) {
  const auto text = list_workers(session.broker(), session.id());
  if (!text) return fail(text.error());
  session.answer_when_durable([&](ReplyWriter to) { to.bulk(*text); });
  return {};
}

Result<void> worker_order(Session& session, Args args) {
  engine::WorkerOrderSpec order;
  const auto kind = engine::parse_order_kind(ascii_lowered(args[1]));
  if (!kind) return fail(kind.error());
  order.kind = *kind;
  if (auto read = read_options(args, 2, kOrderOptions, order); !read) return fail(read.error());
  session.broker().order_workers(session.id(), session.ask(encode_ordered), order);
  return {};
}

Result<void> worker_orders(Session& session, Args) {
  const auto text = list_worker_orders(session.broker(), session.id());
  if (!text) return fail(text.error());
  session.answer_when_durable([&](ReplyWriter to) { to.bulk(*text); });
  return {};
}

Result<void> worker_forget(Session& session, Args args) {
  const auto number = parse_u64(args[1]);
  if (!number) return fail(number.error());
  session.broker().remove_worker_order(session.id(), session.ask(encode_count), *number);
  return {};
}

Result<void> task_decline(Session& session, Args args) {
  if (args.size() > 3) return fail(ErrorCode::invalid, "TASK.DECLINE takes one reason at most");
  const auto why = read_error_text(args.size() == 3 ? args[2] : std::string_view{});
  if (!why) return fail(why.error());
  engine::Settle settle;
  settle.outcome = engine::Outcome::decline;
  settle.error = *why;
  return settle_one(session, args[1], settle);
}

Result<void> task_log(Session& session, Args args) {
  const auto token = read_lease(args[1]);
  if (!token) return fail(token.error());
  const auto lines = args.subspan(2);
  for (const auto line : lines)
    if (auto good = read_error_text(line); !good) return fail(good.error());
  session.broker().log_task(session.id(), session.ask(encode_go_on), *token, lines);
  return {};
}

Result<void> task_logs(Session& session, Args args) {
  const auto id = read_id(args[1]);
  if (!id) return fail(id.error());
  LogOptions options;
  if (auto read = read_options(args, 2, kLogOptions, options); !read) return fail(read.error());
  const bool waits = options.wait > Duration(0);
  const auto tag = waits ? session.ask_task(encode_log, *id) : session.ask(encode_log);
  session.broker().task_log(session.id(), tag, *id, options.after,
                            waits ? session.broker().now() + options.wait : Time{});
  return {};
}

Result<void> task_retry(Session& session, Args args) {
  const auto id = read_id(args[1]);
  if (!id) return fail(id.error());
  session.broker().retry_task(session.id(), session.ask(encode_count), *id);
  return {};
}

Result<void> task_redrive(Session& session, Args args) {
  if (auto good = valid_name(args[1], "queue name"); !good) return good;
  engine::Redrive which;
  if (auto read = read_options(args, 2, kRedriveOptions, which); !read) return fail(read.error());
  session.broker().redrive_some(session.id(), session.ask(encode_redriven), args[1], which);
  return {};
}

}  // namespace penstock::protocol::resp
