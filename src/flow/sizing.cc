#include "flow/sizing.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace penstock::flow {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

double threads_needed(const WorkLoad& load) {
  // While nothing is known about the service time, one thread for each waiting task would be a
  // guess; the first results are in soon.
  if (load.service_time <= Duration(0)) return 0;
  const double service = seconds(load.service_time);
  const double steady = load.arrival_rate * service / kTargetUtilisation;
  const Duration horizon = load.max_wait > Duration(0) ? load.max_wait / 2 : kBacklogTime;
  const double backlog =
      static_cast<double>(load.waiting) * service / std::max(seconds(horizon), 1e-6);
  return std::max(steady, backlog);
}

ThreadSizer::ThreadSizer(std::uint32_t min, std::uint32_t max)
    : min_(min), max_(max), threads_(min) {
  CHECK(min >= 1 && min <= max);
}

std::uint32_t ThreadSizer::update(const WorkLoad& load, Time now) {
  const double need = std::min(threads_needed(load), static_cast<double>(max_));
  if (need >= smoothed_ || last_ == Time{}) {
    smoothed_ = need;
  } else {
    const double passed = seconds(std::max(now - last_, Duration(0)));
    const double kept = std::exp(-passed / seconds(kShrinkTime));
    smoothed_ = need + (smoothed_ - need) * kept;
  }
  last_ = now;
  // A hair above a whole number is that number: an exponential decay never quite arrives.
  const double wanted = std::ceil(smoothed_ - 0.01);
  threads_ = std::clamp(static_cast<std::uint32_t>(std::max(wanted, 0.0)), min_, max_);
  return threads_;
}

}  // namespace penstock::flow
