#include "engine/workflow_tree.h"

#include <algorithm>

namespace penstock::engine {

std::string_view name_of(NodeState state) {
  constexpr std::string_view kNames[] = {"waiting", "active", "succeeded", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

std::string_view name_of(FailurePolicy policy) {
  constexpr std::string_view kNames[] = {"", "stop", "continue", "collect"};
  return kNames[static_cast<std::size_t>(policy)];
}

std::string_view name_of(WorkflowState state) {
  constexpr std::string_view kNames[] = {"running", "succeeded", "failed", "cancelled"};
  return kNames[static_cast<std::size_t>(state)];
}

static_assert(sizeof(WorkflowTree::Node) == 40);

// ---- building

bool WorkflowTree::is_tree(std::span<const WorkflowNode> nodes) {
  struct Place {
    std::uint32_t left = 0;
    bool step = false;    // has no members
    bool members = true;  // no child but members has come yet
  };
  std::vector<Place> path;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const WorkflowNode& node = nodes[n];
    const bool member = node.role == NodeRole::member;
    if (path.empty() != (n == 0) || (n == 0 && !member)) return false;
    if (n > 0) {
      Place& above = path.back();
      if (member && (above.step || !above.members)) return false;
      above.members = above.members && member;
      --above.left;
    }
    if (node.children >= nodes.size() || path.size() == kDeepestWorkflow) return false;
    path.push_back({node.children, node.kind == NodeKind::step});
    while (!path.empty() && path.back().left == 0) path.pop_back();
  }
  return !nodes.empty() && path.empty();
}

bool WorkflowTree::has_new_steps(std::span<const WorkflowNode> nodes) const {
  std::vector<MessageId> steps;
  for (const auto& node : nodes)
    if (node.kind == NodeKind::step) steps.push_back(node.step);
  std::ranges::sort(steps);
  return std::ranges::adjacent_find(steps) == steps.end() &&
         std::ranges::all_of(steps, [this](MessageId step) { return find_step(step) == 0; });
}

std::uint32_t WorkflowTree::build(const Workflow& workflow, std::span<const WorkflowNode> nodes) {
  const auto number = workflows_.take();
  workflows_[number] = workflow;
  by_id_.insert(workflow.id, number);
  add_all(nodes, number, 0);
  return workflows_[number].root;
}

std::uint32_t WorkflowTree::build_in_place_of(std::uint32_t step,
                                              std::span<const WorkflowNode> nodes,
                                              std::span<const std::string> tasks) {
  Node& node = nodes_[step];
  CHECK(node.kind == NodeKind::step && node.state == NodeState::active);
  Workflow& workflow = workflows_[node.workflow];
  --workflow.steps;
  --workflow.active;
  --steps_;
  by_step_.erase(node.step);
  node.step = {};
  node.kind = NodeKind::chain;
  node.takes_input = false;
  node.task = 0;
  std::vector<WorkflowNode> renamed(nodes.begin(), nodes.end());
  for (auto& one : renamed)
    if (one.task != 0)
      one.task = one.task > tasks.size() ? 0 : place_of_task(workflow.tasks, tasks[one.task - 1]);
  add_all(renamed, node.workflow, step);
  return step;
}

// The first node becomes the first child of `above`, or the root.
void WorkflowTree::add_all(std::span<const WorkflowNode> nodes, std::uint32_t number,
                           std::uint32_t above) {
  struct Place {
    std::uint32_t node = 0, last = 0, left = 0;
  };
  Workflow& workflow = workflows_[number];
  std::vector<Place> path;
  if (above != 0) path.push_back({above, 0, 1});
  for (const auto& spec : nodes) {
    const auto made = nodes_.take();
    Node& node = nodes_[made];
    node.workflow = number;
    node.kind = spec.kind;
    node.role = spec.role;
    node.takes_input = spec.takes_input;
    node.task = spec.task;
    node.delay_ms = static_cast<std::uint32_t>(spec.delay.count() / 1000);
    node.beside = spec.role != NodeRole::member;
    if (path.empty()) {
      workflow.root = made;
    } else {
      Place& place = path.back();
      node.parent = place.node;
      node.beside = node.beside || nodes_[place.node].beside;
      auto& link = place.last == 0 ? nodes_[place.node].first : nodes_[place.last].next;
      node.next = link;
      node.previous = place.last;
      if (node.next != 0) nodes_[node.next].previous = made;
      link = place.last = made;
      --place.left;
    }
    ++workflow.nodes;
    if (node.kind == NodeKind::step) {
      node.step = spec.step;
      by_step_.insert(spec.step, made);
      ++workflow.steps;
      ++steps_;
    } else if (spec.children == 0) {
      node.state = NodeState::succeeded;  // nothing to do: its value is an empty list
    }
    path.push_back({made, 0, spec.children});
    while (!path.empty() && path.back().left == 0) path.pop_back();
  }
}

// ---- running

void WorkflowTree::activate(std::uint32_t number, Work& work) {
  Node& node = nodes_[number];
  Workflow& workflow = workflows_[node.workflow];
  if (node.state == NodeState::succeeded) return;
  if (workflow.state == WorkflowState::cancelled || (workflow.stopping && !node.beside)) return;
  if (node.kind == NodeKind::step && node.state == NodeState::failed)
    return tell_parent(number, false, work);  // it ended before its turn, and what follows began
  node.state = NodeState::active;
  switch (node.kind) {
    case NodeKind::step:
      ++workflow.active;
      work.release.push_back(number);
      return;
    case NodeKind::chain:
      return advance(number, node.first, work);
    case NodeKind::group:
      node.pending = 0;
      node.broken = false;
      for (auto child = node.first; child != 0; child = nodes_[child].next)
        if (nodes_[child].role == NodeRole::member)
          node.pending += nodes_[child].state != NodeState::succeeded;
      if (node.pending == 0) return complete(number, true, work);
      for (auto child = node.first; child != 0; child = nodes_[child].next)
        if (nodes_[child].role == NodeRole::member) activate(child, work);
  }
}

// The chain's next member from `from` on; its end when there is none.
void WorkflowTree::advance(std::uint32_t chain, std::uint32_t from, Work& work) {
  for (auto child = from; child != 0; child = nodes_[child].next) {
    if (nodes_[child].role != NodeRole::member) break;
    if (nodes_[child].state != NodeState::succeeded) return activate(child, work);
  }
  complete(chain, true, work);
}

void WorkflowTree::finish(std::uint32_t step, bool well, Work& work) {
  Node& node = nodes_[step];
  Workflow& workflow = workflows_[node.workflow];
  if (node.state == NodeState::active) {
    --workflow.active;
  } else {
    node.state = NodeState::active;  // it was ended while it waited for its turn
  }
  ++(well ? workflow.done : workflow.failed);
  const bool stops = !well && !node.beside && workflow.policy == FailurePolicy::stop;
  if (stops && !workflow.stopping) stop(workflow, step, work);
  complete(step, well, work);
}

void WorkflowTree::stop(Workflow& workflow, std::uint32_t because_of, Work& work) {
  workflow.stopping = true;
  for (auto number = workflow.root; number != 0; number = after(number, workflow.root)) {
    const Node& node = nodes_[number];
    if (node.kind == NodeKind::step && node.state == NodeState::active && !node.beside &&
        number != because_of)
      work.stop.push_back(number);
  }
}

void WorkflowTree::complete(std::uint32_t number, bool well, Work& work) {
  Node& node = nodes_[number];
  if (node.state != NodeState::active) return;
  node.state = well ? NodeState::succeeded : NodeState::failed;
  const auto wanted = well ? NodeRole::on_success : NodeRole::on_error;
  for (auto child = node.first; child != 0; child = nodes_[child].next)
    if (nodes_[child].role == wanted) activate(child, work);
  tell_parent(number, well, work);
}

void WorkflowTree::tell_parent(std::uint32_t number, bool well, Work& work) {
  const Node& node = nodes_[number];
  if (node.role != NodeRole::member || node.parent == 0) return;
  Node& parent = nodes_[node.parent];
  const Workflow& workflow = workflows_[node.workflow];
  if (parent.state != NodeState::active) return;
  if (parent.kind == NodeKind::chain) {
    if (!well) return complete(node.parent, false, work);
    return advance(node.parent, node.next, work);
  }
  --parent.pending;
  parent.broken = parent.broken || !well;
  if (parent.pending == 0)
    return complete(node.parent, !parent.broken || workflow.policy == FailurePolicy::collect, work);
  if (well || !workflow.stopping) return;
  // Nobody waits for the others any more.
  parent.pending = place_of(number);
  complete(node.parent, false, work);
}

void WorkflowTree::put_back(std::uint32_t step) {
  Node& node = nodes_[step];
  CHECK(node.state == NodeState::active);
  node.state = NodeState::waiting;
  --workflows_[node.workflow].active;
}

std::vector<std::uint32_t> WorkflowTree::reset(std::uint32_t number) {
  Workflow& workflow = workflows_[number];
  workflow.state = WorkflowState::running;
  workflow.stopping = false;
  workflow.ended_at = {};
  std::vector<std::uint32_t> failed;
  for (auto at = workflow.root; at != 0;) {
    Node& node = nodes_[at];
    if (node.state == NodeState::succeeded) {
      at = past(at, workflow.root);
      continue;
    }
    if (node.kind == NodeKind::step && node.state == NodeState::failed) failed.push_back(at);
    node.state = NodeState::waiting;
    at = after(at, workflow.root);
  }
  workflow.failed -= static_cast<std::uint32_t>(failed.size());
  return failed;
}

std::uint32_t WorkflowTree::hindrance(std::uint32_t number, const IdIndex& messages) const {
  const Workflow& workflow = workflows_[number];
  for (auto at = workflow.root; at != 0;) {
    const Node& node = nodes_[at];
    if (node.kind == NodeKind::step && node.state != NodeState::succeeded &&
        node.role == NodeRole::member && messages.find(node.step) == 0)
      return at;
    // What need not go well for the whole to do so.
    const bool collects = node.kind == NodeKind::group && workflow.policy == FailurePolicy::collect;
    const bool skips =
        node.state == NodeState::succeeded || node.role != NodeRole::member || collects;
    at = skips ? past(at, workflow.root) : after(at, workflow.root);
  }
  return 0;
}

bool WorkflowTree::has_ended(std::uint32_t number) const {
  const Workflow& workflow = workflows_[number];
  if (workflow.active > 0) return false;
  const auto state = nodes_[workflow.root].state;
  return workflow.stopping || state == NodeState::succeeded || state == NodeState::failed;
}

void WorkflowTree::forget(std::uint32_t number) {
  // A node is needed to find the next one, so all are found first.
  std::vector<std::uint32_t> nodes;
  const auto root = workflows_[number].root;
  nodes.reserve(workflows_[number].nodes);
  for (auto node = root; node != 0; node = after(node, root)) nodes.push_back(node);
  for (const auto node : nodes) {
    if (nodes_[node].kind == NodeKind::step) {
      by_step_.erase(nodes_[node].step);
      --steps_;
    }
    nodes_[node] = Node();
    nodes_.give_back(node);
  }
  by_id_.erase(workflows_[number].id);
  workflows_[number] = {};
  workflows_.give_back(number);
}

// ---- looking

std::uint32_t WorkflowTree::past(std::uint32_t node, std::uint32_t root) const {
  while (node != root && nodes_[node].next == 0) node = nodes_[node].parent;
  return node == root ? 0 : nodes_[node].next;
}

std::uint32_t WorkflowTree::after(std::uint32_t node, std::uint32_t root) const {
  return nodes_[node].first != 0 ? nodes_[node].first : past(node, root);
}

WorkflowTree::Source WorkflowTree::input_of(std::uint32_t step) const {
  for (auto at = step; at != 0; at = nodes_[at].parent) {
    const Node& node = nodes_[at];
    if (node.role != NodeRole::member) return {node.parent, node.role == NodeRole::on_error};
    if (node.parent != 0 && nodes_[node.parent].kind == NodeKind::chain && node.previous != 0)
      return {node.previous, false};
  }
  return {};
}

std::uint32_t WorkflowTree::last_member(std::uint32_t number) const {
  std::uint32_t last = 0;
  for (auto child = nodes_[number].first; child != 0; child = nodes_[child].next)
    if (nodes_[child].role == NodeRole::member) last = child;
  return last;
}

// Among its parent's children, from 1.
std::uint32_t WorkflowTree::place_of(std::uint32_t number) const {
  std::uint32_t place = 0;
  for (auto at = number; at != 0; at = nodes_[at].previous) ++place;
  return place;
}

std::uint32_t WorkflowTree::failed_member(std::uint32_t number) const {
  const Node& node = nodes_[number];
  const bool early =
      node.kind == NodeKind::group && node.state == NodeState::failed && node.pending != 0;
  std::uint32_t place = 0;
  for (auto child = node.first; child != 0; child = nodes_[child].next) {
    if (nodes_[child].role != NodeRole::member) break;
    if (early ? ++place == node.pending : nodes_[child].state == NodeState::failed) return child;
  }
  return 0;
}

// Neither what ran beside nor what was collected by a group that went well.
std::uint32_t WorkflowTree::failed_step(std::uint32_t root) const {
  const auto is_failed_step = [this](std::uint32_t node) {
    return nodes_[node].kind == NodeKind::step && nodes_[node].state == NodeState::failed;
  };
  auto at = root;
  while (at != 0 && nodes_[at].kind != NodeKind::step) at = failed_member(at);
  if (at != 0 && is_failed_step(at)) return at;
  // It ended before its turn, and nothing above it failed.
  for (at = root; at != 0;) {
    const bool beside = at != root && nodes_[at].role != NodeRole::member;
    if (!beside && is_failed_step(at)) return at;
    at = beside ? past(at, root) : after(at, root);
  }
  return 0;
}

// ---- checkpoint

void WorkflowTree::encode(Encoder& out, std::uint32_t number) const {
  const auto root = workflows_[number].root;
  const bool named = !workflows_[number].tasks.empty();
  out.varint(workflows_[number].nodes);
  for (auto at = root; at != 0; at = after(at, root)) {
    const Node& node = nodes_[at];
    std::uint32_t children = 0;
    for (auto child = node.first; child != 0; child = nodes_[child].next) ++children;
    out.integer(static_cast<std::uint8_t>(
        static_cast<unsigned>(node.kind) | static_cast<unsigned>(node.role) << 2 |
        static_cast<unsigned>(node.state) << 4 | (node.takes_input ? 64u : 0u) |
        (node.broken ? 128u : 0u)));
    out.varint(children).varint(node.pending).varint(node.delay_ms).varint(node.step.value);
    if (named && node.kind == NodeKind::step) out.integer(node.task);
  }
}

bool WorkflowTree::restore(Cursor& in, const Workflow& workflow) {
  struct Rest {
    std::uint32_t pending = 0;
    NodeState state = NodeState::waiting;
    bool broken = false;
  };
  std::vector<WorkflowNode> nodes;
  std::vector<Rest> rests;
  IdIndex steps;
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    const auto flags = in.integer<std::uint8_t>();
    WorkflowNode& node = nodes.emplace_back();
    node.kind = static_cast<NodeKind>(flags & 3);
    node.role = static_cast<NodeRole>(flags >> 2 & 3);
    node.takes_input = (flags & 64) != 0;
    node.children = in.varint_of<std::uint32_t>();
    const auto pending = in.varint_of<std::uint32_t>();
    rests.push_back({pending, static_cast<NodeState>(flags >> 4 & 3), (flags & 128) != 0});
    node.delay = Duration(std::int64_t{in.varint_of<std::uint32_t>()} * 1000);
    node.step = MessageId(in.varint());
    if ((flags & 3) == 0 || (flags >> 2 & 3) == 0) return false;
    const bool step = node.kind == NodeKind::step;
    if (step != (node.step.value != 0)) return false;
    if (!step) continue;
    if (!workflow.tasks.empty()) node.task = in.integer<std::uint8_t>();
    if (node.task > workflow.tasks.size()) return false;
    if (steps.find(node.step) != 0 || by_step_.find(node.step) != 0) return false;
    steps.insert(node.step, 1);
  }
  if (!in.ok() || !is_tree(nodes) || by_id_.find(workflow.id) != 0) return false;
  const auto root = build(workflow, nodes);
  Workflow& made = workflows_[nodes_[root].workflow];
  auto rest = rests.begin();
  for (auto at = root; at != 0; at = after(at, root), ++rest) {
    Node& node = nodes_[at];
    node.state = rest->state;
    node.pending = rest->pending;
    node.broken = rest->broken;
    if (node.kind != NodeKind::step) continue;
    made.active += node.state == NodeState::active;
    made.done += node.state == NodeState::succeeded;
    made.failed += node.state == NodeState::failed;
  }
  return true;
}

MessageId WorkflowTree::step_without(const IdIndex& messages) const {
  for (std::uint32_t at = 1; at < nodes_.end(); ++at) {
    const Node& node = nodes_[at];
    if (node.workflow == 0 || node.kind != NodeKind::step) continue;
    if (node.state == NodeState::active && messages.find(node.step) == 0) return node.step;
  }
  return {};
}

void WorkflowTree::check() const {
  std::uint32_t seen = 0;
  for (std::uint32_t number = 1; number < workflows_.end(); ++number) {
    const Workflow& workflow = workflows_[number];
    if (!workflow.id) continue;
    ++seen;
    CHECK(by_id_.find(workflow.id) == number);
    std::uint32_t nodes = 0, steps = 0, active = 0, done = 0, failed = 0;
    for (auto at = workflow.root; at != 0; at = after(at, workflow.root)) {
      const Node& node = nodes_[at];
      ++nodes;
      CHECK(node.workflow == number);
      CHECK(node.next == 0 ||
            (nodes_[node.next].previous == at && nodes_[node.next].parent == node.parent));
      if (node.kind != NodeKind::step) continue;
      ++steps;
      active += node.state == NodeState::active;
      done += node.state == NodeState::succeeded;
      failed += node.state == NodeState::failed;
      CHECK(by_step_.find(node.step) == at);
      CHECK(node.task <= workflow.tasks.size());
    }
    CHECK(nodes == workflow.nodes && steps == workflow.steps && active == workflow.active);
    CHECK(done == workflow.done && failed == workflow.failed);
    CHECK(!has_ended(number) || workflow.state != WorkflowState::running);
  }
  CHECK(seen == workflows_.size());
}

}  // namespace penstock::engine
