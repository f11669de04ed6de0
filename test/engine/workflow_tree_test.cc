// The trees of workflows by themselves: what is a tree, steps that end before their turn, and the
// step because of which a node failed.
#include "engine/workflow_tree.h"

#include <gtest/gtest.h>

#include <map>

namespace penstock::engine {
namespace {

using Nodes = std::vector<WorkflowNode>;
using Ids = std::vector<std::uint64_t>;

WorkflowNode node(NodeKind kind, std::uint32_t children, NodeRole role = NodeRole::member) {
  WorkflowNode one;
  one.kind = kind;
  one.children = children;
  one.role = role;
  return one;
}
WorkflowNode chain(std::uint32_t children, NodeRole role = NodeRole::member) {
  return node(NodeKind::chain, children, role);
}
WorkflowNode group(std::uint32_t children) {
  return node(NodeKind::group, children);
}
WorkflowNode step(std::uint64_t id, std::uint32_t children = 0, NodeRole role = NodeRole::member) {
  auto one = node(NodeKind::step, children, role);
  one.step = MessageId(id);
  return one;
}

class WorkflowTreeTest : public testing::Test {
 protected:
  std::uint32_t begin(const Nodes& nodes, FailurePolicy policy = FailurePolicy::go_on) {
    WorkflowTree::Workflow workflow;
    workflow.id = MessageId(++workflows);
    workflow.policy = policy;
    root = tree.build(workflow, nodes);
    return tree.node(root).workflow;
  }
  // The steps whose turn has come.
  Ids activate() {
    WorkflowTree::Work work;
    tree.activate(root, work);
    return released(work);
  }
  Ids finish(std::uint64_t id, bool well) {
    WorkflowTree::Work work;
    tree.finish(tree.find_step(MessageId(id)), well, work);
    return released(work);
  }
  Ids released(const WorkflowTree::Work& work) {
    const auto number = tree.node(root).workflow;
    if (auto& workflow = tree.workflow(number); tree.has_ended(number)) {  // as State does
      workflow.state =
          root_state() == NodeState::succeeded ? WorkflowState::succeeded : WorkflowState::failed;
      workflow.ended_at = time_from_micros(1);
    }
    tree.check();
    Ids ids;
    for (const auto at : work.release) ids.push_back(tree.node(at).step.value);
    return ids;
  }
  NodeState state(std::uint64_t id) { return tree.node(tree.find_step(MessageId(id))).state; }
  NodeState root_state() { return tree.node(root).state; }
  // Because of which the root failed; 0: none.
  std::uint64_t culprit() {
    const auto at = tree.failed_step(root);
    return at == 0 ? 0 : tree.node(at).step.value;
  }

  WorkflowTree tree;
  std::uint64_t workflows = 0;
  std::uint32_t root = 0;
};

TEST_F(WorkflowTreeTest, takes_only_nodes_that_are_one_tree) {
  constexpr auto kBeside = NodeRole::on_success;
  EXPECT_TRUE(WorkflowTree::is_tree(Nodes{step(1)}));
  EXPECT_TRUE(WorkflowTree::is_tree(Nodes{chain(2), step(1), step(2, 0, kBeside)}));
  const std::map<std::string_view, Nodes> wrong = {
      {"nothing", {}},
      {"two roots", {step(1), step(2)}},
      {"a root that runs beside", {step(1, 0, kBeside)}},
      {"a member of a step", {step(1, 1), step(2)}},
      {"a member after what runs beside", {chain(2), step(1, 0, kBeside), step(2)}},
      {"children that do not come", {chain(2), chain(1), step(1)}},
      {"more children than nodes", {chain(7), step(1)}},
      {"one too deep", Nodes(kDeepestWorkflow + 1, chain(1))}};
  for (const auto& [what, nodes] : wrong) EXPECT_FALSE(WorkflowTree::is_tree(nodes)) << what;
}

TEST_F(WorkflowTreeTest, a_workflow_that_has_not_begun_has_not_ended) {
  const auto number = begin({chain(1), step(1)});
  EXPECT_FALSE(tree.has_ended(number));
  EXPECT_EQ(activate(), Ids{1});
  EXPECT_FALSE(tree.has_ended(number));
  EXPECT_EQ(finish(1, true), Ids{});
  EXPECT_TRUE(tree.has_ended(number));
  EXPECT_EQ(culprit(), 0u);
}

TEST_F(WorkflowTreeTest, a_step_that_failed_before_its_turn_fails_a_chain_that_runs_at_once) {
  begin({chain(3), step(1), step(2), step(3)});
  EXPECT_EQ(activate(), Ids{1});
  EXPECT_EQ(finish(2, false), Ids{});
  EXPECT_EQ(root_state(), NodeState::failed);
  EXPECT_EQ(finish(1, true), Ids{}) << "nothing follows";
  EXPECT_EQ(culprit(), 2u);
}

TEST_F(WorkflowTreeTest, one_in_a_chain_that_waits_fails_it_when_the_turn_comes) {
  begin({chain(3), step(1), chain(2), step(2), step(3), step(4)});
  EXPECT_EQ(activate(), Ids{1});
  EXPECT_EQ(finish(2, false), Ids{});
  EXPECT_EQ(state(2), NodeState::failed);
  EXPECT_EQ(root_state(), NodeState::active) << "it is not its turn yet";
  EXPECT_EQ(finish(1, true), Ids{});
  EXPECT_EQ(root_state(), NodeState::failed);
  EXPECT_EQ(state(3), NodeState::waiting);
  EXPECT_EQ(culprit(), 2u);
}

// What stops a workflow may be a step whose turn had not come: nothing above it has failed then.
TEST_F(WorkflowTreeTest, whatever_ended_a_workflow_before_its_turn_is_found) {
  const auto number = begin({chain(3), step(1, 1), step(11, 0, NodeRole::on_success), group(2),
                             step(21), chain(2), step(22), step(23), step(3)},
                            FailurePolicy::stop);
  EXPECT_EQ(activate(), Ids{1});
  EXPECT_EQ(culprit(), 0u) << "nothing has failed";
  EXPECT_EQ(finish(11, false), Ids{}) << "what runs beside stops nothing";
  EXPECT_EQ(culprit(), 0u) << "and is not why";
  EXPECT_FALSE(tree.workflow(number).stopping);
  EXPECT_EQ(finish(23, false), Ids{});
  EXPECT_TRUE(tree.workflow(number).stopping);
  EXPECT_EQ(culprit(), 23u);
  EXPECT_EQ(finish(1, true), Ids{}) << "nothing more begins, beside or not";
  EXPECT_TRUE(tree.has_ended(number));
  EXPECT_EQ(root_state(), NodeState::active);
  EXPECT_EQ(culprit(), 23u);
}

TEST_F(WorkflowTreeTest, a_group_with_a_member_that_failed_before_its_turn_fails_at_its_end) {
  begin({chain(2), step(1), group(3), step(2), step(3), step(4, 0, NodeRole::on_error)});
  activate();
  finish(2, false);
  EXPECT_EQ(finish(1, true), Ids{3});
  EXPECT_EQ(root_state(), NodeState::active);
  EXPECT_EQ(finish(3, true), Ids{4}) << "its error has a step of its own";
  EXPECT_EQ(root_state(), NodeState::failed);
  EXPECT_EQ(culprit(), 2u);
}

// ---- checkpoint

TEST_F(WorkflowTreeTest, comes_back_as_it_was_and_only_once) {
  const auto number = begin({chain(2), group(2), step(1), step(2), step(3)});
  activate();
  finish(1, false);
  Bytes bytes;
  Encoder out(bytes);
  tree.encode(out, number);
  const auto workflow = tree.workflow(number);
  const auto restore = [&](WorkflowTree& into, std::uint64_t id) {
    Cursor in(bytes);
    auto as = workflow;
    as.id = MessageId(id);
    as.nodes = as.steps = as.active = as.done = as.failed = 0;
    return into.restore(in, as);
  };
  EXPECT_FALSE(restore(tree, 99)) << "its steps are there";
  WorkflowTree same_id;
  same_id.build(workflow, Nodes{step(77)});
  EXPECT_FALSE(restore(same_id, workflow.id.value));
  WorkflowTree again;
  ASSERT_TRUE(restore(again, workflow.id.value));
  again.check();
  const auto& made = again.workflow(again.find(workflow.id));
  EXPECT_EQ(made.active, 1u);
  EXPECT_EQ(made.failed, 1u);
  Bytes twice;
  Encoder to(twice);
  again.encode(to, again.find(workflow.id));
  EXPECT_EQ(twice, bytes);
}

}  // namespace
}  // namespace penstock::engine
