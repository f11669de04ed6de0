// Bytes on their way to a peer, in one run: appended at the end, sent from the front.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/check.h"

namespace penstock::protocol {

class OutputBuffer {
 public:
  // Append only.
  [[nodiscard]] std::string& bytes() { return bytes_; }
  [[nodiscard]] ByteView unsent() const { return as_bytes(bytes_).subspan(sent_); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - sent_; }
  [[nodiscard]] std::size_t memory_bytes() const { return bytes_.capacity(); }
  // The bytes from `at` on have not been given to the socket: they may still be changed.
  [[nodiscard]] bool holds(std::size_t at) const { return at >= sent_ && at < bytes_.size(); }

  void sent(std::size_t count) {
    CHECK(count <= size());
    sent_ += count;
    if (sent_ == bytes_.size()) {
      sent_ = 0;
      bytes_.clear();
      if (bytes_.capacity() > kBytesKept) std::string().swap(bytes_);
    } else if (sent_ >= kBytesKept && sent_ * 2 >= bytes_.size()) {
      bytes_.erase(0, sent_);  // moves at most as many bytes as were sent
      sent_ = 0;
    }
  }

 private:
  static constexpr std::size_t kBytesKept = 64u << 10;  // by a quiet connection, of a busy past

  std::string bytes_;
  std::size_t sent_ = 0;
};

}  // namespace penstock::protocol
