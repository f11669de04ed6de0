// Memory for input that was received and not yet taken in, of all connections together.
//
// A connection asks before it reads. Those that hold much already leave a quarter to those that
// begin: what comes whole in one read costs nothing, so that small messages go through while large
// ones wait. When nothing is left, one connection that holds half a message may go beyond the
// budget and the others wait: were all to wait, none would ever finish. So the memory used is at
// most the budget and one largest message.
//
// Threads: one. Lifetime: a holder gives everything back before it is destroyed.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace penstock::gateway {

class InputBudget {
 public:
  // `small`: up to so much, what is held counts as a beginning.
  InputBudget(std::uint64_t limit, std::uint64_t small) : limit_(limit), small_(small) {}

  // Whether `holder`, which holds `held` bytes, may receive up to `bytes` more.
  [[nodiscard]] bool may_read(const void* holder, std::uint64_t held, std::uint64_t bytes) {
    if (used_ + bytes <= (held < small_ ? limit_ : limit_ - limit_ / 4)) return true;
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
  // Whether so much more could be read, were `used` in use, or half of all is free anyway.
  [[nodiscard]] bool has_room_at(std::uint64_t used, std::uint64_t wanted) const {
    return used + wanted <= limit_ - limit_ / 4 || used <= limit_ / 2;
  }

 private:
  const std::uint64_t limit_;
  const std::uint64_t small_;
  std::uint64_t used_ = 0;
  const void* overdrawn_ = nullptr;  // who may exceed the limit, compared and never followed
};

}  // namespace penstock::gateway
