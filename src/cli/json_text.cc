#include "cli/json_text.h"

#include "base/text.h"
#include "cli/terminal.h"
#include "wire/json/json.h"

namespace penstock::cli {

namespace json = boost::json;

namespace {

std::int64_t ms(Time time) {
  return micros(time) / 1000;
}
double ms(Duration duration) {
  return static_cast<double>(duration.count()) / 1000;
}

void add_time(json::object& object, std::string_view name, Time time) {
  if (time != Time{}) object[name] = ms(time);
}

void add_text(json::object& object, std::string_view name, std::string_view bytes) {
  if (is_valid_utf8(bytes)) {
    object[name] = bytes;
  } else {
    object[std::string(name) + "_base64"] = base64_encode(as_bytes(bytes));
  }
}

}  // namespace

json::object to_json(const client::Message& message) {
  json::object headers;
  for (const auto& [name, value] : message.headers) add_text(headers, name, value);
  json::object object{{"id", std::to_string(message.id.value)}, {"queue", message.queue}};
  if (!message.lease.empty()) object["lease"] = message.lease;
  add_text(object, "body", message.body);
  object["headers"] = std::move(headers);
  object["attempts"] = message.attempts;
  object["priority"] = message.priority;
  if (!message.group.empty()) object["group"] = message.group;
  add_time(object, "enqueued_at", message.enqueued_at);
  add_time(object, "deadline", message.deadline);
  add_time(object, "expires_at", message.expires_at);
  return object;
}

json::object to_json(const client::Browsed& browsed) {
  json::object object = to_json(browsed.message);
  object["state"] = browsed.state;
  add_time(object, "not_before", browsed.not_before);
  if (!browsed.history.empty()) object["history"] = parsed_or_string(browsed.history);
  return object;
}

json::object to_json(const client::TaskStatus& status) {
  json::object object{{"id", std::to_string(status.id.value)},
                      {"state", status.state},
                      {"name", status.name},
                      {"queue", status.queue},
                      {"attempts", status.attempts}};
  add_time(object, "enqueued_at", status.enqueued_at);
  add_time(object, "started_at", status.started_at);
  add_time(object, "finished_at", status.finished_at);
  if (status.state == "done") object["result"] = parsed_or_string(status.result);
  if (!status.error.empty()) add_text(object, "error", status.error);
  if (!status.history.empty()) object["history"] = parsed_or_string(status.history);
  if (status.progress_total > 0 || status.progress_value > 0) {
    object["progress"] = json::object{{"value", status.progress_value},
                                      {"total", status.progress_total},
                                      {"text", status.progress_text}};
  }
  object["cancel_requested"] = status.cancel_requested;
  if (status.declined_count > 0) {
    add_text(object, "declined", status.declined);
    object["declined_count"] = status.declined_count;
  }
  if (!status.workflow.empty()) object["workflow"] = parsed_or_string(status.workflow);
  return object;
}

json::object to_json(const client::QueueStatistics& queue) {
  json::object object{{"name", queue.name},           {"paused", queue.paused},
                      {"ready", queue.ready},         {"leased", queue.leased},
                      {"scheduled", queue.scheduled}, {"bytes", queue.bytes},
                      {"in_system", queue.in_system}, {"arrival_rate", queue.arrival_rate},
                      {"service_rate", nullptr},      {"mean_time_ms", ms(queue.mean_time)},
                      {"predicted_wait_ms", nullptr}, {"oldest_age_ms", ms(queue.oldest_age)},
                      {"consumers", queue.consumers}, {"refused", queue.refused}};
  if (queue.service_rate_known) {
    object["service_rate"] = queue.service_rate;
    object["predicted_wait_ms"] = ms(queue.predicted_wait);
  }
  json::object counters;
  for (const auto& [name, count] : queue.counters) counters[name] = count;
  object["counters"] = std::move(counters);
  json::object options;
  for (const auto& [name, value] : queue.options) options[name] = value;
  object["options"] = std::move(options);
  return object;
}

json::value parsed_or_string(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (!error) return value;
  if (is_valid_utf8(text)) return json::value(text);
  return json::object{{"base64", base64_encode(as_bytes(text))}};
}

std::string json_or_string(std::string_view text) {
  if (wire::json::check(text, {.max_bytes = text.size()})) {
    const auto begin = text.find_first_not_of(" \t\r\n");
    return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin));
  }
  std::string made;
  if (is_valid_utf8(text))
    wire::json::append_string(made, text);
  else
    made = json::serialize(parsed_or_string(text));
  return made;
}

bool print_json(const json::value& value) {
  return write_out(json::serialize(value) + "\n");
}

}  // namespace penstock::cli
