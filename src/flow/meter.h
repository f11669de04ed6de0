// Little's law, measured: how fast a queue fills, how fast its consumers can empty it, how long
// that takes.
//
// mu is what the consumers can do, not what they happened to do while idle: completions per second
// of the time in which messages were waiting for a consumer. While the queue never had to wait, it
// is estimated as (messages being worked on at the peak) / (mean time from lease to settle). While
// neither is known, nothing is predicted, and service_rate_known() says so. Averages forget with a
// half-life of a few seconds. Time is passed in. No allocation.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace penstock::flow {

class Meter {
 public:
  void arrived(Time now, std::uint64_t count);
  // `count` messages were settled. `sojourn`: of one of them, since its publish; `service`: since
  // its lease.
  void completed(Time now, std::uint64_t count, Duration sojourn, Duration service);
  // After every change: how many wait for a consumer, how many are being worked on.
  void observe(Time now, std::uint64_t ready, std::uint64_t leased);

  [[nodiscard]] double arrival_rate(Time now) const;  // lambda, per second
  [[nodiscard]] bool service_rate_known() const;
  [[nodiscard]] double service_rate() const;  // mu, per second; 0 while unknown
  [[nodiscard]] Duration mean_sojourn() const {
    return Duration(static_cast<std::int64_t>(sojourn_us_));
  }
  [[nodiscard]] Duration mean_service() const {
    return Duration(static_cast<std::int64_t>(service_us_));
  }
  // L / mu: how long a message that finds `in_system` before it would take; 0 while mu is unknown.
  [[nodiscard]] Duration predicted_wait(std::uint64_t in_system) const;

 private:
  void fold(Time now);

  Time slice_start_{};
  double slice_arrivals_ = 0;
  double slice_busy_completions_ = 0;
  double slice_busy_us_ = 0;
  Time busy_since_{};
  bool busy_ = false;

  double arrivals_ = 0, arrival_us_ = 0;       // decayed sums
  double busy_completions_ = 0, busy_us_ = 0;  // decayed by busy time only
  double sojourn_us_ = 0, service_us_ = 0;
  double peak_leased_ = 0;
  std::uint64_t samples_ = 0;
};

}  // namespace penstock::flow
