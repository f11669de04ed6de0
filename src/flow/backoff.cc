#include "flow/backoff.h"

#include <algorithm>

namespace penstock::flow {

Duration delay_after(const Backoff& backoff, std::uint32_t attempt, std::uint64_t random) {
  if (backoff.kind == Backoff::Kind::none) return Duration(0);
  Duration delay = std::min(backoff.base, backoff.cap);
  if (backoff.kind == Backoff::Kind::exponential)
    for (std::uint32_t n = 1; n < attempt && delay < backoff.cap; ++n)
      delay = delay > backoff.cap / 2 ? backoff.cap : delay * 2;
  if (!backoff.jitter || delay.count() < 2) return delay;
  const auto half = delay.count() / 2;
  return Duration(delay.count() -
                  static_cast<std::int64_t>(random % static_cast<std::uint64_t>(half + 1)));
}

}  // namespace penstock::flow
