// Frames of AMQP 0-9-1 (section 4.2.3), and the header that a connection begins with.
//
//    0      1          3             7                   7+size
//   +------+----------+-------------+-------------------+------+
//   | type | channel  | size        | payload           | 0xCE |
//   +------+----------+-------------+-------------------+------+
//    octet  2 octets   4 octets      `size` octets       octet
//
// What it is: pure functions over an input that the caller owns. Nothing is kept between calls, and
//   a frame's payload is not looked at, so calling again with more bytes costs nothing.
// Lifetime: a frame's payload points into the input.
// Damage:   after an error it is not known where the next frame begins: close the connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/amqp/reply_code.h"

namespace penstock::wire::amqp {

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

inline constexpr std::size_t kFrameHeadBytes = 7;
// What a frame takes beside its payload.
inline constexpr std::size_t kFrameOverheadBytes = kFrameHeadBytes + 1;
// Every peer takes frames of this size; nobody may negotiate less.
inline constexpr std::size_t kFrameBytesMin = 4096;
inline constexpr std::byte kFrameEnd{0xCE};

struct Frame {
  FrameType type = FrameType::heartbeat;
  std::uint16_t channel = 0;
  ByteView payload;
};

struct ReadFrame {
  enum class Status : std::uint8_t { need_more, frame, error };
  Status status = Status::need_more;
  std::size_t consumed = 0;  // with `frame`: its whole size; else 0
  Frame frame{};
  ReplyCode code = ReplyCode::success;  // with `error`
  std::string text{};                   // with `error`: one line, safe to send back
};

// The frame that `input` begins with. `frame_max` counts a whole frame, as negotiated; a larger one
// is refused by its head, before its payload has arrived. 0 is no limit.
[[nodiscard]] ReadFrame read_frame(ByteView input, std::size_t frame_max);

// What a client sends first, and what a server answers when it got anything else, before it closes.
inline constexpr std::string_view kProtocolHeader{"AMQP\0\0\x09\x01", 8};

enum class HeaderCheck : std::uint8_t { need_more, ok, other };
// `other` as soon as one octet differs.
[[nodiscard]] HeaderCheck check_protocol_header(ByteView input);

}  // namespace penstock::wire::amqp
