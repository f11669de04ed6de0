#include "protocol/resp/encode.h"

#include <charconv>

#include "base/headers.h"
#include "broker/broker.h"
#include "protocol/headers.h"
#include "wire/resp/packed.h"

namespace penstock::protocol::resp {
namespace {

using wire::resp::ReplyWriter;

constexpr std::string_view kLost =
    "LOST the lease ran out or was never given; its message belongs to someone else now";

std::int64_t millis(Time time) {
  return micros(time) / 1000;
}
double millis(Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
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
  to.integer(millis(value));
}
void field(ReplyWriter& to, std::string_view name, Duration value) {
  to.bulk(name);
  to.number(millis(value));
}
void field(ReplyWriter& to, std::string_view name, double value) {
  to.bulk(name);
  to.number(value);
}
void field(ReplyWriter& to, std::string_view name, bool value) {
  to.bulk(name);
  to.boolean(value);
}

void write_id(ReplyWriter& to, MessageId id) {
  char text[24];
  const auto [end, error] = std::to_chars(text, text + sizeof text, id.value);
  to.bulk({text, static_cast<std::size_t>(end - text)});
}

void id_field(ReplyWriter& to, MessageId id) {
  to.bulk("id");
  write_id(to, id);
}

void headers_field(ReplyWriter& to, ByteView headers) {
  std::uint64_t count = 0;
  visit_headers(headers, [&](auto, auto) { ++count; });
  to.bulk("headers");
  to.map(count);
  visit_headers(headers, [&](auto name, auto value) { field(to, name, value); });
}

// The run as it is when all of it may be seen; else made anew, in `scratch`.
ByteView shown_headers(ByteView headers, HeaderWriter& scratch) {
  bool hidden = false;
  for_each_header(headers,
                  [&](std::string_view name, auto) { hidden = hidden || is_hidden_header(name); });
  if (!hidden) return headers;
  scratch.clear();
  visit_headers(headers, [&](auto name, auto value) { scratch.add(name, value); });
  return scratch.view();
}

// What RECEIVE and QUEUE.BROWSE have in common.
constexpr std::uint64_t kMessageFields = 7;
std::uint64_t optional_fields(const broker::Delivery& message) {
  return (message.group.empty() ? 0u : 1u) + (message.expires_at == Time{} ? 0u : 1u);
}
void message_fields(ReplyWriter& to, const broker::Delivery& message) {
  id_field(to, message.id);
  field(to, "queue", message.queue);
  field(to, "body", as_text(message.body));
  headers_field(to, message.headers);
  field(to, "attempts", std::uint64_t{message.attempts});
  field(to, "priority", std::uint64_t{message.priority});
  field(to, "enqueued_at", message.enqueued_at);
  if (!message.group.empty()) field(to, "group", message.group);
  if (message.expires_at != Time{}) field(to, "expires_at", message.expires_at);
}

void write_queue(ReplyWriter& to, const engine::QueueStatistics& queue) {
  constexpr std::uint64_t kFields = 16;
  to.map(kFields);
  field(to, "name", queue.name);
  field(to, "paused", queue.options.paused);
  field(to, "ready", queue.ready);
  field(to, "leased", queue.leased);
  field(to, "scheduled", queue.scheduled);
  field(to, "bytes", queue.bytes);
  field(to, "in_system", queue.in_system);
  field(to, "arrival_rate", queue.arrival_rate);
  field(to, "service_rate", queue.service_rate);
  field(to, "service_rate_known", queue.service_rate_known);
  field(to, "mean_time_ms", queue.mean_time);
  field(to, "predicted_wait_ms", queue.predicted_wait);
  field(to, "oldest_age_ms", queue.oldest_age);
  field(to, "consumers", std::uint64_t{queue.consumers});
  to.bulk("counters");
  const auto counters = engine::queue_counters();
  to.map(counters.size());
  for (const auto& counter : counters) field(to, counter.name, queue.*counter.value);
  to.bulk("options");
  to.map(engine::option_fields().size());
  for (const auto& option : engine::option_fields())
    field(to, option.name, option.get(queue.options));
}

std::string_view code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
      return "NOTFOUND ";
    case ErrorCode::busy:
      return "BUSY ";
    case ErrorCode::denied:
      return "NOPERM ";
    case ErrorCode::conflict:
      return "CONFLICT ";
    case ErrorCode::duplicate:
      return "DUPLICATE ";
    default:
      return "ERR ";
  }
}

void write_task(ReplyWriter& to, const broker::TaskStatus& task) {
  to.map(14u + (task.workflow.empty() ? 0 : 1) + (task.declined.empty() ? 0 : 2));
  id_field(to, task.id);
  field(to, "state", engine::name_of(task.state));
  field(to, "name", task.name);
  field(to, "queue", task.queue);
  field(to, "attempts", std::uint64_t{task.attempts});
  field(to, "enqueued_at", task.enqueued_at);
  field(to, "started_at", task.started_at);
  field(to, "finished_at", task.finished_at);
  field(to, "next_attempt_at", task.next_attempt_at);
  field(to, "result", task.result);
  field(to, "error", task.error);
  field(to, "history", task.history);
  to.bulk("progress");
  to.map(3);
  field(to, "value", task.progress.value);
  field(to, "total", task.progress.total);
  field(to, "text", task.progress.text);
  field(to, "cancel_requested", task.cancel_requested);
  if (!task.workflow.empty()) field(to, "workflow", task.workflow);
  if (task.declined.empty()) return;
  field(to, "declined", task.declined);
  field(to, "declined_count", std::uint64_t{task.declined_count});
}

}  // namespace

std::string error_text(const Error& error) {
  std::string text(code_of(error.code));
  if (error.id) text.append("id=").append(std::to_string(error.id.value)).append(" ");
  text += error.message;
  if (!error.hint.empty()) text.append("; ").append(error.hint);
  return text;
}

std::string refusal_text(const broker::Refused& refused) {
  const auto millis_up = (refused.retry_after.count() + 999) / 1000;
  std::string text = "BUSY retry-after-ms=" + std::to_string(millis_up);
  text.append(" reason=").append(refused.reason).append(" queue=");
  for (const char c : refused.queue) {
    if (c == ' ') {
      text.append("%20");
    } else if (c == '%') {
      text.append("%25");
    } else {
      text.push_back(c);
    }
  }
  return text.append(" ").append(refused.message);
}

void encode_id(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  write_id(to, std::get<broker::Published>(reply).ids.front());
}

void encode_ids(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto ids = std::get<broker::Published>(reply).ids;
  to.array(ids.size());
  for (const auto id : ids) write_id(to, id);
}

void encode_messages(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto messages = std::get<broker::Delivered>(reply).messages;
  to.array(messages.size());
  for (const auto& message : messages) {
    to.map(kMessageFields + 2 + optional_fields(message));
    message_fields(to, message);
    field(to, "lease", broker::Broker::to_text(message.lease));
    field(to, "deadline", message.deadline);
  }
}

void encode_tasks(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto messages = std::get<broker::Delivered>(reply).messages;
  to.array(messages.size());
  for (const auto& message : messages) {
    const bool expires = message.expires_at != Time{};
    to.map(expires ? 10 : 9);
    id_field(to, message.id);
    field(to, "lease", broker::Broker::to_text(message.lease));
    field(to, "queue", message.queue);
    field(to, "name", find_header(message.headers, kTaskHeader).value_or(""));
    field(to, "payload", as_text(message.body));
    headers_field(to, message.headers);
    field(to, "attempts", std::uint64_t{message.attempts});
    field(to, "enqueued_at", message.enqueued_at);
    field(to, "deadline", message.deadline);
    if (expires) field(to, "expires_at", message.expires_at);
  }
}

void encode_packed(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  constexpr std::size_t kRowBytes = 64;
  const auto messages = std::get<broker::Delivered>(reply).messages;
  std::size_t bytes = 1;
  for (const auto& message : messages)
    bytes += kRowBytes + message.queue.size() + message.headers.size() + message.body.size();
  Bytes rows;
  rows.reserve(bytes);
  wire::resp::MessagePacker packer(rows);
  HeaderWriter shown;
  for (const auto& message : messages) {
    const auto& [id, delivery, seal, place] = message.lease;
    packer.add({.lease = {id, delivery, seal, place},
                .attempts = message.attempts,
                .priority = message.priority,
                .enqueued_at = message.enqueued_at,
                .deadline = message.deadline,
                .expires_at = message.expires_at,
                .queue = message.queue,
                .group = message.group,
                .headers = shown_headers(message.headers, shown),
                .body = message.body});
  }
  to.bulk(as_text(rows));
}

void encode_settled_one(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  if (std::get<broker::Settled>(reply).settled == 0) return to.error(kLost);
  to.integer(1);
}

void encode_settled_many(ReplyWriter& to, const broker::Reply&, Slot& slot) {
  to.integer(slot.settled);
}

void encode_deadline(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& settled = std::get<broker::Settled>(reply);
  if (settled.settled == 0) return to.error(kLost);
  to.integer(millis(settled.deadline));
}

void encode_extended(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& settled = std::get<broker::Settled>(reply);
  if (settled.settled == 0) return to.error(kLost);
  to.map(2);
  field(to, "deadline", settled.deadline);
  field(to, "cancelled", settled.cancelled);
}

void encode_go_on(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto& settled = std::get<broker::Settled>(reply);
  if (settled.settled == 0) return to.error(kLost);
  to.integer(settled.cancelled ? 0 : 1);
}

void encode_task_status(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  write_task(to, std::get<broker::TaskStatus>(reply));
}

void encode_task_statuses(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto tasks = std::get<broker::Tasks>(reply).tasks;
  to.array(tasks.size());
  for (const auto& task : tasks) write_task(to, task);
}

void encode_queue(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  write_queue(to, std::get<broker::Queues>(reply).queues.front());
}

void encode_queues(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto queues = std::get<broker::Queues>(reply).queues;
  to.array(queues.size());
  for (const auto& queue : queues) write_queue(to, queue);
}

void encode_queue_names(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto queues = std::get<broker::Queues>(reply).queues;
  to.array(queues.size());
  for (const auto& queue : queues) to.bulk(queue.name);
}

void encode_browsed(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  const auto messages = std::get<broker::Browsed>(reply).messages;
  to.array(messages.size());
  for (const auto& browsed : messages) {
    to.map(kMessageFields + 3 + optional_fields(browsed.message));
    message_fields(to, browsed.message);
    field(to, "state", browsed.state);
    field(to, "not_before", browsed.not_before);
    field(to, "history", browsed.history);
  }
}

void encode_count(ReplyWriter& to, const broker::Reply& reply, Slot&) {
  to.integer(static_cast<std::int64_t>(std::get<broker::Done>(reply).count));
}

void encode_ok(ReplyWriter& to, const broker::Reply&, Slot&) {
  to.ok();
}

}  // namespace penstock::protocol::resp
