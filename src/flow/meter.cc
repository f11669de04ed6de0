#include "flow/meter.h"

#include <algorithm>
#include <cmath>

namespace penstock::flow {
namespace {

constexpr double kSliceUs = 20'000;        // how often sums are folded into averages
constexpr double kMemoryUs = 4'000'000;    // e-folding time of the averages
constexpr double kEnoughCompletions = 16;  // before mu counts as known
constexpr double kEnoughBusyUs = 300'000;
constexpr std::uint64_t kEnoughSamples = 8;

}  // namespace

void Meter::fold(Time now) {
  if (slice_start_ == Time{}) slice_start_ = now;
  const auto elapsed = static_cast<double>((now - slice_start_).count());
  if (elapsed < kSliceUs) return;
  if (busy_) {
    slice_busy_us_ += static_cast<double>((now - busy_since_).count());
    busy_since_ = now;
  }
  const double keep = std::exp(-elapsed / kMemoryUs);
  arrivals_ = arrivals_ * keep + slice_arrivals_;
  arrival_us_ = arrival_us_ * keep + elapsed;
  const double keep_busy = std::exp(-slice_busy_us_ / kMemoryUs);
  busy_completions_ = busy_completions_ * keep_busy + slice_busy_completions_;
  busy_us_ = busy_us_ * keep_busy + slice_busy_us_;
  peak_leased_ *= keep;
  slice_arrivals_ = slice_busy_completions_ = slice_busy_us_ = 0;
  slice_start_ = now;
}

void Meter::arrived(Time now, std::uint64_t count) {
  fold(now);
  slice_arrivals_ += static_cast<double>(count);
}

void Meter::completed(Time now, std::uint64_t count, Duration sojourn, Duration service) {
  fold(now);
  if (busy_) slice_busy_completions_ += static_cast<double>(count);
  const double weight = samples_ < 32 ? 1.0 / static_cast<double>(samples_ + 1) : 1.0 / 32;
  sojourn_us_ += (static_cast<double>(sojourn.count()) - sojourn_us_) * weight;
  service_us_ += (static_cast<double>(service.count()) - service_us_) * weight;
  ++samples_;
}

void Meter::observe(Time now, std::uint64_t ready, std::uint64_t leased) {
  fold(now);
  peak_leased_ = std::max(peak_leased_, static_cast<double>(leased));
  // A queue on which nobody has finished anything tells nothing about what its consumers can do:
  // they may not be there yet, as after a restart.
  const bool busy = ready > 0 && samples_ > 0;
  if (busy == busy_) return;
  if (busy_) slice_busy_us_ += static_cast<double>((now - busy_since_).count());
  busy_ = busy;
  busy_since_ = now;
}

double Meter::arrival_rate(Time now) const {
  const auto open = slice_start_ == Time{} ? 0 : static_cast<double>((now - slice_start_).count());
  const double keep = std::exp(-std::max(open, 0.0) / kMemoryUs);
  const double us = arrival_us_ * keep + open;
  return us <= 0 ? 0 : (arrivals_ * keep + slice_arrivals_) / us * 1e6;
}

bool Meter::service_rate_known() const {
  if (busy_completions_ >= kEnoughCompletions && busy_us_ >= kEnoughBusyUs) return true;
  return samples_ >= kEnoughSamples;
}

double Meter::service_rate() const {
  if (busy_completions_ >= kEnoughCompletions && busy_us_ >= kEnoughBusyUs)
    return busy_completions_ / busy_us_ * 1e6;
  if (samples_ < kEnoughSamples) return 0;
  return std::max(peak_leased_, 1.0) / std::max(service_us_, 1.0) * 1e6;
}

Duration Meter::predicted_wait(std::uint64_t in_system) const {
  const double mu = service_rate();
  if (mu <= 0 || !service_rate_known()) return Duration(0);
  const double us = static_cast<double>(in_system) / mu * 1e6;
  return Duration(static_cast<std::int64_t>(std::min(us, 3.6e9 * 24)));
}

}  // namespace penstock::flow
