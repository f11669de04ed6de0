// A message's properties, and the content header that carries them (sections 2.3.5.2 and 4.2.6.1).
//
//    0          2        4             12      14
//   +----------+--------+-------------+-------+------------------
//   | class id | weight | body size   | flags | properties ...
//   +----------+--------+-------------+-------+------------------
//    60         0        8 octets      one bit a property, highest first; those set follow in order
//
// What it is: pure functions; one pass, without an allocation while all is well.
// Lifetime: texts, headers and `raw` point into the payload.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "base/bytes.h"
#include "wire/amqp/method.h"
#include "wire/amqp/table.h"

namespace penstock::wire::amqp {

// Absent and empty are two things: what came is what is delivered.
struct Properties {
  std::optional<std::string_view> content_type{};
  std::optional<std::string_view> content_encoding{};
  std::optional<TableView> headers{};
  std::optional<std::uint8_t> delivery_mode{};  // 2 is persistent
  std::optional<std::uint8_t> priority{};
  std::optional<std::string_view> correlation_id{};
  std::optional<std::string_view> reply_to{};
  std::optional<std::string_view> expiration{};  // milliseconds, as text
  std::optional<std::string_view> message_id{};
  std::optional<std::uint64_t> timestamp{};  // seconds since 1970-01-01 UTC
  std::optional<std::string_view> type{};
  std::optional<std::string_view> user_id{};
  std::optional<std::string_view> app_id{};
  std::optional<std::string_view> cluster_id{};

  // All of them, in the order of their flags.
  [[nodiscard]] auto fields() {
    return std::tie(content_type, content_encoding, headers, delivery_mode, priority,
                    correlation_id, reply_to, expiration, message_id, timestamp, type, user_id,
                    app_id, cluster_id);
  }
  [[nodiscard]] auto fields() const {
    return std::tie(content_type, content_encoding, headers, delivery_mode, priority,
                    correlation_id, reply_to, expiration, message_id, timestamp, type, user_id,
                    app_id, cluster_id);
  }
  [[nodiscard]] std::optional<Value> header(std::string_view name) const {
    return headers ? headers->find(name) : std::nullopt;
  }
  bool operator==(const Properties&) const = default;
};

struct ContentHeader {
  std::uint64_t body_bytes = 0;
  Properties properties{};
  ByteView raw{};  // flags and properties, as on the wire
};

// The payload of a header frame. Fails with 501 when it is no content header of class basic, with
// 502 for a weight or flags that mean nothing and for properties that are cut short, malformed or
// followed by more.
[[nodiscard]] std::expected<ContentHeader, Failure> decode_content_header(ByteView payload);

// Flags and properties only, as they are kept with a message.
[[nodiscard]] std::expected<Properties, Failure> decode_properties(ByteView raw);
void encode_properties(std::string& out, const Properties& properties);

}  // namespace penstock::wire::amqp
