// Frames onto the end of a buffer that the caller owns; with content.h and method.h everything that
// a peer is sent.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/octets.h"

namespace penstock::wire::amqp {

// Everything appended while it lives is the payload of one frame; nothing else may be.
class FrameWriter {
 public:
  FrameWriter(std::string& out, FrameType type, std::uint16_t channel) : out_(out) {
    Writer head(out);
    payload_ = head.number(static_cast<std::uint8_t>(type)).number(channel).open_length();
  }
  ~FrameWriter() {
    Writer(out_).close_length(payload_);
    out_.push_back(static_cast<char>(kFrameEnd));
  }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

 private:
  std::string& out_;
  std::size_t payload_;
};

// Always on channel 0.
inline void write_heartbeat(std::string& out) {
  const FrameWriter frame(out, FrameType::heartbeat, 0);
}

}  // namespace penstock::wire::amqp
