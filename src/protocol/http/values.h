// What requests say, as values: durations, ids, the fields of a message.
//
// Threads: pure functions. Lifetime: views point into what was given.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "engine/command.h"
#include "protocol/http/exchange.h"
#include "wire/json/json.h"

namespace penstock::protocol::http {

// Longer ones are refused: no sum with the present may overflow.
inline constexpr Duration kDurationMax = wire::json::kDurationMax;
inline constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;  // the end of the year 9999
inline constexpr std::size_t kKeyBytesMax = 1024;                // of an idempotency key or a group
inline constexpr std::size_t kErrorTextBytesMax = 16u << 10;     // of a nack or reject

// Text as `parse_duration` takes it, within kDurationMax.
[[nodiscard]] Result<Duration> read_duration(std::string_view text);
// Decimal, as the API gave it.
[[nodiscard]] Result<MessageId> read_id(std::string_view text);

// A count from the query; `fallback` without one.
[[nodiscard]] Result<std::uint32_t> count_in_query(const Exchange& exchange, std::string_view name,
                                                   std::uint32_t fallback, std::uint32_t max);
// `?wait=`, cut to Settings::wait_max; zero without one.
[[nodiscard]] Result<Duration> wait_in_query(Exchange& exchange);

// The body of a control request; an empty one counts as {}.
[[nodiscard]] Result<boost::json::value> control_json(const Exchange& exchange);

// Unique, debounced or throttled by a key, as it is said.
struct LimitFields {
  std::optional<std::string_view> unique, until, debounce, throttle, rate, on_conflict;
  std::optional<Duration> delay, max_wait;  // of a debounce
  std::optional<Error> error;               // of JSON in which it makes no sense

  [[nodiscard]] Result<engine::KeyLimit> limit() const;
};
// "unique", "debounce" and "throttle" of a JSON object; when one is there it replaces what `into`
// has.
void read_limit_fields(wire::json::ObjectReader& in, LimitFields& into);

// What a message may decide for itself, wherever it is said.
struct MessageFields {
  std::optional<Duration> delay;
  std::optional<Time> at;
  std::optional<Duration> expires;
  std::optional<std::uint8_t> priority;
  std::string_view key;
  std::string_view group;
  LimitFields limit;

  // Puts them into `message`; an error when two of them exclude each other.
  [[nodiscard]] Result<void> apply(Time now, engine::MessageInput& message) const;
};

// "delay", "at", "priority", "key", "group", "expires" and those of a limit of a JSON object; each
// that is there replaces what `into` has.
void read_message_fields(wire::json::ObjectReader& in, MessageFields& into);

// Whether a body of this Content-Type is a batch: one JSON object a line.
[[nodiscard]] bool is_batch(std::string_view content_type);

// The same, and what else a publish may say in the fields of its request.
struct PublishFields {
  MessageFields message;
  Duration wait{0};  // Penstock-Wait: how long a full queue may hold the publish back
};
// Idempotency-Key and Penstock-*; Content-Type, unless it is a batch's, and Penstock-Header-<name>
// are added to `headers`.
// An unknown Penstock-* is refused: a mistyped field must not pass for none.
[[nodiscard]] Result<void> read_publish_fields(const wire::http::Fields& fields,
                                               PublishFields& into, HeaderWriter& headers);

// `traceparent` and `tracestate` of the request become headers of the message, unless it names some
// itself. What the grammar of W3C Trace Context does not allow is left out, as that asks for.
void read_trace(const wire::http::Fields& fields, HeaderWriter& headers);

// Adds a header of a message; those that are Penstock's own are refused.
[[nodiscard]] Result<void> add_header(HeaderWriter& headers, std::string_view name,
                                      std::string_view value);

// Publishes, with the reply on its way to `Then`.
template <auto Then>
void publish(Exchange& exchange, std::string_view queue,
             std::span<const engine::MessageInput> messages, Duration wait) {
  const engine::Publish command{.queue = queue, .messages = messages};
  const auto tag = exchange.expect<Then>();
  const auto session = exchange.session().id();
  if (wait == Duration(0)) return exchange.broker().publish(session, tag, command);
  exchange.wait_long([](Exchange&) {});  // what is held back cannot be hurried
  const auto until = exchange.now() + std::min(wait, exchange.service().settings().wait_max);
  exchange.broker().publish_wait(session, tag, command, until);
}

}  // namespace penstock::protocol::http
