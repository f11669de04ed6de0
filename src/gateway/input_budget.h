// Memory for input that was received and not yet taken in, of all connections together.
//
// A connection asks before it reads. When nothing is left, one connection that holds half a message
// may go beyond the budget and the others wait: were all to wait, none would ever finish. So the
// memory used is at most the budget and one largest message.
//
// Threads: one. Lifetime: a holder gives everything back before it is destroyed.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace penstock::gateway {

class InputBudget {
 public:
  explicit InputBudget(std::uint64_t limit) : limit_(limit) {}

  // Whether `holder`, which holds `held` bytes, may receive up to `bytes` more.
  [[nodiscard]] bool may_read(const void* holder, std::uint64_t held, std::uint64_t bytes) {
    if (used_ + bytes <= limit_) return true;
    if (overdrawn_ == nullptr && held != 0) overdrawn_ = holder;
    return overdrawn_ == holder;
  }
  // `holder` now holds `after` bytes instead of `before`.
  void change(const void* holder, std::uint64_t before, std::uint64_t after) {
    CHECK(used_ >= before);
    used_ = used_ - before + after;
    if (after == 0 && overdrawn_ == holder) overdrawn_ = nullptr;
  }

  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] std::uint64_t left() const { return used_ < limit_ ? limit_ - used_ : 0; }

 private:
  const std::uint64_t limit_;
  std::uint64_t used_ = 0;
  const void* overdrawn_ = nullptr;  // who may exceed the limit, compared and never followed
};

}  // namespace penstock::gateway
