// One attempt and the keeper of its lease, with a clock that the test sets.
#include "task/attempt.h"

#include <gtest/gtest.h>

namespace penstock::detail {
namespace {

using namespace std::chrono_literals;

class FakeHost final : public AttemptHost {
 public:
  Time now() override { return time; }
  void look_by(Time when) override { looks_by = when; }
  Result<void> extend_now(Extension& extension) override {
    extension.deadline = time + extension.duration;
    return {};
  }
  void deliver_stop(std::stop_source source) override { source.request_stop(); }

  Time time = time_from_micros(1'700'000'000'000'000);
  Time looks_by{};
};

class AttemptTest : public testing::Test {
 protected:
  void begin(Duration lease, Duration timeout = 0s) {
    delivery.deadline = host.time + lease;
    attempt.begin(delivery, "task", timeout, host.time);
  }
  // What the keeper hears, that long after the last time.
  std::optional<Attempt::Word> after(Duration time) {
    host.time += time;
    due = Time::max();
    return attempt.word(host.time, &due);
  }
  void answer(const Attempt::Word& word, bool lost = false) {
    Extension extension{.lease = word.token, .duration = word.lease};
    extension.deadline = host.time + word.lease;
    extension.lost = lost;
    attempt.answered(word.serial, extension);
  }

  FakeHost host;
  broker::Delivery delivery;
  Attempt attempt{host};
  Time due{};
};

TEST_F(AttemptTest, KeepsTheLeaseOfATaskThatRunsLongerThanIt) {
  begin(90ms);
  EXPECT_EQ(host.looks_by, host.time + 30ms);
  EXPECT_FALSE(after(29ms));
  EXPECT_EQ(due, host.time + 1ms);
  for (int third = 0; third < 30; ++third) {
    const auto word = after(third == 0 ? 1ms : 30ms);
    ASSERT_TRUE(word) << third;
    EXPECT_TRUE(word->extends);
    EXPECT_EQ(word->lease, 90ms);
    answer(*word);
    EXPECT_EQ(attempt.deadline(), host.time + 90ms);
    EXPECT_EQ(due, host.time + 30ms);
  }
  EXPECT_FALSE(attempt.stop_requested());
}

TEST_F(AttemptTest, IsLookedAfterEverySecondHoweverLongItsLease) {
  begin(1h);
  EXPECT_EQ(host.looks_by, host.time + 1s);
  ASSERT_TRUE(after(1s));
  EXPECT_EQ(due, host.time + 1s);
}

TEST_F(AttemptTest, IsStoppedWhenItsLeaseIsLost) {
  begin(90ms);
  const auto word = after(30ms);
  ASSERT_TRUE(word);
  answer(*word, true);
  EXPECT_TRUE(attempt.stop_requested());
  EXPECT_EQ(attempt.end(), StopReason::lease_lost);
}

TEST_F(AttemptTest, DoesNotHearAnAnswerThatIsForTheOneBeforeIt) {
  begin(90ms);
  const auto word = after(30ms);
  ASSERT_TRUE(word);
  (void)attempt.end();
  begin(90ms);
  answer(*word, true);
  EXPECT_FALSE(attempt.stop_requested());
}

TEST_F(AttemptTest, IsNotMadeShorterThanWhatTheTaskAskedFor) {
  begin(90ms);
  ASSERT_TRUE(attempt.extend(1h));
  const auto word = after(1min);
  ASSERT_TRUE(word);
  EXPECT_EQ(word->lease, 59min);
}

TEST_F(AttemptTest, LosesItsLeaseWhenItDoesNotEndAlthoughItsTimeIsUp) {
  begin(90ms, 100ms);
  ASSERT_TRUE(after(99ms)->extends);
  EXPECT_FALSE(attempt.stop_requested());
  ASSERT_TRUE(after(30ms)->extends);
  EXPECT_TRUE(attempt.stop_requested());
  EXPECT_FALSE(after(90ms)->extends);
  EXPECT_EQ(attempt.end(), StopReason::timeout);
}

}  // namespace
}  // namespace penstock::detail
