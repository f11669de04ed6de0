#include "flow/meter.h"

#include <gtest/gtest.h>

#include "flow/admission.h"
#include "flow/backoff.h"

namespace penstock::flow {
namespace {

using namespace std::chrono_literals;

// A queue with one server of `service` each, fed every `gap`; returns what the meter knows at the
// end.
Meter simulate(Duration service, Duration gap, Duration length) {
  Meter meter;
  Time now = time_from_micros(1'000'000'000);
  const Time end = now + length;
  Time next_arrival = now;
  Time free_at = now;
  std::uint64_t ready = 0;
  std::uint64_t leased = 0;
  while (now < end) {
    if (leased == 1 && free_at <= next_arrival) {
      now = free_at;
      leased = 0;
      meter.completed(now, 1, service, service);
    } else {
      now = next_arrival;
      next_arrival += gap;
      ++ready;
      meter.arrived(now, 1);
    }
    if (leased == 0 && ready > 0) {
      --ready;
      leased = 1;
      free_at = now + service;
    }
    meter.observe(now, ready, leased);
  }
  return meter;
}

TEST(Meter, KnowsNothingAtFirstAndSaysSo) {
  const Meter meter;
  EXPECT_FALSE(meter.service_rate_known());
  EXPECT_EQ(meter.predicted_wait(1000), 0us);
}

TEST(Meter, MeasuresWhatABusyConsumerCanDo) {
  const auto meter = simulate(10ms, 5ms, 20s);
  EXPECT_NEAR(meter.service_rate(), 100, 3);
  EXPECT_NEAR(meter.arrival_rate(time_from_micros(1'020'000'000)), 200, 10);
  EXPECT_NEAR(static_cast<double>(meter.predicted_wait(100).count()), 1e6, 5e4);
}

TEST(Meter, DoesNotTakeAnIdleConsumersPaceForWhatItCanDo) {
  const auto meter = simulate(10ms, 100ms, 20s);
  EXPECT_NEAR(meter.arrival_rate(time_from_micros(1'020'000'000)), 10, 1);
  EXPECT_NEAR(meter.service_rate(), 100, 5);
}

TEST(Admission, NamesTheFirstBoundThatWouldBreak) {
  Bounds bounds{.max_length = 10, .length = 9, .max_bytes = 100, .bytes = 50};
  EXPECT_EQ(broken_bound(bounds, 1, 50, true), Bound::none);
  EXPECT_EQ(broken_bound(bounds, 2, 1, true), Bound::max_length);
  EXPECT_EQ(broken_bound(bounds, 1, 51, true), Bound::max_bytes);
  EXPECT_EQ(broken_bound(bounds, ~0ull, 1, true), Bound::max_length) << "sums must not wrap";
  bounds.max_wait = 1s;
  bounds.service_rate = 10;
  bounds.in_system = 10;
  EXPECT_EQ(broken_bound(bounds, 1, 1, true), Bound::none) << "it would wait exactly a second";
  bounds.in_system = 11;
  EXPECT_EQ(broken_bound(bounds, 1, 1, true), Bound::max_wait);
  EXPECT_EQ(broken_bound(bounds, 1, 1, false), Bound::none)
      << "a scheduled message does not compete yet";
  bounds.service_rate = 0;
  EXPECT_EQ(broken_bound(bounds, 1, 1, true), Bound::none) << "unknown: the bound does not apply";
}

TEST(Admission, SaysToComeBackWhenThereIsRoomForAllWhoWereRefusedBefore) {
  const Bounds bounds{
      .max_length = 100, .length = 100, .max_bytes = 1000, .in_system = 100, .service_rate = 10};
  EXPECT_EQ(retry_after(bounds, Bound::max_length, 1, 1, 0, 0), 100ms);
  EXPECT_EQ(retry_after(bounds, Bound::max_length, 1, 1, 9, 0), 1s);
  const auto jittered = retry_after(bounds, Bound::max_length, 1, 1, 9, 1023);
  EXPECT_GT(jittered, 1200ms);
  EXPECT_LE(jittered, 1250ms);
}

TEST(Admission, NeverSaysNeverAndNeverSaysNow) {
  const Bounds slow{.max_length = 1, .length = 1'000'000, .service_rate = 0.001};
  EXPECT_EQ(retry_after(slow, Bound::max_length, 1, 1, 0, 500), 60s);
  const Bounds fast{.max_length = 1, .length = 1, .service_rate = 1e9};
  EXPECT_GE(retry_after(fast, Bound::max_length, 1, 1, 0, 0), 1ms);
}

TEST(Backoff, DoublesUpToItsCapWithoutOverflow) {
  const Backoff backoff{
      .kind = Backoff::Kind::exponential, .base = 1s, .cap = 10s, .jitter = false};
  EXPECT_EQ(delay_after(backoff, 1, 0), 1s);
  EXPECT_EQ(delay_after(backoff, 4, 0), 8s);
  EXPECT_EQ(delay_after(backoff, 5, 0), 10s);
  EXPECT_EQ(delay_after(backoff, 4'000'000'000u, 0), 10s);
}

TEST(Backoff, JitterStaysBetweenHalfAndWhole) {
  const Backoff backoff{.kind = Backoff::Kind::fixed, .base = 1s, .cap = 1s, .jitter = true};
  for (std::uint64_t random = 0; random < 3'000'000; random += 7919) {
    EXPECT_GE(delay_after(backoff, 3, random), 500ms);
    EXPECT_LE(delay_after(backoff, 3, random), 1s);
  }
}

}  // namespace
}  // namespace penstock::flow
