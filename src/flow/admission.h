// May this come in now, and if not, when?
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace penstock::flow {

// What a queue holds and may hold. Sizes count everything in it: ready, leased and scheduled.
struct Bounds {
  std::uint64_t max_length = 0, length = 0;
  std::uint64_t max_bytes = 0, bytes = 0;
  Duration max_wait{0};         // 0 = no such bound
  std::uint64_t in_system = 0;  // ready + leased: what stands before a new arrival
  double service_rate = 0;      // mu per second; 0 = unknown, then max_wait does not apply
};

enum class Bound : std::uint8_t { none, max_length, max_bytes, max_wait };

// The first bound that `count` messages of `bytes` together would break. `waiting` is false for
// messages that don't compete for a consumer yet (scheduled ones): no wait is predicted for them.
[[nodiscard]] Bound broken_bound(const Bounds& bounds, std::uint64_t count, std::uint64_t bytes,
                                 bool waiting);

// When somebody who was refused should come back: the time in which the consumers make the room
// that is missing, for everybody who was told so before, plus up to a quarter of jitter; at least 1
// ms, at most a minute, about a second while mu is unknown. `ahead`: messages refused lately, which
// come back too.
[[nodiscard]] Duration retry_after(const Bounds& bounds, Bound bound, std::uint64_t count,
                                   std::uint64_t bytes, double ahead, std::uint64_t random);

}  // namespace penstock::flow
