// The trees of all workflows: whose turn it is, and what follows when a step has ended.
//
// Passive and pure: it knows nodes and ids. What a change means for the steps' messages is told in
// Work, and done by State.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/cursor.h"
#include "engine/id_index.h"
#include "engine/slab.h"
#include "engine/workflow.h"

namespace penstock::engine {

class WorkflowTree {
 public:
  // 40 bytes, and 8 of the index by step.
  struct Node {
    MessageId step;
    std::uint32_t workflow = 0, parent = 0, first = 0, next = 0, previous = 0;
    // Of an active group: members that have not ended. Of one that failed before they had: the
    // place, from 1, of the member because of which it did; what fails later changes nothing.
    std::uint32_t pending = 0;
    std::uint32_t delay_ms = 0;
    std::uint8_t task = 0;  // of a step: see WorkflowNode
    NodeKind kind : 2 = NodeKind::step;
    NodeRole role : 2 = NodeRole::member;
    NodeState state : 2 = NodeState::waiting;
    bool takes_input : 1 = false;
    bool beside : 1 = false;  // it or one above it runs beside the rest
    bool broken : 1 = false;  // of a group: a member failed
  };
  struct Workflow {
    MessageId id;
    std::string name;
    std::vector<std::string> tasks;  // kTaskNamesMax at most
    QueueId queue;  // of its first step; whoever may write to it may steer the workflow
    FailurePolicy policy = FailurePolicy::stop;
    WorkflowState state = WorkflowState::running;
    bool stopping = false;  // nothing more begins
    std::uint32_t root = 0;
    std::uint32_t nodes = 0, steps = 0;
    std::uint32_t active = 0;  // steps that may run, or do
    std::uint32_t done = 0, failed = 0;
    std::uint32_t timer = 0;
    Duration ttl{0}, failed_ttl{0};
    Time at{}, ended_at{};
  };
  struct Work {
    std::vector<std::uint32_t> release;  // steps whose turn has come
    std::vector<std::uint32_t> stop;     // active steps of a workflow that stops
    bool empty() const { return release.empty() && stop.empty(); }
  };

  // Whether these are all the nodes of one tree, at most kDeepestWorkflow deep.
  [[nodiscard]] static bool is_tree(std::span<const WorkflowNode> nodes);
  // Whether each step is in it once, and in no tree yet.
  [[nodiscard]] bool has_new_steps(std::span<const WorkflowNode> nodes) const;
  // Makes the tree; answers the node to activate. Needs is_tree() and has_new_steps().
  std::uint32_t build(const Workflow& workflow, std::span<const WorkflowNode> nodes);
  // Puts the tree in the place of an active step, which is a chain of one from then on. `tasks` are
  // the names of its tasks.
  std::uint32_t build_in_place_of(std::uint32_t step, std::span<const WorkflowNode> nodes,
                                  std::span<const std::string> tasks);
  void activate(std::uint32_t node, Work& work);
  // A step has ended, in its turn or before; once.
  void finish(std::uint32_t step, bool well, Work& work);
  // An active step did not run after all, and waits again.
  void put_back(std::uint32_t step);
  // All that did not succeed is to be done again, from the root on; answers the steps that failed.
  // What is below a node that succeeded stays as it is: its errors were collected, or are nobody's.
  [[nodiscard]] std::vector<std::uint32_t> reset(std::uint32_t workflow);
  // The first step that keeps a workflow from going well when it is resumed: it has to run for that
  // and is not in `messages` any more. 0: nothing does.
  [[nodiscard]] std::uint32_t hindrance(std::uint32_t workflow, const IdIndex& messages) const;
  // None of its steps is active and none will be.
  [[nodiscard]] bool has_ended(std::uint32_t workflow) const;
  void forget(std::uint32_t workflow);

  // 0: none.
  [[nodiscard]] std::uint32_t find(MessageId workflow) const { return by_id_.find(workflow); }
  [[nodiscard]] std::uint32_t find_step(MessageId id) const {
    return nodes_.size() == 0 ? 0 : by_step_.find(id);
  }
  [[nodiscard]] Workflow& workflow(std::uint32_t number) { return workflows_[number]; }
  [[nodiscard]] const Workflow& workflow(std::uint32_t number) const { return workflows_[number]; }
  [[nodiscard]] Node& node(std::uint32_t number) { return nodes_[number]; }
  [[nodiscard]] const Node& node(std::uint32_t number) const { return nodes_[number]; }
  [[nodiscard]] std::uint32_t size() const { return workflows_.size(); }
  [[nodiscard]] std::uint32_t steps() const { return steps_; }
  [[nodiscard]] std::uint32_t nodes() const { return nodes_.size(); }
  [[nodiscard]] std::uint32_t workflows_end() const { return workflows_.end(); }
  // The node after this one in the order of the tree, below `root`; 0 at its end.
  [[nodiscard]] std::uint32_t after(std::uint32_t node, std::uint32_t root) const;
  // After this one without what is below it.
  [[nodiscard]] std::uint32_t past(std::uint32_t node, std::uint32_t root) const;
  // Whose value a step is given: a node that succeeded, or one that failed if `error`; 0: nothing.
  struct Source {
    std::uint32_t node = 0;
    bool error = false;
  };
  [[nodiscard]] Source input_of(std::uint32_t step) const;
  // What waits in a workflow that has ended waits for a resume; when it is gone by then, it fails
  // then, and until then nothing follows.
  [[nodiscard]] bool may_end(std::uint32_t step) const {
    const Node& node = nodes_[step];
    const bool ended = workflows_[node.workflow].ended_at != Time{};
    return node.state == NodeState::active || (node.state == NodeState::waiting && !ended);
  }
  [[nodiscard]] bool is_cancelled(std::uint32_t node) const {
    return workflows_[nodes_[node].workflow].state == WorkflowState::cancelled;
  }
  // The name of a step's task; empty: it was not kept.
  [[nodiscard]] std::string_view task_of(std::uint32_t step) const {
    const Node& node = nodes_[step];
    const auto& tasks = workflows_[node.workflow].tasks;
    return node.task == 0 || node.task > tasks.size() ? std::string_view() : tasks[node.task - 1];
  }
  [[nodiscard]] std::uint32_t last_member(std::uint32_t node) const;
  // The step because of which a node failed; 0: none did.
  [[nodiscard]] std::uint32_t failed_step(std::uint32_t node) const;
  [[nodiscard]] std::uint64_t bytes() const {
    return nodes_.bytes() + workflows_.bytes() + by_id_.bytes() + by_step_.bytes();
  }

  // ---- checkpoint
  void encode(Encoder& out, std::uint32_t workflow) const;
  // False: the bytes are none that encode() made.
  [[nodiscard]] bool restore(Cursor& in, const Workflow& workflow);
  // An active step that `messages` does not have; none: all are there.
  [[nodiscard]] MessageId step_without(const IdIndex& messages) const;
  // The law of these trees; slow.
  void check() const;

 private:
  void add_all(std::span<const WorkflowNode> nodes, std::uint32_t workflow, std::uint32_t above);
  void advance(std::uint32_t chain, std::uint32_t from, Work& work);
  void complete(std::uint32_t node, bool well, Work& work);
  void tell_parent(std::uint32_t node, bool well, Work& work);
  [[nodiscard]] std::uint32_t place_of(std::uint32_t node) const;
  [[nodiscard]] std::uint32_t failed_member(std::uint32_t node) const;
  void stop(Workflow& workflow, std::uint32_t because_of, Work& work);

  Slab<Node, 8> nodes_;
  Slab<Workflow, 4> workflows_;
  IdIndex by_id_, by_step_;
  std::uint32_t steps_ = 0;
};

}  // namespace penstock::engine
