// Workflows whose queues go, are emptied and come back while steps run, fail, are cancelled and
// resumed, through crashes: whatever happens, the laws hold, and each workflow comes to an end.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using engine::Outcome;
using engine::TaskState;

class WorkflowChurn : public WorkflowTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr std::string_view kQueues[] = {"a", "b"};

  std::uint64_t below(std::uint64_t bound) { return chance_.next() % bound; }
  std::string some_queue() { return std::string(kQueues[below(2)]); }
  std::uint64_t some_flow() { return flows_[below(flows_.size())]; }

  Tree some_tree(int depth) {
    Tree tree = step("s");
    if (depth > 0 && below(3) != 0) {
      tree.kind = below(2) == 0 ? engine::NodeKind::chain : engine::NodeKind::group;
      for (auto members = 1 + below(4); members > 0; --members)
        tree.members.push_back(some_tree(depth - 1));
    }
    if (depth > 0 && below(4) == 0) tree.on_success.push_back(some_tree(depth - 1));
    if (depth > 0 && below(4) == 0) tree.on_error.push_back(some_tree(depth - 1));
    if (below(8) == 0) tree.delay = 1s;
    return tree;
  }
  engine::WorkflowInput some_input(int depth, Flat& flat) {
    flatten(some_tree(depth), flat, kQueues[0]);
    for (auto& node : flat.nodes)
      if (node.node.kind == engine::NodeKind::step && below(2) == 0) node.queue = kQueues[1];
    engine::WorkflowInput flow;
    flow.policy = static_cast<engine::FailurePolicy>(1 + below(3));
    flow.nodes = flat.nodes;
    return flow;
  }
  void submit_some() {
    Flat flat;
    broker->submit(session, ++tag, some_input(3, flat));
    const auto got = wait(tag);
    ASSERT_EQ(got.kind, "published") << got.error.message;
    flows_.push_back(got.ids.front());
  }
  void take_some() {
    for (auto& step : take(some_queue(), 1 + static_cast<std::uint32_t>(below(5))).messages)
      held_.push_back(std::move(step));
  }
  void settle_some() {
    if (held_.empty()) return;
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(below(held_.size()));
    constexpr Outcome kOutcomes[] = {Outcome::ack,  Outcome::ack,    Outcome::ack,
                                     Outcome::nack, Outcome::reject, Outcome::give_back};
    if (below(10) == 0)
      replace(at->lease);
    else
      settle({at->lease}, kOutcomes[below(std::size(kOutcomes))], {}, "no", "1");
    held_.erase(at);
  }
  void replace(const engine::LeaseToken& lease) {
    Flat flat;
    const auto instead = some_input(2, flat);
    engine::Settle command;
    command.leases = {&lease, 1};
    command.replacement = &instead;
    broker->settle(session, ++tag, command);
    wait(tag);
  }
  void cancel_some() {
    if (held_.empty() || below(2) == 0)
      cancel(some_flow());
    else
      cancel(held_[below(held_.size())].id - below(3));  // a step, or one beside it
  }
  void act() {
    const auto what = below(20);
    if (what < 4 || flows_.empty()) return submit_some();
    if (what < 8) return take_some();
    if (what < 13) return settle_some();
    if (what < 15) return void(resume(some_flow()));
    if (what < 16) return cancel_some();
    if (what < 17) return advance(std::chrono::seconds(below(40)));
    if (what < 18) return below(2) == 0 ? crash() : restart();
    if (what < 19)
      broker->remove(session, ++tag, some_queue());
    else
      broker->purge(session, ++tag, some_queue());
    wait(tag);
  }
  // As a worker does that never fails, until nothing more comes.
  void drain() {
    for (int idle = 0; idle < 3; ++idle) {
      advance(1min);  // leases of those who were forgotten, and delays
      for (const auto queue : kQueues)
        for (const auto& step : take(std::string(queue), 1000).messages) {
          settle({step.lease}, Outcome::ack, {}, {}, "1");
          idle = -1;
        }
    }
  }

  FakeRandom chance_{GetParam()};
  std::vector<std::uint64_t> flows_;
  std::vector<Got::Message> held_;
};

TEST_P(WorkflowChurn, each_comes_to_an_end) {
  for (int n = 0; n < 250; ++n) {
    act();
    broker->check();
  }
  drain();
  for (const auto flow : flows_) {
    const auto now = state(flow);
    EXPECT_TRUE(now == TaskState::done || now == TaskState::failed || now == TaskState::cancelled ||
                now == TaskState::unknown)
        << flow << " is " << engine::name_of(now);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WorkflowChurn, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace penstock::broker
