#include "os/clock_discipline.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kSecondUs = 1'000'000;

TEST(ClockDiscipline, follows_a_wall_clock_that_runs_well) {
  ClockDiscipline clock;
  for (std::int64_t i = 0; i < 10; ++i)
    EXPECT_EQ(micros(clock.step(i * kSecondNs, (100 + i) * kSecondUs)), (100 + i) * kSecondUs);
}

TEST(ClockDiscipline, follows_a_wall_clock_set_forward_at_once) {
  ClockDiscipline clock;
  static_cast<void>(clock.step(0, 100 * kSecondUs));
  EXPECT_EQ(micros(clock.step(kSecondNs, 5000 * kSecondUs)), 5000 * kSecondUs);
}

TEST(ClockDiscipline, runs_at_half_speed_until_a_wall_clock_set_back_has_caught_up) {
  ClockDiscipline clock;
  static_cast<void>(clock.step(0, 100 * kSecondUs));
  // Set back by ten seconds: level again after twenty.
  EXPECT_EQ(micros(clock.step(10 * kSecondNs, 100 * kSecondUs)), 105 * kSecondUs);
  EXPECT_EQ(micros(clock.step(20 * kSecondNs, 110 * kSecondUs)), 110 * kSecondUs);
  EXPECT_EQ(micros(clock.step(30 * kSecondNs, 120 * kSecondUs)), 120 * kSecondUs);
}

TEST(ClockDiscipline, does_not_stop_when_it_is_asked_more_often_than_it_can_count) {
  ClockDiscipline clock;
  static_cast<void>(clock.step(0, 100 * kSecondUs));
  Time last{};
  for (std::int64_t ns = 0; ns <= 1'000'000; ns += 100) {
    const auto now = clock.step(ns, 0);
    EXPECT_LE(last, now);
    last = now;
  }
  EXPECT_EQ(micros(last), 100 * kSecondUs + 500);
}

}  // namespace
}  // namespace penstock
