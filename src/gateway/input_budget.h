// Memory for input that was received and not yet taken in, of all connections together.
//
// A connection asks before it reads. When nothing is left, one connection at a time may go beyond
// the budget and the others wait: were all to wait, each holding half a message, none would ever
// finish. So the memory used is at most the budget and one largest message.
//
// Threads: one. Lifetime: a holder leaves before it is destroyed.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace penstock::gateway {

class InputBudget {
 public:
  explicit InputBudget(std::uint64_t limit) : limit_(limit) {}

  // Whether `holder` may receive up to `bytes` more.
  [[nodiscard]] bool may_read(const void* holder, std::uint64_t bytes) {
    if (used_ + bytes <= limit_) return true;
    if (overdrawn_ == nullptr) overdrawn_ = holder;
    return overdrawn_ == holder;
  }
  // `holder` now holds `after` bytes instead of `before`. True when others that wait should ask
  // again.
  bool change(const void* holder, std::uint64_t before, std::uint64_t after) {
    CHECK(used_ >= before);
    used_ = used_ - before + after;
    if (after != 0) return after < before;
    if (overdrawn_ == holder) overdrawn_ = nullptr;
    return true;
  }

  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  const std::uint64_t limit_;
  std::uint64_t used_ = 0;
  const void* overdrawn_ = nullptr;  // who may exceed the limit, compared and never followed
};

}  // namespace penstock::gateway
