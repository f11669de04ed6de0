// Records whose checksums hold and that no engine wrote in this way: they are refused, or do no
// harm.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/state.h"

namespace penstock::engine {
namespace {

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    QueueSetEvent queue;
    queue.id = QueueId(1);
    queue.name = "q";
    replay(queue);
  }
  template <class Event>
  void replay(const Event& event) {
    Bytes head;
    encode(head, event);
    ASSERT_TRUE(state.replay(static_cast<std::uint8_t>(kind_of<Event>()), head,
                             LogPosition(position), kBodyBytes));
    position += 512;
  }
  void publish(std::uint64_t id, bool held) {
    PublishEvent event;
    event.id = MessageId(id);
    event.queue = QueueId(1);
    event.task = true;
    event.held = held;
    replay(event);
  }
  void workflow_of(std::uint64_t id, std::initializer_list<std::uint64_t> steps) {
    WorkflowSetEvent set;
    set.id = MessageId(id);
    set.queue = QueueId(1);
    set.nodes = static_cast<std::uint32_t>(steps.size() + 1);
    replay(set);
    std::vector<WorkflowNode> all(1);
    all[0].kind = NodeKind::chain;
    all[0].children = static_cast<std::uint32_t>(steps.size());
    for (const auto step : steps) all.emplace_back().step = MessageId(step);
    WorkflowNodesEvent nodes;
    nodes.nodes = all;
    replay(nodes);
  }
  void finish(std::uint64_t id, Time at) {
    FinishEvent event;
    event.id = MessageId(id);
    event.queue = QueueId(1);
    event.at = at;
    event.expires_at = at + std::chrono::hours(1);
    replay(event);
  }
  // Empty: the log was taken.
  [[nodiscard]] std::string end() {
    const auto done = state.replay_done();
    return done ? std::string() : done.error().message;
  }

  static constexpr std::uint32_t kBodyBytes = 10;
  State state{Time{}, {}};
  std::uint64_t position = 4096;
};

TEST_F(ReplayTest, AnIdempotencyKeyThatIsNeverForgottenIsRefused) {
  PublishEvent event;
  event.id = MessageId(1);
  event.queue = QueueId(1);
  event.key = {1, 2};
  Bytes head;
  encode(head, event);
  EXPECT_FALSE(state.replay(static_cast<std::uint8_t>(EventKind::publish), head,
                            LogPosition(position), kBodyBytes));
}

TEST_F(ReplayTest, AMessageIsFoundWhereverItWasLast) {
  publish(1, false);
  publish(2, false);
  const auto slot = state.find(MessageId(2));
  for (const std::uint32_t likely : {slot, state.find(MessageId(1)), 0u, 4'000'000'000u})
    EXPECT_EQ(state.find(MessageId(2), likely), slot) << likely;
}

TEST_F(ReplayTest, PermissionsOnAHostThatIsNotThereAreNone) {
  UserSetEvent user;
  user.user.name = "ann";
  user.user.password = "$x$";
  replay(user);
  PermissionSetEvent permission;
  permission.permission = {"ann", "nowhere", ".*", ".*", ".*"};
  replay(permission);
  TopicPermissionSetEvent topic;
  topic.permission = {"ann", "nowhere", "amq.topic", ".*", ".*"};
  replay(topic);
  state.check();
}

TEST_F(ReplayTest, AStepWithoutItsWorkflowIsRefused) {
  publish(1, true);
  publish(2, true);
  workflow_of(3, {1});
  EXPECT_EQ(end(), "message 2 at position 5120 is a step of a workflow that never came");
}

TEST_F(ReplayTest, AStepThatEndedWithItsWorkflowIsNoStepWithoutOne) {
  publish(1, true);
  workflow_of(2, {1});
  replay(WorkflowGoneEvent{MessageId(2)});
  EXPECT_EQ(end(), "");
  state.check();
}

TEST_F(ReplayTest, AWorkflowWithOneStepTwiceIsRefused) {
  publish(1, true);
  workflow_of(2, {1, 1});
  EXPECT_EQ(end(), "message 1 at position 4608 is a step of a workflow that never came");
}

TEST_F(ReplayTest, AStepThatIsSettledAsNoStepIsRefused) {
  publish(1, true);
  publish(2, true);
  workflow_of(3, {1, 2});
  const MessageId ids[]{MessageId(1)};
  replay(SettleEvent{SettleReason::acked, Time{}, ids});
  EXPECT_EQ(end(), "step 1 of a workflow should run, and is not there");
}

TEST_F(ReplayTest, AStepThatIsToldToEndTwiceCountsOnce) {
  publish(1, true);
  publish(2, true);
  workflow_of(3, {1, 2});
  finish(1, time_from_micros(1000));
  finish(1, time_from_micros(2000));
  EXPECT_EQ(end(), "");
  state.check();
  EXPECT_EQ(state.workflows.workflow(state.workflows.find(MessageId(3))).done, 1u);
}

TEST_F(ReplayTest, AWorkflowThatEndedAtTheBeginningOfTimeHasEnded) {
  publish(1, true);
  workflow_of(2, {1});
  finish(1, Time{});
  EXPECT_EQ(end(), "");
  state.check();
}

}  // namespace
}  // namespace penstock::engine
