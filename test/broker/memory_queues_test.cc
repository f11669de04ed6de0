// Queues in memory beside those on the disk: what goes between the two, and what is left of them
// when the process ends.
#include "engine/key_limit.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Outcome;
using engine::TaskState;

class MemoryQueuesTest : public BrokerTest {
 protected:
  MemoryQueuesTest() { declare("memory", {{"durable", "false"}}); }

  static Input task_input() {
    auto one = input("{\"args\":[]}");
    one.task = true;
    return one;
  }
};

TEST_F(MemoryQueuesTest, results_of_tasks_end_with_the_process) {
  const auto id = send("memory", {task_input()}).ids.at(0);
  const auto kept = send("disk", {task_input()}).ids.at(0);
  for (const auto* queue : {"memory", "disk"})
    settle({take(queue).messages.at(0).lease}, Outcome::ack, {}, {}, "1");
  EXPECT_EQ(task(id).state, TaskState::done);
  EXPECT_EQ(task(id).result, "1");
  restart();
  EXPECT_EQ(task(id).state, TaskState::unknown);
  EXPECT_EQ(task(kept).result, "1");
  broker->check();
}

TEST_F(MemoryQueuesTest, who_waits_for_a_task_that_leaves_no_result_is_told_of_its_end) {
  auto one = task_input();
  one.policy.result_ttl = Duration(0);
  for (const auto* queue : {"memory", "disk"}) {
    const auto id = send(queue, {one}).ids.at(0);
    broker->task(session, ++tag, MessageId(id), clock.now() + 1h);
    const auto end = tag;
    const auto lease = take(queue).messages.at(0).lease;
    EXPECT_FALSE(answered(end)) << queue;
    settle({lease});
    ASSERT_TRUE(answered(end)) << queue;
    EXPECT_EQ(wait(end).state, TaskState::unknown) << "it is over, and nothing is kept of it";
  }
  restart();
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(MemoryQueuesTest, a_stream_in_memory_is_in_no_checkpoint) {
  declare("s", {{"durable", "false"}, {"stream", "true"}});
  declare("kept", {{"stream", "true"}});
  for (const auto* queue : {"s", "kept"}) send(queue, "a");
  EXPECT_EQ(statistics("s").ready, 1u);
  restart();
  EXPECT_FALSE(broker->check_queue(session, "s"));
  EXPECT_EQ(statistics("kept").ready, 1u);
  broker->check();
}

TEST_F(MemoryQueuesTest, dead_letters_go_from_disk_to_memory_as_copies_that_stay_there) {
  declare("disk", {{"dead_letter", "memory"}});
  send("disk", "bad");
  settle({take("disk").messages.at(0).lease}, Outcome::reject);
  broker->check();
  EXPECT_EQ(statistics("disk").dead_lettered, 1u);
  broker->redrive(session, ++tag, "memory", 0);
  EXPECT_EQ(wait(tag).count, 0u) << "a copy does not know where it came from";
  EXPECT_EQ(bodies(take("memory", 9)), Strings{"bad"});
  crash();
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(MemoryQueuesTest, a_task_that_another_replaces_says_by_which) {
  auto one = task_input();
  one.limit = {
      .rule = engine::KeyRule::unique_done, .on_conflict = engine::OnConflict::replace, .key = "k"};
  const auto first = send("memory", {one}).ids.at(0);
  const auto second = send("memory", {one}).ids.at(0);
  EXPECT_EQ(task(first).state, TaskState::cancelled);
  EXPECT_EQ(task(first).error.message, "replaced by " + std::to_string(second));
  EXPECT_EQ(task(second).state, TaskState::queued);
  broker->check();
}

TEST_F(MemoryQueuesTest, leases_of_both_are_extended_together) {
  for (const auto* queue : {"memory", "disk"}) send(queue, "a");
  const engine::LeaseToken leases[]{take("memory", 1, 10s).messages.at(0).lease,
                                    take("disk", 1, 10s).messages.at(0).lease};
  broker->extend(session, ++tag, leases, 60s);
  EXPECT_EQ(wait(tag).count, 2u);
  advance(30s);
  for (const auto* queue : {"memory", "disk"}) EXPECT_EQ(statistics(queue).leased, 1u) << queue;
  advance(31s);
  for (const auto* queue : {"memory", "disk"}) EXPECT_EQ(statistics(queue).leased, 0u) << queue;
}

TEST_F(MemoryQueuesTest, what_is_gone_before_it_was_handed_over_is_not_told) {
  send("memory", "a");
  const auto taken = take_tag("memory");
  broker->remove(session, ++tag, "memory");
  const auto got = wait(taken);
  EXPECT_EQ(got.kind, "delivered");
  EXPECT_TRUE(got.messages.empty());
  EXPECT_FALSE(broker->check_queue(session, "memory"));
}

TEST_F(MemoryQueuesTest, that_are_full_refuse_nothing_to_those_on_the_disk) {
  options.max_transient_bytes = 1000;
  restart();
  declare("memory", {{"durable", "false"}});
  const std::string large(900, 'x');
  for (const auto* queue : {"memory", "disk"}) EXPECT_EQ(send(queue, large).kind, "published");
  EXPECT_EQ(send("memory", large).refused.reason, "memory");
  EXPECT_EQ(send("disk", large).kind, "published");
}

}  // namespace
}  // namespace penstock::broker
