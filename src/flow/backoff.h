// How long to wait before trying again: after a failed attempt, or after a refusal.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace penstock::flow {

struct Backoff {
  enum class Kind : std::uint8_t { none, fixed, exponential };

  Kind kind = Kind::exponential;
  Duration base = std::chrono::seconds(1);
  Duration cap = std::chrono::minutes(10);
  // Full jitter above half: a delay d becomes uniform in [d/2, d], so that retries spread out.
  bool jitter = true;

  bool operator==(const Backoff&) const = default;
};

// The delay after attempt number `attempt` (from 1). `random` is any uniform number.
[[nodiscard]] Duration delay_after(const Backoff& backoff, std::uint32_t attempt,
                                   std::uint64_t random);

}  // namespace penstock::flow
