// How many workers a load needs, and what its messages will wait: the M/M/c queue (Erlang C).
//
// Messages come at random (Poisson), service times are exponential, c workers share one queue. Real
// service times vary less than that, so real waits are mostly shorter: the figures are on the safe
// side. Source: L. Kleinrock, Queueing Systems I, section 3.5 (Erlang C).
// Threads: pure functions.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::flow {

using Seconds = std::chrono::duration<double>;

// The share of arrivals that finds `workers` workers all busy and has to wait (Erlang C), for
// `offered` = arrival rate x mean service time. 1 when offered >= workers. Neither overflows nor
// loses precision for any number of workers; takes time proportional to it.
[[nodiscard]] double waiting_probability(double offered, std::uint64_t workers);

// What a queue with `workers` workers does in the long run.
struct Prediction {
  std::uint64_t workers = 0;
  double offered = 0;      // workers' worth of work that arrives: lambda x service time
  double utilisation = 0;  // share of their time that the workers are busy; >= 1: never keeps up
  double waiting_probability = 0;  // share of messages that wait at all
  Seconds mean_wait{0};            // from publish to the start of its work
  Seconds p95_wait{0};
  Seconds p99_wait{0};
  double mean_waiting = 0;  // messages waiting: arrival rate x mean wait (Little)
  double decay = 0;         // P(wait > t) = waiting_probability x exp(-decay t), per second

  // The wait that `share` (0..1) of the messages stays within.
  [[nodiscard]] Seconds wait_within(double share) const;
  // The share of messages that waits longer than `limit`.
  [[nodiscard]] double share_over(Seconds limit) const;
};

// An overloaded queue has infinite waits.
[[nodiscard]] Prediction predict(double arrival_rate, Seconds service_time, std::uint64_t workers);

struct Demand {
  double arrival_rate = 0;  // messages per second
  Seconds service_time{0};  // mean time of one message on one worker
  Seconds max_wait{0};      // what `percentile` of the messages may wait at most
  double percentile = 0.99;
  double max_utilisation = 0.9;  // headroom: the rate is an average, and machines fail
};

struct Plan {
  Prediction prediction;
  // A queue no longer than this is worked off within max_wait: workers x max_wait / service time,
  // and those being worked on. For `queue set NAME max_length=`.
  std::uint64_t max_length = 0;
};

// The fewest workers with which the demand is met. Error::invalid says which number makes no sense.
[[nodiscard]] Result<Plan> plan(const Demand& demand);

// More than this many workers is a mistake in the figures, not a plan.
inline constexpr std::uint64_t kPlanWorkersMax = 10'000'000;

}  // namespace penstock::flow
