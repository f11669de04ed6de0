// One watcher's share of what happens, bounded: a slow reader loses events and is told how many.
//
// Threads: one caller at a time. Lifetime: the buffer outlives the stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/http/response_writer.h"

namespace penstock::protocol::http {

class EventStream {
 public:
  EventStream(std::string& out, bool http_1_0, std::uint64_t buffer_bytes)
      : writer_(out, http_1_0), buffer_bytes_(buffer_bytes) {}

  // Adds `frame` when there is room beside the `waiting` bytes of output, else counts it as lost;
  // false then. After a loss, nothing is added before the loss itself was told.
  [[nodiscard]] bool offer(std::string_view frame, std::size_t waiting) {
    if (lost_ > 0 || waiting + frame.size() > buffer_bytes_) {
      ++lost_;
      return false;
    }
    writer_.data(frame);
    return true;
  }
  // The peer has read: there may be room to tell it what it lost.
  void on_read(std::size_t waiting) {
    if (lost_ == 0 || waiting > buffer_bytes_ / 2) return;
    writer_.event("lost", "{\"count\":" + std::to_string(lost_) + "}");
    lost_ = 0;
  }
  // Keeps proxies from closing a quiet stream.
  void heartbeat() { writer_.heartbeat(); }
  void end() { writer_.end(); }

 private:
  wire::http::StreamWriter writer_;
  std::uint64_t buffer_bytes_;
  std::uint64_t lost_ = 0;
};

}  // namespace penstock::protocol::http
