#include "flow/sizing.h"

#include <gtest/gtest.h>

namespace penstock::flow {
namespace {

using namespace std::chrono_literals;

TEST(Sizing, FollowsLittlesLawWithHeadroom) {
  // 100 per second, 40 ms each: 4 in service, 5 threads at 80 % utilisation.
  EXPECT_DOUBLE_EQ(threads_needed({.arrival_rate = 100, .service_time = 40ms}), 5.0);
}

TEST(Sizing, AddsThreadsToWorkOffABacklogInHalfOfTheQueuesMaxWait) {
  EXPECT_DOUBLE_EQ(
      threads_needed({.arrival_rate = 0, .service_time = 100ms, .waiting = 100, .max_wait = 4s}),
      5.0);
  EXPECT_DOUBLE_EQ(threads_needed({.arrival_rate = 0, .service_time = 100ms, .waiting = 100}),
                   10.0);
}

TEST(Sizing, NeedsNothingWhileTheServiceTimeIsUnknown) {
  EXPECT_EQ(threads_needed({.arrival_rate = 1e6, .waiting = 1000}), 0.0);
}

TEST(ThreadSizer, GrowsAtOnceAndStaysInItsBounds) {
  ThreadSizer sizer(2, 8);
  const Time start(1s);
  EXPECT_EQ(sizer.update({.arrival_rate = 1, .service_time = 1ms}, start), 2U);
  EXPECT_EQ(sizer.update({.arrival_rate = 100, .service_time = 40ms}, start + 1s), 5U);
  EXPECT_EQ(sizer.update({.arrival_rate = 1e9, .service_time = 1s}, start + 2s), 8U);
}

TEST(ThreadSizer, ShrinksSlowly) {
  ThreadSizer sizer(1, 100);
  Time now(1s);
  EXPECT_EQ(sizer.update({.arrival_rate = 400, .service_time = 40ms}, now), 20U);
  const WorkLoad less{.arrival_rate = 40, .service_time = 40ms};
  EXPECT_EQ(sizer.update(less, now += 1s), 19U);
  for (int second = 0; second < 9; ++second) (void)sizer.update(less, now += 1s);
  EXPECT_EQ(sizer.threads(), 9U);  // 2 + 18/e after kShrinkTime
  for (int second = 0; second < 90; ++second) (void)sizer.update(less, now += 1s);
  EXPECT_EQ(sizer.threads(), 2U);
}

}  // namespace
}  // namespace penstock::flow
