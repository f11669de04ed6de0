// How a clock that never goes back follows one that may: arithmetic, without a clock in it.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace penstock {

// Threads: one at a time.
class ClockDiscipline {
 public:
  // `steady_ns` never goes back; `wall_us` is what the machine says the time is.
  // While the wall clock is behind us we run at half speed, until it has caught up.
  Time step(std::int64_t steady_ns, std::int64_t wall_us) {
    if (!started_) {
      started_ = true;
      now_us_ = wall_us;
      steady_ns_ = steady_ns;
      return time_from_micros(now_us_);
    }
    const std::int64_t passed_us = (steady_ns - steady_ns_) / 1000;
    if (wall_us >= now_us_ + passed_us) {
      now_us_ = wall_us;
      steady_ns_ = steady_ns;
    } else {
      // What half a microsecond leaves over stays in steady_ns_, so frequent calls do not stop
      // time.
      const std::int64_t half_us = passed_us / 2;
      now_us_ += half_us;
      steady_ns_ += half_us * 2000;
    }
    return time_from_micros(now_us_);
  }

 private:
  bool started_ = false;
  std::int64_t now_us_ = 0;
  std::int64_t steady_ns_ = 0;
};

}  // namespace penstock
