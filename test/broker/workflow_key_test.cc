// Idempotency keys of workflows: a repeat gives the first one, runs nothing, and is told of as
// such.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

class WorkflowKeyTest : public WorkflowTest {
 protected:
  static Tree two_steps() { return chain({step("a"), step("b")}); }
  Got submit_as(std::string_view key, std::string_view queue = "w") {
    return submit(two_steps(), engine::FailurePolicy::stop, queue, key);
  }
  std::uint64_t steps_of(std::string_view queue) {
    const auto told = statistics(queue);
    return told.ready + told.leased + told.scheduled;
  }
};

TEST_F(WorkflowKeyTest, ARepeatGivesTheFirstOneAndRunsNothing) {
  const auto first = submit_as("order 7");
  ASSERT_EQ(first.kind, "published");
  EXPECT_EQ(first.duplicates, 0u);
  const auto repeat = submit_as("order 7");
  EXPECT_EQ(repeat.kind, "published");
  EXPECT_EQ(repeat.ids, first.ids);
  EXPECT_EQ(repeat.duplicates, 1u);
  EXPECT_EQ(steps_of("w"), 2u);
  EXPECT_EQ(statistics("w").duplicates, 1u);
  EXPECT_NE(submit_as("order 8").ids, first.ids);
  EXPECT_NE(submit_as("").ids, first.ids);
  EXPECT_NE(submit_as("order 7", "another").ids, first.ids) << "a key is one of its queue";
}

TEST_F(WorkflowKeyTest, ItIsKnownAfterACrashAndOutOfACheckpoint) {
  const auto first = submit_as("order 7");
  crash();
  EXPECT_EQ(submit_as("order 7").ids, first.ids);
  by_checkpoint();
  EXPECT_EQ(submit_as("order 7").ids, first.ids);
  EXPECT_EQ(run("1"), "[\"a\"]");
  EXPECT_EQ(run("2"), "[1,\"b\"]");
  EXPECT_EQ(run(""), "nothing");
  EXPECT_EQ(submit_as("order 7").ids, first.ids) << "it has ended; its window has not";
  broker->check();
}

TEST_F(WorkflowKeyTest, ItIsForgottenWhenTheWindowOfTheQueueIsOver) {
  declare("w", {{"dedup_window", "1h"}});
  const auto first = submit_as("order 7");
  advance(59min);
  EXPECT_EQ(submit_as("order 7").ids, first.ids);
  crash();
  advance(2min);
  const auto second = submit_as("order 7");
  EXPECT_NE(second.ids, first.ids) << "a repeat does not prolong it";
  EXPECT_EQ(second.duplicates, 0u);
  broker->check();
}

TEST_F(WorkflowKeyTest, AQueueWithoutAWindowKeepsNoKeys) {
  declare("w", {{"dedup_window", "0s"}});
  EXPECT_NE(submit_as("order 7").ids, submit_as("order 7").ids);
  broker->check();
}

TEST_F(WorkflowKeyTest, ARepeatNeedsNoRoom) {
  declare("w", {{"max_length", "2"}});
  const auto first = submit_as("order 7");
  EXPECT_EQ(submit_as("order 8").kind, "refused");
  EXPECT_EQ(submit_as("order 7").ids, first.ids);
}

TEST_F(WorkflowKeyTest, WhatWasRefusedHasNotTakenItsKey) {
  declare("w", {{"max_length", "1"}});
  EXPECT_EQ(submit_as("order 7").kind, "refused");
  declare("w", {{"max_length", "10"}});
  EXPECT_EQ(submit_as("order 7").duplicates, 0u);
}

TEST_F(WorkflowKeyTest, TheKeysOfTasksAreOthers) {
  auto plain = input("{\"args\":[]}");
  plain.task = true;
  plain.key = "order 7";
  const auto id = send("w", {plain}).ids.front();
  const auto first = submit_as("order 7");
  EXPECT_EQ(first.duplicates, 0u);
  EXPECT_NE(first.ids.front(), id);
  EXPECT_EQ(send("w", {plain}).ids.front(), id);
}

TEST_F(WorkflowKeyTest, KeysGoWithTheirQueue) {
  const auto first = submit_as("order 7");
  broker->remove(session, ++tag, "w");
  ASSERT_EQ(wait(tag).kind, "done");
  EXPECT_NE(submit_as("order 7").ids, first.ids);
  crash();
  broker->check();
}

TEST_F(WorkflowKeyTest, AKeyIsRefusedWhereItCannotBe) {
  EXPECT_EQ(submit_as(std::string(1025, 'k')).error.code, ErrorCode::too_large);
  auto plain = input("{\"args\":[]}");
  plain.task = true;
  send("w", {plain});
  const auto got = take("w").messages;
  Flat flat;
  flatten(two_steps(), flat, "w");
  engine::WorkflowInput replacement;
  replacement.nodes = flat.nodes;
  replacement.key = "order 7";
  engine::Settle settle;
  settle.leases = {&got[0].lease, 1};
  settle.replacement = &replacement;
  broker->settle(session, ++tag, settle);
  EXPECT_EQ(wait(tag).error.message, "a workflow in the place of a task has no idempotency key");
  replacement.key = {};
  broker->settle(session, ++tag, settle);
  EXPECT_EQ(wait(tag).count, 1u) << "the lease is still there";
}

// What a step is given is no part of its message, but of the answer to its worker.
TEST_F(WorkflowTest, LargeInputsComeInAnswersOfTheirOwn) {
  begin_anew(32 << 20);
  const std::string large = '"' + std::string(9 << 20, 'x') + '"';
  for (int n = 0; n < 2; ++n) submitted(chain({step("a"), step("b")}));
  ASSERT_EQ(run(large), "[\"a\"]");
  ASSERT_EQ(run(large), "[\"a\"]");
  EXPECT_EQ(take("w", 10).messages.size(), 1u);
  EXPECT_EQ(take("w", 10).messages.size(), 1u);
}

}  // namespace
}  // namespace penstock::broker
