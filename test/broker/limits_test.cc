// Unique, debounced and throttled messages.
#include "engine/key_limit.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using engine::KeyLimit;
using engine::KeyRule;
using engine::OnConflict;
using engine::Outcome;
using engine::TaskState;

class LimitsTest : public BrokerTest {
 protected:
  static KeyLimit unique(KeyRule rule, OnConflict on_conflict = OnConflict::reject) {
    return {.rule = rule, .on_conflict = on_conflict, .key = "k"};
  }
  static KeyLimit debounce(Duration delay, Duration max_wait = 0s) {
    return {.rule = KeyRule::debounce, .key = "k", .time = delay, .max_wait = max_wait};
  }
  static KeyLimit throttle(std::uint32_t most, Duration period, OnConflict on_conflict) {
    return {.rule = KeyRule::throttle,
            .on_conflict = on_conflict,
            .key = "k",
            .time = period,
            .most = most};
  }
  Got send_limited(std::string_view body, const KeyLimit& limit, bool task = false) {
    auto message = input(body);
    message.limit = limit;
    message.task = task;
    auto got = send("q", {message});
    broker->check();
    return got;
  }
  static bool is_duplicate(const Got& got, std::uint64_t of) {
    return got.kind == "error" && got.error.code == ErrorCode::duplicate &&
           got.error.id == MessageId(of);
  }
  std::vector<std::string> drained() {
    std::vector<std::string> texts;
    for (auto got = take("q", 100); !got.messages.empty(); got = take("q", 100))
      for (const auto& message : got.messages) {
        texts.push_back(message.body);
        settle({message.lease});
      }
    broker->check();
    return texts;
  }
};

TEST_F(LimitsTest, AUniqueKeyUntilTheStartIsFreeOnceItsTaskIsTaken) {
  const auto limit = unique(KeyRule::unique_start);
  const auto first = send_limited("a", limit).ids.at(0);
  EXPECT_TRUE(is_duplicate(send_limited("b", limit), first));
  const auto lease = take("q").messages.at(0).lease;
  const auto second = send_limited("c", limit).ids.at(0);
  // A retry does not take the key again, which another has by now.
  settle({lease}, Outcome::nack, 0s);
  broker->check();
  EXPECT_TRUE(is_duplicate(send_limited("d", limit), second));
  EXPECT_EQ(drained(), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(send_limited("e", limit).kind, "published");
}

TEST_F(LimitsTest, AUniqueKeyUntilItIsDoneIsHeldThroughRetriesAndFreeAtEveryEnd) {
  const auto limit = unique(KeyRule::unique_done);
  declare("q", {{"max_attempts", "2"}});
  const auto first = send_limited("a", limit, true).ids.at(0);
  settle({take("q").messages.at(0).lease}, Outcome::nack, 0s);
  EXPECT_TRUE(is_duplicate(send_limited("b", limit, true), first));
  const auto lease = take("q").messages.at(0).lease;
  EXPECT_TRUE(is_duplicate(send_limited("b", limit, true), first));
  settle({lease}, Outcome::nack, 0s);  // to the dead letters
  const auto second = send_limited("c", limit, true).ids.at(0);
  settle({take("q").messages.at(0).lease});
  const auto third = send_limited("d", limit, true);
  ASSERT_EQ(third.kind, "published") << second;
  broker->cancel_task(session, ++tag, MessageId(third.ids[0]));
  wait(tag);
  ASSERT_EQ(send_limited("e", limit).kind, "published");
  broker->purge(session, ++tag, "q");
  wait(tag);
  auto expiring = input("f");
  expiring.limit = limit;
  expiring.expires_at = clock.now() + 1s;
  ASSERT_EQ(send("q", {expiring}).kind, "published");
  advance(2s);
  ASSERT_EQ(send_limited("g", limit).kind, "published");
  broker->remove(session, ++tag, "q");
  wait(tag);
  EXPECT_EQ(send_limited("h", limit).kind, "published");
  EXPECT_EQ(statistics("q").refused_unique, 0u) << "a new queue";
}

TEST_F(LimitsTest, AUniqueKeyForATimeOutlivesItsTask) {
  auto limit = unique(KeyRule::unique_for, OnConflict::give_known);
  limit.time = 10min;
  const auto first = send_limited("a", limit).ids.at(0);
  EXPECT_EQ(drained(), std::vector<std::string>{"a"});
  const auto again = send_limited("b", limit);
  EXPECT_EQ(again.ids.at(0), first);
  EXPECT_EQ(again.duplicates, 1u);
  restart();
  EXPECT_EQ(send_limited("b", limit).ids.at(0), first);
  advance(10min);
  EXPECT_NE(send_limited("c", limit).ids.at(0), first);
  EXPECT_EQ(drained(), std::vector<std::string>{"c"});
}

TEST_F(LimitsTest, AConflictMayReplaceWhatWaitsAndNotWhatRuns) {
  const auto limit = unique(KeyRule::unique_done, OnConflict::replace);
  const auto first = send_limited("a", limit, true).ids.at(0);
  const auto second = send_limited("b", limit, true).ids.at(0);
  EXPECT_EQ(task(first).state, TaskState::cancelled);
  EXPECT_EQ(task(first).error.message, "replaced by " + std::to_string(second));
  EXPECT_EQ(statistics("q").replaced, 1u);
  EXPECT_EQ(statistics("q").ready, 1u);
  const auto lease = take("q").messages.at(0).lease;
  EXPECT_TRUE(is_duplicate(send_limited("c", limit, true), second));
  settle({lease}, Outcome::nack, 1h);  // it waits for its next attempt
  const auto third = send_limited("d", limit).ids.at(0);
  EXPECT_EQ(task(second).state, TaskState::cancelled);
  const auto fourth = send_limited("e", limit).ids.at(0);
  EXPECT_LT(third, fourth);
  EXPECT_EQ(drained(), std::vector<std::string>{"e"});
}

TEST_F(LimitsTest, WhatReplacesNeedsNoMoreRoomThanItTakes) {
  declare("q", {{"max_length", "1"}});
  const auto limit = unique(KeyRule::unique_done, OnConflict::replace);
  send_limited("a", limit);
  EXPECT_EQ(send("q", "x").kind, "refused");
  EXPECT_EQ(send_limited("b", limit).kind, "published");
  EXPECT_EQ(statistics("q").ready, 1u);
  EXPECT_EQ(drained(), std::vector<std::string>{"b"});
}

TEST_F(LimitsTest, KeysSurviveACrashAndACheckpoint) {
  const auto start = unique(KeyRule::unique_start);
  const auto done = unique(KeyRule::unique_done);
  const auto first = send_limited("a", start).ids.at(0);
  auto other = done;
  other.key = "other";
  const auto second = send_limited("b", other).ids.at(0);
  options.checkpoint_bytes = 1;
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(is_duplicate(send_limited("x", start), first));
    EXPECT_TRUE(is_duplicate(send_limited("x", other), second));
    round == 1 ? restart() : crash();
    broker->maintain();
    broker->settle_down();
    broker->check();
  }
  const auto got = take("q", 2);
  crash();
  EXPECT_TRUE(is_duplicate(send_limited("x", other), second));
  EXPECT_EQ(send_limited("c", start).kind, "published");
  settle({got.messages.at(0).lease, got.messages.at(1).lease});
  crash();
  broker->check();
  EXPECT_EQ(send_limited("d", other).kind, "published");
}

TEST_F(LimitsTest, DebouncedOnesBecomeTheLastOfThemOneDelayLater) {
  const auto limit = debounce(10s);
  const auto first = send_limited("a", limit, true).ids.at(0);
  advance(6s);
  const auto second = send_limited("b", limit, true).ids.at(0);
  EXPECT_EQ(task(first).state, TaskState::cancelled);
  advance(6s);
  EXPECT_TRUE(take("q").messages.empty());
  crash();
  advance(4s);
  // Its time has come: the next one begins anew, though nobody took this one yet.
  const auto third = send_limited("c", limit).ids.at(0);
  EXPECT_GT(third, second);
  EXPECT_EQ(drained(), std::vector<std::string>{"b"});
  advance(10s);
  EXPECT_EQ(drained(), std::vector<std::string>{"c"});
}

TEST_F(LimitsTest, ADebounceIsNotPutOffBeyondItsLongestWait) {
  const auto limit = debounce(10s, 25s);
  for (const auto* body : {"a", "b", "c", "d"}) {
    send_limited(body, limit);
    if (std::string_view(body) == "b") crash();
    advance(8s);
  }
  EXPECT_EQ(drained(), std::vector<std::string>{"d"}) << "25 s after the first";
  send_limited("e", limit);
  advance(9s);
  EXPECT_TRUE(drained().empty());
  advance(1s);
  EXPECT_EQ(drained(), std::vector<std::string>{"e"});
}

TEST_F(LimitsTest, ACancelledDebounceBeginsAnew) {
  const auto limit = debounce(10s, 25s);
  const auto first = send_limited("a", limit, true).ids.at(0);
  broker->cancel_task(session, ++tag, MessageId(first));
  wait(tag);
  advance(9s);
  send_limited("b", limit);
  advance(9s);
  EXPECT_TRUE(take("q").messages.empty());
  advance(1s);
  EXPECT_EQ(drained(), std::vector<std::string>{"b"});
}

TEST_F(LimitsTest, AThrottleLetsSoManyInAnyPeriod) {
  const auto limit = throttle(2, 10s, OnConflict::reject);
  EXPECT_EQ(send_limited("a", limit).kind, "published");
  advance(9s);
  EXPECT_EQ(send_limited("b", limit).kind, "published");
  auto refused = send_limited("c", limit);
  ASSERT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "throttle");
  EXPECT_EQ(refused.refused.retry_after, 1s);
  advance(1s);
  EXPECT_EQ(send_limited("c", limit).kind, "published") << "the first was 10 s ago";
  crash();
  refused = send_limited("d", limit);
  ASSERT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.retry_after, 9s) << "the second was a second ago";
  restart();
  EXPECT_EQ(send_limited("d", limit).kind, "refused");
  EXPECT_EQ(drained(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(LimitsTest, AThrottleMayAnswerWithTheLastOne) {
  const auto limit = throttle(1, 10s, OnConflict::give_known);
  const auto first = send_limited("a", limit).ids.at(0);
  EXPECT_EQ(send_limited("b", limit).ids.at(0), first);
  advance(10s);
  EXPECT_NE(send_limited("c", limit).ids.at(0), first);
  EXPECT_EQ(drained(), (std::vector<std::string>{"a", "c"}));
}

TEST_F(LimitsTest, AThrottleMayDelayToTheNextFreeMoment) {
  const auto limit = throttle(2, 10s, OnConflict::delay);
  for (const auto* body : {"a", "b", "c", "d", "e"}) send_limited(body, limit);
  EXPECT_EQ(drained(), (std::vector<std::string>{"a", "b"}));
  crash();
  advance(10s);
  EXPECT_EQ(drained(), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(send_limited("f", limit).kind, "published");
  advance(10s);
  EXPECT_EQ(drained(), (std::vector<std::string>{"e", "f"}));
}

TEST_F(LimitsTest, AnIdempotencyKeyIsLookedAtBeforeALimit) {
  auto message = input("a");
  message.key = "request-1";
  message.limit = throttle(1, 1h, OnConflict::reject);
  const auto first = send("q", {message}).ids.at(0);
  EXPECT_EQ(send("q", {message}).ids.at(0), first) << "the same request again";
  message.key = "request-2";
  EXPECT_EQ(send("q", {message}).kind, "refused");
}

TEST_F(LimitsTest, KeysOfOneKindDoNotKnowThoseOfAnother) {
  EXPECT_EQ(send_limited("a", unique(KeyRule::unique_done)).kind, "published");
  EXPECT_EQ(send_limited("b", debounce(1s)).kind, "published");
  EXPECT_EQ(send_limited("c", throttle(1, 1s, OnConflict::reject)).kind, "published");
  auto message = input("d");
  message.key = "k";
  EXPECT_EQ(send("q", {message}).kind, "published");
  auto other = input("e");
  other.limit = unique(KeyRule::unique_done);
  EXPECT_EQ(send("elsewhere", {other}).kind, "published") << "another queue's keys";
}

TEST_F(LimitsTest, ABatchIsTakenAsAWholeOrNotAtAll) {
  auto one = input("a");
  auto two = input("b");
  one.limit = two.limit = unique(KeyRule::unique_done);
  EXPECT_EQ(send("q", {one, two}).error.message, "two messages of one publish have the key \"k\"");
  two.limit.key = "other";
  ASSERT_EQ(send("q", {two}).kind, "published");
  const auto refused = send("q", {one, two});
  EXPECT_EQ(refused.error.code, ErrorCode::duplicate);
  EXPECT_EQ(statistics("q").ready, 1u);
  EXPECT_EQ(statistics("q").refused_unique, 1u);
  two.limit.on_conflict = OnConflict::give_known;
  EXPECT_EQ(send("q", {one, two}).duplicates, 1u);
  EXPECT_EQ(drained(), (std::vector<std::string>{"b", "a"}));
}

TEST_F(LimitsTest, WhatMakesNoSenseIsRefusedByItsName) {
  const auto says = [this](KeyLimit limit) { return send_limited("a", limit).error.message; };
  auto limit = unique(KeyRule::unique_done);
  limit.key = {};
  EXPECT_EQ(says(limit), "a key has 1 to 1024 bytes");
  EXPECT_EQ(says(unique(KeyRule::unique_for)),
            "the time of a unique key is longer than 0 and at most 366 days");
  EXPECT_EQ(says(unique(KeyRule::unique_done, OnConflict::delay)), "only a throttle delays");
  EXPECT_EQ(says(throttle(0, 1s, OnConflict::reject)), "a throttle lets 1 to 1000 in a period");
  EXPECT_EQ(says(throttle(1, 1s, OnConflict::replace)), "a throttle replaces nothing");
  EXPECT_EQ(says(debounce(0s)), "the delay of a debounce is longer than 0 and at most 366 days");
  auto later = input("a");
  later.limit = debounce(1s);
  later.not_before = clock.now() + 1s;
  EXPECT_EQ(send("q", {later}).error.message,
            "a message that is debounced or throttled has no delay of its own");
  declare("stream", {{"stream", "true"}});
  auto streamed = input("a");
  streamed.limit = unique(KeyRule::unique_done);
  EXPECT_EQ(send("stream", {streamed}).error.code, ErrorCode::unsupported);
  EXPECT_EQ(statistics("q").ready, 0u);
}

TEST_F(LimitsTest, KeysAreBoundedAndAThrottlesMomentsCount) {
  declare("memory", {{"durable", "false"}});
  auto message = input("a");
  message.limit = throttle(3, 1h, OnConflict::reject);
  for (int n = 0; n < 3; ++n) EXPECT_EQ(send("memory", {message}).kind, "published");
  EXPECT_EQ(send("memory", {message}).kind, "refused");
  broker->check();
  advance(2h);
  broker->check();
  EXPECT_EQ(send("memory", {message}).kind, "published");
  restart();
  broker->check();
}

}  // namespace
}  // namespace penstock::broker
