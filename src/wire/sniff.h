// Which protocol a connection speaks, from the first bytes that its client sent.
//
// All the protocols served have the client speak first. The answer depends on the bytes only, never
// on how they were cut, and is final: a connection does not change its protocol afterwards.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace penstock::wire {

enum class Protocol : std::uint8_t {
  need_more,  // a longer prefix will tell; never with kSniffBytesMax bytes or more
  http,       // a method and a target: "GET /", "OPTIONS *", "POST http://"
  resp,       // an array, or an inline command: "*", "PING\r\n", "GET key"
  amqp,       // "AMQP", whatever version follows
  tls,        // a ClientHello
  unknown,    // nothing of ours: close without an answer
};

inline constexpr std::size_t kSniffBytesMax = 48;

[[nodiscard]] Protocol sniff(ByteView first_bytes);
[[nodiscard]] std::string_view name_of(Protocol protocol);

}  // namespace penstock::wire
