// Time and randomness come in as objects; only src/os asks the machine for them.
#pragma once

#include <chrono>
#include <cstdint>

namespace penstock {

using Duration = std::chrono::microseconds;

// Microseconds since 1970-01-01 UTC, never going backwards while the process lives.
struct WallClockTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallClockTag>;
  static constexpr bool is_steady = true;
};
using Time = WallClockTag::time_point;

[[nodiscard]] constexpr std::int64_t micros(Time t) {
  return t.time_since_epoch().count();
}
[[nodiscard]] constexpr Time time_from_micros(std::int64_t us) {
  return Time(Duration(us));
}

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Time now() = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  [[nodiscard]] virtual std::uint64_t next() = 0;
  // Uniform in [0, bound); 0 when bound is 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
};

}  // namespace penstock
