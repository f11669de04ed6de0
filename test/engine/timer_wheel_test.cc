#include "engine/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace penstock::engine {
namespace {

using namespace std::chrono_literals;

Time at(std::int64_t ms) {
  return time_from_micros(ms * 1000);
}

TEST(TimerWheel, FiresAtItsTickAndNeverBefore) {
  TimerWheel wheel(at(1'000));
  (void)wheel.set(at(1'005), TimerKind::message_due, 7);
  EXPECT_EQ(wheel.next(), at(1'005));
  EXPECT_EQ(wheel.pop(at(1'004)).kind, TimerKind::none);
  const auto fired = wheel.pop(at(1'005));
  EXPECT_EQ(fired.kind, TimerKind::message_due);
  EXPECT_EQ(fired.payload, 7u);
  EXPECT_EQ(wheel.size(), 0u);
}

TEST(TimerWheel, KeepsATimerAtTheEndOfAllTimesInTheFuture) {
  TimerWheel wheel(at(1'000));
  const auto timer = wheel.set(Time::max(), TimerKind::message_due, 1);
  EXPECT_GT(wheel.when(timer), at(1'000));
}

TEST(TimerWheel, FiresATimerSetForAPastTimeAtOnce) {
  TimerWheel wheel(at(1'000));
  (void)wheel.set(at(10), TimerKind::message_due, 1);
  EXPECT_EQ(wheel.pop(at(1'000)).payload, 1u);
}

TEST(TimerWheel, FiresTheTimersOfOneTickInTheOrderInWhichTheyWereSet) {
  TimerWheel wheel(at(1'000));
  for (std::uint32_t payload = 1; payload <= 3; ++payload)
    (void)wheel.set(at(70'000), TimerKind::message_expires, payload);  // two levels up
  EXPECT_EQ(wheel.pop(at(69'990)).payload, 0u);
  (void)wheel.set(at(70'000), TimerKind::message_expires, 4);
  for (std::uint32_t payload = 1; payload <= 4; ++payload)
    EXPECT_EQ(wheel.pop(at(70'000)).payload, payload);
}

TEST(TimerWheel, KeepsFarTimersOverEveryLevelAndTheWrapOfTheTop) {
  TimerWheel wheel(at(1'700'000'000'000));
  const std::int64_t start = 1'700'000'000'000;
  const std::int64_t forty_years = 40ll * 365 * 86'400'000;
  (void)wheel.set(at(start + forty_years), TimerKind::message_due, 1);
  (void)wheel.set(at(start + 70'000), TimerKind::message_due, 2);
  EXPECT_EQ(wheel.pop(at(start + 69'999)).payload, 0u);
  EXPECT_EQ(wheel.pop(at(start + 70'000)).payload, 2u);
  EXPECT_EQ(wheel.pop(at(start + forty_years - 1)).payload, 0u);
  EXPECT_EQ(wheel.pop(at(start + forty_years)).payload, 1u);
}

TEST(TimerWheel, AgreesWithASortedMapOverRandomSetsCancelsAndSteps) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    std::int64_t now = 1'700'000'000'000 + static_cast<std::int64_t>(random() % 1'000'000);
    TimerWheel wheel(at(now));
    std::map<std::uint32_t, std::int64_t> model;  // payload -> due
    std::map<std::uint32_t, std::uint32_t> handle;
    std::uint32_t next_payload = 1;
    for (int step = 0; step < 3'000; ++step) {
      const auto what = random() % 10;
      if (what < 5) {
        const std::int64_t spans[] = {3, 300, 70'000, 20'000'000, 5'000'000'000};
        const auto due = now + static_cast<std::int64_t>(random()) % spans[random() % 5];
        handle[next_payload] = wheel.set(at(due), TimerKind::message_due, next_payload);
        model[next_payload++] = std::max(due, now);  // what is overdue is due now
      } else if (what < 7 && !model.empty()) {
        auto victim = model.begin();
        std::advance(victim, static_cast<long>(random() % model.size()));
        wheel.cancel(handle[victim->first]);
        model.erase(victim);
      } else {
        const std::int64_t steps[] = {1, 20, 1'000, 100'000, 30'000'000};
        now +=
            static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(steps[random() % 5]));
        auto earliest = std::int64_t{1} << 60;
        for (const auto& [payload, due] : model) earliest = std::min(earliest, due);
        EXPECT_LE(micros(wheel.next()) / 1000, std::max(earliest, now)) << "must not oversleep";
        std::pair<std::int64_t, std::uint32_t> last{};
        for (;;) {
          const auto fired = wheel.pop(at(now));
          if (fired.kind == TimerKind::none) break;
          ASSERT_TRUE(model.contains(fired.payload));
          EXPECT_LE(model[fired.payload], now);
          const std::pair order{model[fired.payload], fired.payload};
          EXPECT_LT(last, order) << "by tick, then in the order in which they were set";
          last = order;
          model.erase(fired.payload);
        }
        for (const auto& [payload, due] : model) ASSERT_GT(due, now) << "seed " << seed;
      }
    }
    EXPECT_EQ(wheel.size(), model.size());
  }
}

}  // namespace
}  // namespace penstock::engine
