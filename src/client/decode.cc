#include "client/decode.h"

#include <charconv>
#include <chrono>

#include "base/text.h"

namespace penstock::client {
namespace {

using Value = wire::resp::Reply;
using wire::resp::ReplyType;

bool is_list(const Value& value) {
  return value.type == ReplyType::array || value.type == ReplyType::set;
}
bool is_map(const Value& value) {
  return value.type == ReplyType::map && value.items.size() % 2 == 0;
}

// ---- single values; of another type they are nothing, zero, empty: fields may be added and go

std::uint64_t number_of(const Value& value) {
  return value.integer < 0 ? 0 : static_cast<std::uint64_t>(value.integer);
}
std::uint32_t small_of(const Value& value) {
  return static_cast<std::uint32_t>(number_of(value));
}
Time time_of(const Value& value) {
  return Time(std::chrono::milliseconds(value.integer));
}
double real_of(const Value& value) {
  return value.type == ReplyType::number ? value.number : static_cast<double>(value.integer);
}
Duration duration_of(const Value& value) {
  return Duration(static_cast<std::int64_t>(real_of(value) * 1000));
}
bool bool_of(const Value& value) {
  return value.integer != 0;
}

MessageId id_of(const Value& value) {
  if (value.type == ReplyType::integer) return MessageId(number_of(value));
  return MessageId(parse_u64(value.text).value_or(0));
}

// What a value says, as text.
std::string print(Value& value) {
  switch (value.type) {
    case ReplyType::integer:
      return std::to_string(value.integer);
    case ReplyType::boolean:
      return value.integer != 0 ? "true" : "false";
    case ReplyType::number: {
      char text[32];
      const auto [end, error] = std::to_chars(text, text + sizeof text, value.number);
      return {text, end};
    }
    default:
      return std::move(value.text);
  }
}

template <class Visit>
void for_each_field(Value& map, Visit visit) {
  if (!is_map(map)) return;
  for (std::size_t n = 0; n < map.items.size(); n += 2)
    visit(std::string_view(map.items[n].text), map.items[n + 1]);
}

std::vector<OptionText> pairs_of(Value& map) {
  std::vector<OptionText> pairs;
  pairs.reserve(map.items.size() / 2);
  for (std::size_t n = 0; n + 1 < map.items.size(); n += 2)
    pairs.emplace_back(std::move(map.items[n].text), print(map.items[n + 1]));
  return pairs;
}

// ---- maps

void read_field(Message& into, std::string_view name, Value& value) {
  if (name == "id")
    into.id = id_of(value);
  else if (name == "lease")
    into.lease = std::move(value.text);
  else if (name == "queue")
    into.queue = std::move(value.text);
  else if (name == "body")
    into.body = std::move(value.text);
  else if (name == "headers")
    into.headers = pairs_of(value);
  else if (name == "attempts")
    into.attempts = small_of(value);
  else if (name == "priority")
    into.priority = small_of(value);
  else if (name == "enqueued_at")
    into.enqueued_at = time_of(value);
  else if (name == "deadline")
    into.deadline = time_of(value);
  else if (name == "expires_at")
    into.expires_at = time_of(value);
  else if (name == "group")
    into.group = std::move(value.text);
}

void read_field(TakenTask& into, std::string_view name, Value& value) {
  if (name == "id")
    into.id = id_of(value);
  else if (name == "lease")
    into.lease = std::move(value.text);
  else if (name == "queue")
    into.queue = std::move(value.text);
  else if (name == "name")
    into.name = std::move(value.text);
  else if (name == "payload")
    into.payload = std::move(value.text);
  else if (name == "headers")
    into.headers = pairs_of(value);
  else if (name == "attempts")
    into.attempts = small_of(value);
  else if (name == "enqueued_at")
    into.enqueued_at = time_of(value);
  else if (name == "deadline")
    into.deadline = time_of(value);
  else if (name == "expires_at")
    into.expires_at = time_of(value);
}

void read_field(Browsed& into, std::string_view name, Value& value) {
  if (name == "state")
    into.state = std::move(value.text);
  else if (name == "not_before")
    into.not_before = time_of(value);
  else if (name == "history")
    into.history = std::move(value.text);
  else
    read_field(into.message, name, value);
}

void read_field(Extended& into, std::string_view name, Value& value) {
  if (name == "deadline")
    into.deadline = time_of(value);
  else if (name == "cancelled")
    into.cancelled = bool_of(value);
}

void read_progress(TaskStatus& into, Value& map) {
  for_each_field(map, [&](std::string_view name, Value& value) {
    if (name == "value")
      into.progress_value = real_of(value);
    else if (name == "total")
      into.progress_total = real_of(value);
    else if (name == "text")
      into.progress_text = std::move(value.text);
  });
}

void read_field(TaskStatus& into, std::string_view name, Value& value) {
  if (name == "id")
    into.id = id_of(value);
  else if (name == "state")
    into.state = std::move(value.text);
  else if (name == "name")
    into.name = std::move(value.text);
  else if (name == "queue")
    into.queue = std::move(value.text);
  else if (name == "attempts")
    into.attempts = small_of(value);
  else if (name == "enqueued_at")
    into.enqueued_at = time_of(value);
  else if (name == "started_at")
    into.started_at = time_of(value);
  else if (name == "finished_at")
    into.finished_at = time_of(value);
  else if (name == "next_attempt_at")
    into.next_attempt_at = time_of(value);
  else if (name == "result")
    into.result = std::move(value.text);
  else if (name == "error")
    into.error = std::move(value.text);
  else if (name == "history")
    into.history = std::move(value.text);
  else if (name == "progress")
    read_progress(into, value);
  else if (name == "cancel_requested")
    into.cancel_requested = bool_of(value);
  else if (name == "workflow")
    into.workflow = std::move(value.text);
  else if (name == "declined")
    into.declined = std::move(value.text);
  else if (name == "declined_count")
    into.declined_count = small_of(value);
}

void read_field(LogLine& into, std::string_view name, Value& value) {
  if (name == "number")
    into.number = number_of(value);
  else if (name == "attempt")
    into.attempt = small_of(value);
  else if (name == "at")
    into.at = time_of(value);
  else if (name == "text")
    into.text = std::move(value.text);
}

void read_field(TaskLog& into, std::string_view name, Value& value) {
  if (name == "ended") into.ended = bool_of(value);
  if (name != "lines" || !is_list(value)) return;
  for (auto& item : value.items) {
    auto& line = into.lines.emplace_back();
    for_each_field(item, [&](std::string_view field, Value& one) { read_field(line, field, one); });
  }
}

void read_field(Redriven& into, std::string_view name, Value& value) {
  if (name == "moved")
    into.moved = number_of(value);
  else if (name == "next")
    into.next = id_of(value);
}

void read_field(WorkerTold& into, std::string_view name, Value& value) {
  if (name == "quiet")
    into.quiet = bool_of(value);
  else if (name == "stop")
    into.stop = bool_of(value);
  else if (name == "slots")
    into.slots = small_of(value);
  else if (name == "cancelled" && is_list(value))
    for (const auto& id : value.items) into.cancelled.push_back(id_of(id));
}

void read_field(WorkersOrdered& into, std::string_view name, Value& value) {
  if (name == "number")
    into.number = number_of(value);
  else if (name == "workers")
    into.workers = number_of(value);
}

void read_field(GroupStatus& into, std::string_view name, Value& value) {
  if (name == "name")
    into.name = std::move(value.text);
  else if (name == "rate")
    into.rate = std::move(value.text);
  else if (name == "limit")
    into.limit = std::move(value.text);
  else if (name == "weight")
    into.weight = number_of(value);
  else if (name == "ready")
    into.ready = number_of(value);
  else if (name == "held")
    into.held = number_of(value);
}

void read_counters(QueueStatistics& into, Value& map) {
  for_each_field(map, [&](std::string_view name, Value& value) {
    into.counters.emplace_back(name, number_of(value));
    if (name.starts_with("refused_")) into.refused += number_of(value);
  });
}

void read_field(QueueStatistics& into, std::string_view name, Value& value) {
  if (name == "name")
    into.name = std::move(value.text);
  else if (name == "paused")
    into.paused = bool_of(value);
  else if (name == "ready")
    into.ready = number_of(value);
  else if (name == "leased")
    into.leased = number_of(value);
  else if (name == "scheduled")
    into.scheduled = number_of(value);
  else if (name == "bytes")
    into.bytes = number_of(value);
  else if (name == "in_system")
    into.in_system = real_of(value);
  else if (name == "arrival_rate")
    into.arrival_rate = real_of(value);
  else if (name == "service_rate")
    into.service_rate = real_of(value);
  else if (name == "service_rate_known")
    into.service_rate_known = bool_of(value);
  else if (name == "mean_time_ms")
    into.mean_time = duration_of(value);
  else if (name == "predicted_wait_ms")
    into.predicted_wait = duration_of(value);
  else if (name == "oldest_age_ms")
    into.oldest_age = duration_of(value);
  else if (name == "consumers")
    into.consumers = number_of(value);
  else if (name == "counters")
    read_counters(into, value);
  else if (name == "options")
    into.options = pairs_of(value);
}

void read_field(Schedule& into, std::string_view name, Value& value) {
  if (name == "name")
    into.name = std::move(value.text);
  else if (name == "when")
    into.when = std::move(value.text);
  else if (name == "zone")
    into.zone = std::move(value.text);
  else if (name == "queue")
    into.queue = std::move(value.text);
  else if (name == "task")
    into.task = std::move(value.text);
  else if (name == "missed")
    into.missed = std::move(value.text);
  else if (name == "overlap")
    into.overlap = std::move(value.text);
  else if (name == "paused")
    into.paused = bool_of(value);
  else if (name == "next_at")
    into.next_at = time_of(value);
  else if (name == "last_fired_at")
    into.last_fired_at = time_of(value);
  else if (name == "last_id")
    into.last_id = id_of(value);
  else if (name == "fired_total")
    into.fired = number_of(value);
  else if (name == "missed_total")
    into.passed_by = number_of(value);
  else if (name == "skipped_total")
    into.skipped = number_of(value);
  else if (name == "refused_total")
    into.refused = number_of(value);
  else if (name == "error")
    into.error = std::move(value.text);
}

template <class T>
Answer<T> read_map(Reply& reply) {
  if (!is_map(reply.value)) return std::unexpected(unexpected_reply(reply));
  T value;
  for_each_field(reply.value,
                 [&](std::string_view name, Value& field) { read_field(value, name, field); });
  return value;
}

template <class T>
Answer<std::vector<T>> read_maps(Reply& reply) {
  if (!is_list(reply.value)) return std::unexpected(unexpected_reply(reply));
  std::vector<T> values;
  values.reserve(reply.value.items.size());
  for (auto& item : reply.value.items) {
    auto& value = values.emplace_back();
    for_each_field(item,
                   [&](std::string_view name, Value& field) { read_field(value, name, field); });
  }
  return values;
}

// ---- refusals

std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.substr(at).starts_with("%20"))
      plain.push_back(' '), at += 2;
    else if (text.substr(at).starts_with("%25"))
      plain.push_back('%'), at += 2;
    else
      plain.push_back(text[at]);
  }
  return plain;
}

// Takes "name=value " off the front; empty when something else is there.
std::string_view take_field(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name) || !text.substr(name.size()).starts_with('=')) return {};
  std::string_view rest = text.substr(name.size() + 1);
  const auto value = rest.substr(0, rest.find(' '));
  rest.remove_prefix(std::min(rest.size(), value.size() + 1));
  text = rest;
  return value;
}

Failure refusal_of(std::string_view text) {
  Refusal refusal;
  const auto millis = parse_u64(take_field(text, "retry-after-ms"));
  refusal.reason = take_field(text, "reason");
  refusal.queue = unescaped(take_field(text, "queue"));
  refusal.message = text;
  Failure failure{{ErrorCode::busy, "refused: " + refusal.message}};
  constexpr std::uint64_t kMillisMax = 1'000ull * 86'400 * 365;
  if (!millis) return failure;
  refusal.retry_after =
      std::chrono::milliseconds(static_cast<std::int64_t>(std::min(*millis, kMillisMax)));
  failure.refusal = std::move(refusal);
  return failure;
}

}  // namespace

Failure failure_of(std::string_view error_reply) {
  const auto code = error_reply.substr(0, error_reply.find(' '));
  std::string_view text = error_reply.substr(std::min(error_reply.size(), code.size() + 1));
  if (code == "BUSY") return refusal_of(text);
  if (code == "LOST") return {{ErrorCode::conflict, std::string(text)}};
  if (code == "DUPLICATE") {
    const auto id = parse_u64(take_field(text, "id"));
    Error error{ErrorCode::duplicate, std::string(text)};
    error.id = MessageId(id.value_or(0));
    return {std::move(error)};
  }
  if (code == "CONFLICT") return {{ErrorCode::conflict, std::string(text)}};
  if (code == "NOTFOUND") return {{ErrorCode::not_found, std::string(text)}};
  if (code == "NOPERM" || code == "NOAUTH") return {{ErrorCode::denied, std::string(text)}};
  if (code == "ERR") return {{ErrorCode::invalid, std::string(text)}};
  return {{ErrorCode::invalid, std::string(error_reply)}};
}

Failure unexpected_reply(const Reply& reply) {
  if (reply.value.is_error()) return failure_of(reply.value.text);
  return {{ErrorCode::unsupported, "the server's answer has another shape than expected",
           "client and server are of different versions"}};
}

Answer<MessageId> read_id(Reply& reply) {
  if (const auto id = id_of(reply.value)) return id;
  return std::unexpected(unexpected_reply(reply));
}

Answer<std::vector<MessageId>> read_ids(Reply& reply) {
  if (!is_list(reply.value)) return std::unexpected(unexpected_reply(reply));
  std::vector<MessageId> ids;
  ids.reserve(reply.value.items.size());
  for (const auto& item : reply.value.items) ids.push_back(id_of(item));
  return ids;
}

Answer<std::vector<Message>> read_messages(Reply& reply) {
  return read_maps<Message>(reply);
}
Answer<std::vector<TakenTask>> read_tasks(Reply& reply) {
  return read_maps<TakenTask>(reply);
}
Answer<std::vector<Browsed>> read_browsed(Reply& reply) {
  return read_maps<Browsed>(reply);
}
Answer<std::vector<GroupStatus>> read_groups(Reply& reply) {
  return read_maps<GroupStatus>(reply);
}
Answer<std::vector<QueueStatistics>> read_queues(Reply& reply) {
  return read_maps<QueueStatistics>(reply);
}
Answer<QueueStatistics> read_queue(Reply& reply) {
  return read_map<QueueStatistics>(reply);
}
Answer<std::vector<Schedule>> read_schedules(Reply& reply) {
  return read_maps<Schedule>(reply);
}
Answer<TaskStatus> read_task_status(Reply& reply) {
  return read_map<TaskStatus>(reply);
}
Answer<std::vector<TaskStatus>> read_task_statuses(Reply& reply) {
  return read_maps<TaskStatus>(reply);
}
Answer<TaskLog> read_task_log(Reply& reply) {
  return read_map<TaskLog>(reply);
}
Answer<Redriven> read_redriven(Reply& reply) {
  return read_map<Redriven>(reply);
}
Answer<WorkerTold> read_told(Reply& reply) {
  return read_map<WorkerTold>(reply);
}
Answer<WorkersOrdered> read_ordered(Reply& reply) {
  return read_map<WorkersOrdered>(reply);
}
Answer<Extended> read_extended(Reply& reply) {
  return read_map<Extended>(reply);
}

Answer<std::uint64_t> read_count(Reply& reply) {
  if (reply.value.type != ReplyType::integer) return std::unexpected(unexpected_reply(reply));
  return number_of(reply.value);
}

Answer<bool> read_flag(Reply& reply) {
  if (reply.value.type != ReplyType::integer) return std::unexpected(unexpected_reply(reply));
  return reply.value.integer != 0;
}

Answer<bool> read_ok(Reply& reply) {
  if (reply.value.type != ReplyType::simple) return std::unexpected(unexpected_reply(reply));
  return true;
}

Answer<std::string> read_text(Reply& reply) {
  if (reply.value.type != ReplyType::simple && reply.value.type != ReplyType::bulk)
    return std::unexpected(unexpected_reply(reply));
  return std::move(reply.value.text);
}

Answer<std::vector<std::string>> read_texts(Reply& reply) {
  if (!is_list(reply.value)) return std::unexpected(unexpected_reply(reply));
  std::vector<std::string> texts;
  texts.reserve(reply.value.items.size());
  for (auto& item : reply.value.items) texts.push_back(std::move(item.text));
  return texts;
}

Answer<std::vector<OptionText>> read_fields(Reply& reply) {
  if (!is_map(reply.value)) return std::unexpected(unexpected_reply(reply));
  return pairs_of(reply.value);
}

}  // namespace penstock::client
