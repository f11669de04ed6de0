// One attempt and the keeper of its lease, with a clock that the test sets.
#include "task/attempt.h"

#include <gtest/gtest.h>

#include "task/trace.h"

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
  std::uint64_t enqueue(const TaskDefinition&, const EnqueueOptions&, std::string) override {
    return 0;
  }

  Time time = time_from_micros(1'700'000'000'000'000);
  Time looks_by{};
};

class AttemptTest : public testing::Test {
 protected:
  void begin(Duration lease, Duration timeout = 0s, Duration hard = 0s) {
    delivery.deadline = host.time + lease;
    attempt.begin(delivery, "task", {.soft = timeout, .hard = hard}, host.time);
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

TEST_F(AttemptTest, HasFailedOfItsTimeWhenItDoesNotEndALeaseLater) {
  begin(90ms, 100ms);
  ASSERT_TRUE(after(99ms)->extends);
  EXPECT_FALSE(attempt.stop_requested());
  ASSERT_TRUE(after(30ms)->extends);
  EXPECT_TRUE(attempt.stop_requested());
  const auto last = after(90ms);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->given_up);
  EXPECT_FALSE(last->hard);
  EXPECT_EQ(attempt.end(), StopReason::lease_lost) << "what it returns is not settled";
}

TEST_F(AttemptTest, SaysItsLinesSoonAndTheLastOnesWithItsEnd) {
  using Lines = std::vector<std::string>;
  begin(10min);
  attempt.log("one");
  EXPECT_EQ(host.looks_by, host.time);
  EXPECT_EQ(after(0s)->log, Lines{"one"});
  attempt.log("two");
  attempt.log("three");
  EXPECT_EQ(host.looks_by, host.time + kLogEvery);
  EXPECT_FALSE(after(kLogEvery - 1us));
  const auto word = after(1us);
  ASSERT_TRUE(word);
  EXPECT_EQ(word->log, (Lines{"two", "three"}));
  EXPECT_FALSE(word->extends);
  attempt.log("four");
  (void)attempt.end();
  attempt.log("a thread that was left behind");
  auto last = attempt.last_words();
  EXPECT_EQ(last.lines, Lines{"four"});
  EXPECT_TRUE(last.spoke);
  begin(10min);
  (void)attempt.end();
  last = attempt.last_words();
  EXPECT_TRUE(last.lines.empty());
  EXPECT_FALSE(last.spoke);
}

TEST_F(AttemptTest, AtItsHardTimeoutItHasFailedWhateverItStillDoes) {
  begin(60s, 2s, 5s);
  EXPECT_FALSE(after(2s)->given_up);
  EXPECT_EQ(attempt.stop_reason(), StopReason::timeout);
  const auto last = after(3s);
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->given_up && last->hard);
  EXPECT_FALSE(last->extends);
  EXPECT_FALSE(after(10s)) << "its lease is nobody's to keep";
  EXPECT_EQ(attempt.end(), StopReason::lease_lost) << "what it returns is not settled";
}

TEST_F(AttemptTest, AHardTimeoutThatKillsIsNotTheKeepers) {
  delivery.deadline = host.time + 60s;
  attempt.begin(delivery, "task", {.hard = 5s, .kills = true}, host.time);
  EXPECT_FALSE(after(6s)->given_up);
  EXPECT_EQ(attempt.hard_timeout(), 5s);
  EXPECT_EQ(attempt.end(), StopReason::none);
}

TEST_F(AttemptTest, WhatItEnqueuesExpiresWithIt) {
  const Time now = host.time;
  EXPECT_EQ(expires_with_task(0s, now), 0s) << "no task runs on this thread";
  delivery.expires_at = now + 60s;
  const TraceScope scope(delivery);
  EXPECT_EQ(expires_with_task(0s, now), 60s);
  EXPECT_EQ(expires_with_task(10s, now), 10s);
  EXPECT_EQ(expires_with_task(90s, now), 60s);
  EXPECT_EQ(expires_with_task(90s, now + 2min), 1ms) << "and not for ever";
  broker::Delivery other;
  const TraceScope inner(other);
  EXPECT_EQ(expires_with_task(0s, now), 0s);
}

}  // namespace
}  // namespace penstock::detail
