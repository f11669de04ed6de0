#include "flow/admission.h"

#include <algorithm>

namespace penstock::flow {
namespace {

constexpr double kLeastUs = 1e3;
constexpr double kMostUs = 60e6;
constexpr double kUnknownUs = 1e6;

}  // namespace

Bound broken_bound(const Bounds& bounds, std::uint64_t count, std::uint64_t bytes, bool waiting) {
  if (count > bounds.max_length || bounds.length > bounds.max_length - count)
    return Bound::max_length;
  if (bytes > bounds.max_bytes || bounds.bytes > bounds.max_bytes - bytes) return Bound::max_bytes;
  if (waiting && bounds.max_wait.count() > 0 && bounds.service_rate > 0) {
    // The wait of the last of them: everybody before it, itself not included.
    const auto before = static_cast<double>(bounds.in_system + count - 1);
    const double wait_us = before / bounds.service_rate * 1e6;
    if (wait_us > static_cast<double>(bounds.max_wait.count())) return Bound::max_wait;
  }
  return Bound::none;
}

Duration retry_after(const Bounds& bounds, Bound bound, std::uint64_t count, std::uint64_t bytes,
                     double ahead, std::uint64_t random) {
  double us = kUnknownUs;
  if (bounds.service_rate > 0) {
    double missing = 1;
    if (bound == Bound::max_length) {
      missing = static_cast<double>(bounds.length + count) - static_cast<double>(bounds.max_length);
    } else if (bound == Bound::max_bytes) {
      const double mean = bounds.length == 0 ? static_cast<double>(bytes)
                                             : static_cast<double>(bounds.bytes) /
                                                   static_cast<double>(bounds.length);
      missing =
          (static_cast<double>(bounds.bytes + bytes) - static_cast<double>(bounds.max_bytes)) /
          std::max(mean, 1.0);
    } else if (bound == Bound::max_wait) {
      missing = static_cast<double>(bounds.in_system + count - 1) -
                static_cast<double>(bounds.max_wait.count()) * 1e-6 * bounds.service_rate;
    }
    us = (std::max(missing, 1.0) + ahead) / bounds.service_rate * 1e6;
  }
  us = std::clamp(us, kLeastUs, kMostUs);
  // Whoever waits many times the bound learns nothing from waiting longer: mu will have changed.
  if (bound == Bound::max_wait)
    us = std::min(us, std::max(kLeastUs, 10 * static_cast<double>(bounds.max_wait.count())));
  us += us / 4 * (static_cast<double>(random % 1024) / 1024);
  return Duration(static_cast<std::int64_t>(std::min(us, kMostUs)));
}

}  // namespace penstock::flow
