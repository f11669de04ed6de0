// Schedules: put, looked at, paused, triggered.
#include <algorithm>

#include "base/text.h"
#include "engine/names.h"
#include "engine/schedule.h"
#include "protocol/headers.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

using wire::json::ObjectReader;

constexpr std::string_view kDefaultQueue = "default";
constexpr std::uint32_t kAttemptsMax = 1'000'000;
constexpr Duration kLeaseMin = std::chrono::milliseconds(1);
constexpr std::size_t kBodyBytesMax = 256u << 10;  // a schedule in JSON; half of it may be escapes
constexpr std::uint32_t kListDefault = 1000, kListMax = 10'000;

void write_payload(JsonText& json, const engine::Schedule& schedule) {
  if (is_valid_utf8(schedule.body))
    json.key("body").string(schedule.body);
  else
    json.key("body_base64").string(base64_encode(as_bytes(schedule.body)));
  json.key("headers").begin_object();
  visit_headers(as_bytes(schedule.headers), [&](std::string_view name, std::string_view value) {
    if (name != kTaskHeader) json.key(name).string(value);
  });
  json.end_object();
}

void write_schedule(JsonText& json, const engine::Schedule& schedule, bool with_payload) {
  json.begin_object().key("name").string(schedule.name).key("when").string(schedule.when);
  json.key("zone").string(schedule.zone).key("queue").string(schedule.queue);
  if (schedule.task)
    json.key("task").string(find_header(as_bytes(schedule.headers), kTaskHeader).value_or(""));
  if (with_payload) write_payload(json, schedule);
  json.key("priority").integer(schedule.priority);
  if (!schedule.key.empty()) json.key("key").string(schedule.key);
  if (!schedule.group.empty()) json.key("group").string(schedule.group);
  json.key("missed").string(name_of(schedule.missed_policy));
  json.key("overlap").string(name_of(schedule.overlap));
  json.key("paused").boolean(schedule.paused);
  json.key("next_at").time(schedule.next_due.value_or(Time{}));
  json.key("last_due_at").time(schedule.last_due);
  json.key("last_fired_at").time(schedule.last_fired_at);
  json.key("last_id");
  schedule.last_message ? json.id(schedule.last_message) : json.null();
  json.key("waiting_at").time(schedule.waiting);
  json.key("fired_total").integer(schedule.fired).key("missed_total").integer(schedule.missed);
  json.key("skipped_total").integer(schedule.skipped);
  json.key("refused_total").integer(schedule.refused);
  const auto& error = schedule.problem.empty() ? schedule.last_error : schedule.problem;
  json.key("error");
  error.empty() ? json.null() : json.string(error);
  json.end_object();
}

// What a request says, with the memory that the schedule's views point into.
struct Given {
  engine::ScheduleSpec spec;
  std::string body;
};

void read_policy(ObjectReader& in, engine::Policy& policy) {
  if (const auto attempts = in.integer("max_attempts", 0, kAttemptsMax))
    policy.max_attempts = static_cast<std::uint32_t>(*attempts);
  if (const auto text = in.text("backoff")) {
    if (auto backoff = engine::parse_backoff(*text))
      policy.backoff = *backoff;
    else
      in.refuse("backoff", "be none, fixed:2s or exponential:1s:60s");
  }
  policy.lease = in.duration("lease", kLeaseMin);
  policy.result_ttl = in.duration("result_ttl");
}

// A task with its arguments, or any body.
Result<void> read_payload(ObjectReader& in, HeaderWriter& headers, Given& into) {
  const auto task = in.text("task");
  const auto* args = in.array("args");
  const auto* kwargs = in.object("kwargs");
  const auto text = in.text("body");
  const auto base64 = in.text("body_base64");
  if (task) {
    if (auto valid = valid_name(*task, "task name"); !valid) return valid;
    if (text || base64)
      return fail(ErrorCode::invalid, "a schedule publishes a task or a body, not both");
    headers.add(kTaskHeader, *task);
    into.spec.task = true;
    into.body = "{\"args\":" + (args != nullptr ? wire::json::to_text(*args) : "[]");
    if (kwargs != nullptr) into.body += ",\"kwargs\":" + wire::json::to_text(*kwargs);
    into.body += '}';
  } else if (args != nullptr || kwargs != nullptr) {
    return fail(ErrorCode::invalid, "args and kwargs are those of a task, and none is named");
  } else if (base64) {
    auto bytes = base64_decode(*base64);
    if (!bytes) return fail(std::move(bytes.error()).at("body_base64"));
    into.body = std::move(*bytes);
  } else if (!text) {
    return fail(ErrorCode::invalid, "a schedule publishes something: name a task, or give a body");
  } else {
    into.body = *text;
  }
  into.spec.body = as_bytes(into.body);
  return {};
}

Result<void> read_headers(ObjectReader& in, HeaderWriter& headers) {
  const auto* object = in.object("headers");
  if (object == nullptr) return {};
  for (const auto& [name, value] : *object) {
    if (!wire::json::is_text(value))
      return fail(ErrorCode::invalid, "headers: values must be text");
    if (auto added = add_header(headers, name, value.get_string()); !added) return added;
  }
  return {};
}

Result<void> read_schedule(const boost::json::value& value, HeaderWriter& headers, Given& into) {
  ObjectReader in(value);
  auto& spec = into.spec;
  spec.when = in.required_text("when");
  spec.zone = in.text("zone").value_or("UTC");
  spec.queue = in.text("queue").value_or(kDefaultQueue);
  if (auto valid = valid_name(spec.queue, "queue name"); !valid) return valid;
  if (auto read = read_payload(in, headers, into); !read) return read;
  if (auto read = read_headers(in, headers); !read) return read;
  spec.headers = headers.view();
  spec.priority = static_cast<std::uint8_t>(in.integer("priority", 0, 9, 0));
  const auto key = in.text("key"), group = in.text("group");
  if ((key && key->empty()) || (group && group->empty()))
    return fail(ErrorCode::invalid, "key and group are not empty", "leave out what it has not");
  spec.key = key.value_or("");
  spec.group = group.value_or("");
  read_policy(in, spec.policy);
  if (const auto text = in.text("missed")) {
    const auto missed = engine::parse_missed(*text);
    if (!missed) return fail(missed.error());
    spec.missed = *missed;
  }
  if (const auto text = in.text("overlap")) {
    const auto overlap = engine::parse_overlap(*text);
    if (!overlap) return fail(overlap.error());
    spec.overlap = *overlap;
  }
  spec.paused = in.boolean("paused");
  return in.finish();
}

// Answers with an error when the name is none; true then.
bool refuse_name(Exchange& exchange) {
  const auto valid = valid_name(exchange.parameter(), "schedule name");
  if (valid) return false;
  exchange.answer_error(valid.error());
  return true;
}

void on_put(Exchange& exchange, const broker::Done& done) {
  JsonText json(exchange.text());
  json.begin_object().key("name").string(exchange.parameter());
  json.key("created").boolean(done.created);
  json.key("changed").boolean(done.changed).end_object();
  exchange.answer_json(done.created ? 201 : 200);
}
void on_gone(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}
void on_paused(Exchange& exchange, const broker::Done&) {
  JsonText json(exchange.text());
  json.begin_object().key("name").string(exchange.parameter());
  json.key("paused").raw(exchange.note).end_object();
  exchange.answer_json(200);
}
void on_triggered(Exchange& exchange, const broker::Published& published) {
  JsonText json(exchange.text());
  json.begin_object().key("name").string(exchange.parameter());
  json.key("id").id(published.ids.front()).end_object();
  exchange.answer_json(202);
}

void set_paused(Exchange& exchange, bool paused) {
  if (refuse_name(exchange)) return;
  exchange.note = paused ? "true" : "false";
  const auto tag = exchange.expect<on_paused>();
  exchange.broker().pause_schedule(exchange.session().id(), tag, exchange.parameter(), paused);
}

}  // namespace

void put_schedule(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto body =
      wire::json::parse(exchange.body(), {.max_bytes = kBodyBytesMax, .keep_numbers = true});
  if (!body) return exchange.answer_error(body.error());
  exchange.headers.clear();
  Given given;
  if (auto read = read_schedule(*body, exchange.headers, given); !read)
    return exchange.answer_error(read.error());
  given.spec.name = exchange.parameter();
  const auto tag = exchange.expect<on_put>();
  exchange.broker().put_schedule(exchange.session().id(), tag, given.spec);
}

void get_schedule(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto schedule = exchange.broker().schedule(exchange.session().id(), exchange.parameter());
  if (!schedule) return exchange.answer_error_when_durable(schedule.error());
  JsonText json(exchange.text());
  write_schedule(json, **schedule, true);
  exchange.answer_json_when_durable(200);
}

void get_schedules(Exchange& exchange) {
  const auto limit = count_in_query(exchange, "limit", kListDefault, kListMax);
  if (!limit) return exchange.answer_error(limit.error());
  const auto after = exchange.query("after").value_or("");
  const auto all = exchange.broker().schedules(exchange.session().id());
  if (!all) return exchange.answer_error_when_durable(all.error());
  JsonText json(exchange.text());
  json.begin_object().key("schedules").begin_array();
  std::uint32_t count = 0;
  std::string_view last;
  bool more = false;
  for (const auto* schedule : *all) {
    if (schedule->name <= after || engine::split_name(schedule->name).host != engine::kDefaultHost)
      continue;
    if ((more = count == *limit)) break;
    write_schedule(json, *schedule, false);
    last = schedule->name;
    ++count;
  }
  json.end_array();
  if (more) json.key("next").string(last);
  json.end_object();
  exchange.answer_json_when_durable(200);
}

void delete_schedule(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().remove_schedule(exchange.session().id(), tag, exchange.parameter());
}

void pause_schedule(Exchange& exchange) {
  set_paused(exchange, true);
}
void resume_schedule(Exchange& exchange) {
  set_paused(exchange, false);
}

void trigger_schedule(Exchange& exchange) {
  if (refuse_name(exchange)) return;
  const auto tag = exchange.expect<on_triggered>();
  exchange.broker().trigger_schedule(exchange.session().id(), tag, exchange.parameter());
}

}  // namespace penstock::protocol::http
