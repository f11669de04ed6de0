// How many threads a group of workers needs, from what it sees: Little's law.
//
//   in service = arrival rate x service time     (Little's law; the threads that are busy)
//   threads    = in service / target utilisation (headroom, since arrivals come in bursts)
//
// and, while a backlog waits, as many as work it off in half of the queue's max_wait.
// Grows at once and shrinks slowly: a thread too many costs little, a queue too long costs its
// users. Threads: one caller at a time. Time comes in as an argument.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace penstock::flow {

inline constexpr double kTargetUtilisation = 0.8;
// A backlog of a queue without max_wait is to be worked off in this time.
inline constexpr Duration kBacklogTime = std::chrono::seconds(1);
// A lower need is believed after about this long.
inline constexpr Duration kShrinkTime = std::chrono::seconds(10);

struct WorkLoad {
  double arrival_rate = 0;    // per second
  Duration service_time{0};   // mean, of one task on one thread; 0 = not known yet
  std::uint64_t waiting = 0;  // ready, and not in service
  Duration max_wait{0};       // of the queue; 0 = none
};

// Before any rounding, bound or smoothing.
[[nodiscard]] double threads_needed(const WorkLoad& load);

class ThreadSizer {
 public:
  // 1 <= min <= max.
  ThreadSizer(std::uint32_t min, std::uint32_t max);
  [[nodiscard]] std::uint32_t update(const WorkLoad& load, Time now);
  [[nodiscard]] std::uint32_t threads() const { return threads_; }

 private:
  std::uint32_t min_, max_, threads_;
  double smoothed_ = 0;
  Time last_{};
};

}  // namespace penstock::flow
