#include "protocol/http/values.h"

#include <algorithm>

#include "base/text.h"
#include "base/trace_context.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kBatchType = "application/x-ndjson";

Result<void> check_key(std::string_view key) {
  if (key.empty() || key.size() > kKeyBytesMax || !is_valid_utf8(key)) {
    return fail(ErrorCode::invalid,
                "must be 1 to " + std::to_string(kKeyBytesMax) + " bytes of UTF-8");
  }
  return {};
}

Result<void> set_delay(PublishFields& into, std::string_view text) {
  const auto delay = read_duration(text);
  if (!delay) return fail(delay.error());
  into.message.delay = *delay;
  return {};
}

Result<void> set_expires(PublishFields& into, std::string_view text) {
  const auto expires = read_duration(text);
  if (!expires) return fail(expires.error());
  into.message.expires = *expires;
  return {};
}

Result<void> set_wait(PublishFields& into, std::string_view text) {
  const auto wait = read_duration(text);
  if (!wait) return fail(wait.error());
  into.wait = *wait;
  return {};
}

Result<void> set_at(PublishFields& into, std::string_view text) {
  const auto ms = parse_u64(text);
  if (!ms || *ms > static_cast<std::uint64_t>(kTimeMsMax)) {
    return fail(ErrorCode::invalid, quoted(text) + " is no time",
                "write milliseconds since 1970-01-01 UTC");
  }
  into.message.at = time_from_micros(static_cast<std::int64_t>(*ms * 1000));
  return {};
}

Result<void> set_priority(PublishFields& into, std::string_view text) {
  if (text.size() != 1 || !ascii_is_digit(text[0])) {
    return fail(ErrorCode::invalid, quoted(text) + " is no priority", "write 0 to 9");
  }
  into.message.priority = static_cast<std::uint8_t>(text[0] - '0');
  return {};
}

Result<void> set_key(PublishFields& into, std::string_view text) {
  into.message.key = text;
  return check_key(text);
}

Result<void> set_group(PublishFields& into, std::string_view text) {
  into.message.group = text;
  return check_key(text);
}

template <std::optional<std::string_view> LimitFields::*Member>
Result<void> set_limit_text(PublishFields& into, std::string_view text) {
  into.message.limit.*Member = text;
  return {};
}

template <std::optional<Duration> LimitFields::*Member>
Result<void> set_limit_duration(PublishFields& into, std::string_view text) {
  const auto duration = read_duration(text);
  if (!duration) return fail(duration.error());
  into.message.limit.*Member = *duration;
  return {};
}

struct PublishField {
  std::string_view name;  // lower case
  Result<void> (*set)(PublishFields& into, std::string_view text);
};
constexpr PublishField kPublishFields[] = {
    {"idempotency-key", set_key},
    {"penstock-delay", set_delay},
    {"penstock-at", set_at},
    {"penstock-priority", set_priority},
    {"penstock-group", set_group},
    {"penstock-expires", set_expires},
    {"penstock-wait", set_wait},
    {"penstock-unique", set_limit_text<&LimitFields::unique>},
    {"penstock-until", set_limit_text<&LimitFields::until>},
    {"penstock-debounce", set_limit_text<&LimitFields::debounce>},
    {"penstock-debounce-delay", set_limit_duration<&LimitFields::delay>},
    {"penstock-max-wait", set_limit_duration<&LimitFields::max_wait>},
    {"penstock-throttle", set_limit_text<&LimitFields::throttle>},
    {"penstock-throttle-rate", set_limit_text<&LimitFields::rate>},
    {"penstock-on-conflict", set_limit_text<&LimitFields::on_conflict>},
};
constexpr std::string_view kPrefix = "penstock-";
constexpr std::string_view kHeaderPrefix = "penstock-header-";

bool has_prefix(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && ascii_iequals(name.substr(0, prefix.size()), prefix);
}

Result<void> read_penstock_field(const wire::http::Field& field, PublishFields& into,
                                 HeaderWriter& headers) {
  if (has_prefix(field.name, kHeaderPrefix)) {
    return add_header(headers, ascii_lowered(field.name.substr(kHeaderPrefix.size())), field.value);
  }
  for (const auto& known : kPublishFields) {
    if (!ascii_iequals(field.name, known.name)) continue;
    if (auto set = known.set(into, field.value); !set) return fail(set.error().at(field.name));
    return {};
  }
  return fail(ErrorCode::invalid, "unknown field " + quoted(field.name),
              "known: Penstock-Delay, -At, -Priority, -Group, -Expires, -Wait, -Unique, -Until, "
              "-Debounce, -Debounce-Delay, -Max-Wait, -Throttle, -Throttle-Rate, -On-Conflict, "
              "-Header-<name>");
}

void read_key(wire::json::ObjectReader& in, std::string_view name, std::string_view& into) {
  const auto text = in.text(name);
  if (!text) return;
  if (auto good = check_key(*text); !good) return in.refuse(name, good.error().message.substr(5));
  into = *text;
}

}  // namespace

Result<Duration> read_duration(std::string_view text) {
  auto duration = parse_duration(text);
  if (duration && *duration > kDurationMax) {
    return fail(ErrorCode::invalid, "duration " + quoted(text) + " is longer than 36500d");
  }
  return duration;
}

Result<MessageId> read_id(std::string_view text) {
  const auto id = parse_u64(text);
  if (!id || *id == 0) {
    return fail(ErrorCode::invalid, quoted(text) + " is no id",
                "ids are the numbers that publishing and submitting answered with");
  }
  return MessageId(*id);
}

Result<std::uint32_t> count_in_query(const Exchange& exchange, std::string_view name,
                                     std::uint32_t fallback, std::uint32_t max) {
  const auto text = exchange.query(name);
  if (!text) return fallback;
  const auto count = parse_u64(*text);
  if (!count || *count == 0 || *count > max) {
    return fail(ErrorCode::invalid, std::string(name) + " " + quoted(*text) +
                                        " is no number from 1 to " + std::to_string(max));
  }
  return static_cast<std::uint32_t>(*count);
}

Result<Duration> wait_in_query(Exchange& exchange) {
  const auto text = exchange.query("wait");
  if (!text) return Duration(0);
  const auto wait = read_duration(*text);
  if (!wait) return fail(wait.error().at("wait"));
  return std::min(*wait, exchange.service().settings().wait_max);
}

Result<boost::json::value> control_json(const Exchange& exchange) {
  if (exchange.body().find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return boost::json::value(boost::json::object_kind);
  }
  return wire::json::parse(exchange.body());
}

Result<void> MessageFields::apply(Time now, engine::MessageInput& message) const {
  if (delay && at) {
    return fail(ErrorCode::invalid, "delay and at exclude each other", "give one of them");
  }
  if (delay && *delay > Duration(0)) message.not_before = now + *delay;
  if (at) message.not_before = *at;
  if (expires) message.expires_at = now + *expires;
  message.priority = priority.value_or(0);
  message.key = key;
  message.group = group;
  auto said = limit.limit();
  if (!said) return fail(std::move(said.error()));
  message.limit = *said;
  return {};
}

void read_message_fields(wire::json::ObjectReader& in, MessageFields& into) {
  if (const auto delay = in.duration("delay")) into.delay = delay, into.at.reset();
  if (const auto at = in.integer("at", 0, kTimeMsMax)) {
    // Both in one object exclude each other, which apply() tells.
    if (in.any("delay") == nullptr) into.delay.reset();
    into.at = time_from_micros(*at * 1000);
  }
  if (const auto expires = in.duration("expires")) into.expires = expires;
  if (const auto priority = in.integer("priority", 0, 9)) {
    into.priority = static_cast<std::uint8_t>(*priority);
  }
  read_key(in, "key", into.key);
  read_key(in, "group", into.group);
  read_limit_fields(in, into.limit);
}

bool is_batch(std::string_view content_type) {
  const auto type = content_type.substr(0, content_type.find(';'));
  return ascii_iequals(type.substr(0, type.find_last_not_of(" \t") + 1), kBatchType);
}

Result<void> read_publish_fields(const wire::http::Fields& fields, PublishFields& into,
                                 HeaderWriter& headers) {
  for (const auto& field : fields.all()) {
    // Most fields of most requests are none of ours: the first letter tells.
    const char first = ascii_lower(field.name.front());
    if (first == 'c' && ascii_iequals(field.name, kContentTypeHeader)) {
      if (is_batch(field.value)) continue;
      if (auto added = add_header(headers, kContentTypeHeader, field.value); !added) return added;
    } else if ((first == 'p' && has_prefix(field.name, kPrefix)) ||
               (first == 'i' && ascii_iequals(field.name, "idempotency-key"))) {
      if (auto read = read_penstock_field(field, into, headers); !read) return read;
    }
  }
  return {};
}

void read_trace(const wire::http::Fields& fields, HeaderWriter& headers) {
  std::string_view parent;
  std::string state;
  for (const auto& field : fields.all()) {
    if (ascii_lower(field.name.front()) != 't') continue;
    if (ascii_iequals(field.name, kTraceParentHeader)) {
      if (!parent.empty()) return;  // two parents are none
      parent = field.value;
    } else if (ascii_iequals(field.name, kTraceStateHeader)) {
      state.append(state.empty() ? "" : ",").append(field.value);
    }
  }
  if (!parse_traceparent(parent) || find_header(headers.view(), kTraceParentHeader)) return;
  headers.add(kTraceParentHeader, parent);
  if (is_valid_tracestate(state)) headers.add(kTraceStateHeader, state);
}

Result<void> add_header(HeaderWriter& headers, std::string_view name, std::string_view value) {
  if (auto valid = valid_name(name, "header name"); !valid) return valid;
  if (name == kTaskHeader) {
    return fail(ErrorCode::invalid, "header " + quoted(name) + " is Penstock's own",
                "submit tasks with POST /v1/tasks/{name}");
  }
  if (!is_valid_utf8(value)) {
    return fail(ErrorCode::invalid, "the value of header " + quoted(name) + " is not UTF-8");
  }
  if (auto valid = valid_header_value(name, value); !valid) return valid;
  headers.add(name, value);
  return {};
}

}  // namespace penstock::protocol::http
