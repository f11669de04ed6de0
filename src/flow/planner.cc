#include "flow/planner.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace penstock::flow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Erlang B of one worker more: the share of calls lost with `workers` and no queue. Stays within
// [0, 1] at every step, where the textbook's powers and factorials overflow.
double next_blocking(double blocking, double offered, std::uint64_t workers) {
  return offered * blocking / (static_cast<double>(workers) + offered * blocking);
}

double waiting_from_blocking(double blocking, double offered, std::uint64_t workers) {
  const double utilisation = offered / static_cast<double>(workers);
  if (utilisation >= 1) return 1;
  return blocking / (1 - utilisation * (1 - blocking));
}

Prediction predict_from(double arrival_rate, Seconds service_time, std::uint64_t workers,
                        double waiting) {
  Prediction result;
  result.workers = workers;
  result.offered = arrival_rate * service_time.count();
  result.utilisation = result.offered / static_cast<double>(workers);
  result.waiting_probability = waiting;
  result.decay = static_cast<double>(workers) / service_time.count() - arrival_rate;
  if (result.utilisation >= 1) result.decay = 0;
  result.mean_wait = result.decay > 0 ? Seconds(waiting / result.decay) : Seconds(kInfinity);
  result.mean_waiting = arrival_rate * result.mean_wait.count();
  result.p95_wait = result.wait_within(0.95);
  result.p99_wait = result.wait_within(0.99);
  return result;
}

Result<void> check(const Demand& demand) {
  const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
  if (!positive(demand.arrival_rate)) {
    return fail(ErrorCode::invalid, "the arrival rate must be above 0 per second");
  }
  if (!positive(demand.service_time.count())) {
    return fail(ErrorCode::invalid, "the service time must be above 0");
  }
  if (!std::isfinite(demand.max_wait.count()) || demand.max_wait.count() < 0) {
    return fail(ErrorCode::invalid, "the longest wait must not be negative");
  }
  if (!(demand.percentile > 0 && demand.percentile < 1)) {
    return fail(ErrorCode::invalid, "the percentile must be between 0 and 1, both excluded",
                "0.99 means: 99 of 100 messages wait no longer");
  }
  if (!(demand.max_utilisation > 0 && demand.max_utilisation < 1)) {
    return fail(ErrorCode::invalid, "the utilisation must be between 0 and 1, both excluded");
  }
  return {};
}

}  // namespace

double waiting_probability(double offered, std::uint64_t workers) {
  if (workers == 0 || offered >= static_cast<double>(workers)) return 1;
  double blocking = 1;
  for (std::uint64_t n = 1; n <= workers; ++n) blocking = next_blocking(blocking, offered, n);
  return waiting_from_blocking(blocking, offered, workers);
}

Seconds Prediction::wait_within(double share) const {
  if (waiting_probability <= 1 - share) return Seconds(0);
  if (decay <= 0) return Seconds(kInfinity);
  return Seconds(std::log(waiting_probability / (1 - share)) / decay);
}

double Prediction::share_over(Seconds limit) const {
  return waiting_probability * std::exp(-decay * limit.count());
}

Prediction predict(double arrival_rate, Seconds service_time, std::uint64_t workers) {
  return predict_from(arrival_rate, service_time, workers,
                      waiting_probability(arrival_rate * service_time.count(), workers));
}

Result<Plan> plan(const Demand& demand) {
  if (auto checked = check(demand); !checked) return fail(checked.error());
  const double offered = demand.arrival_rate * demand.service_time.count();
  // Written so that a product beyond every integer fails here and not in a conversion.
  const double least = offered / demand.max_utilisation;
  if (!(least < static_cast<double>(kPlanWorkersMax))) {
    return fail(ErrorCode::invalid, "the load needs more than 10,000,000 workers",
                "check the units of the arrival rate and of the service time");
  }
  double blocking = 1;
  for (std::uint64_t workers = 1; workers <= kPlanWorkersMax; ++workers) {
    blocking = next_blocking(blocking, offered, workers);
    if (static_cast<double>(workers) < least) continue;
    const auto prediction = predict_from(demand.arrival_rate, demand.service_time, workers,
                                         waiting_from_blocking(blocking, offered, workers));
    if (prediction.wait_within(demand.percentile) > demand.max_wait) continue;
    const double drained = static_cast<double>(workers) * (demand.max_wait / demand.service_time);
    // Beyond 2^53 a double no longer counts, and no queue is bounded by it.
    const auto queued = static_cast<std::uint64_t>(std::min(drained, 9.0e15));
    return Plan{prediction, queued + workers};
  }
  return fail(ErrorCode::invalid, "no number of workers meets that wait");
}

}  // namespace penstock::flow
