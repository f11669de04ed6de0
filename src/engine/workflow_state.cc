// What the steps of workflows mean for messages: they are held, released, stopped and dropped.
#include <algorithm>

#include "engine/state.h"

namespace penstock::engine {
namespace {

constexpr unsigned kHasTasks = 32;  // of a workflow in a checkpoint

}  // namespace

void State::hold(std::uint32_t slot) {
  detach(slot);
  messages[slot].state = MessageState::scheduled;  // without a timer
  ++queue_at(messages[slot].queue).scheduled_count;
}

bool State::is_held(const Message& message) const {
  return message.state == MessageState::scheduled && message.link == 0;
}

void State::apply(const WorkflowSetEvent& event) {
  next_message = std::max(next_message, event.id.value + 1);
  begun_ = {};
  if (workflows.find(event.id) != 0 && event.replaces == MessageId{}) return;
  begun_.workflow.id = event.id;
  begun_.workflow.name = event.name;
  begun_.workflow.policy = event.policy;
  begun_.workflow.queue = event.queue;
  begun_.workflow.ttl = event.ttl;
  begun_.workflow.failed_ttl = event.failed_ttl;
  begun_.workflow.at = event.at;
  begun_.replaces = event.replaces;
  begun_.key = event.key;
  begun_.key_until = event.key_until;
  begun_.nodes = event.nodes;
}

void State::apply(const WorkflowNodesEvent& event) {
  if (begun_.nodes == 0) return;
  begun_.tree.insert(begun_.tree.end(), event.nodes.begin(), event.nodes.end());
  auto& tasks = begun_.workflow.tasks;
  if (tasks.size() < event.tasks.size()) tasks.resize(event.tasks.size());
  for (std::size_t n = 0; n < event.tasks.size(); ++n)
    if (tasks[n].empty()) tasks[n] = event.tasks[n];
  if (begun_.tree.size() < begun_.nodes) return;
  const Begun begun = std::move(begun_);
  begun_ = {};
  if (!WorkflowTree::is_tree(begun.tree) || !workflows.has_new_steps(begun.tree)) return;
  const auto replaced = workflows.find_step(begun.replaces);
  std::uint32_t from = 0;
  if (replaced != 0) {
    if (workflows.node(replaced).state != NodeState::active) return;
    from = workflows.build_in_place_of(replaced, begun.tree, begun.workflow.tasks);
  } else {
    if (workflows.find(begun.workflow.id) != 0) return;
    from = workflows.build(begun.workflow, begun.tree);
    if (Queue* queue = begun.key ? find_queue(begun.workflow.queue) : nullptr)
      add_key(begun.key, begun.workflow.id, *queue, begun.key_until);
  }
  if (const auto slot = index.find(begun.replaces); begun.replaces && slot != 0) remove(slot);
  WorkflowTree::Work work;
  const auto number = workflows.node(from).workflow;
  workflows.activate(from, work);
  follow(number, work, event.at);
}

// A step has ended; `again`: its end is written anew, and was told before.
void State::finish_step(std::uint32_t step, bool well, Time at) {
  WorkflowTree::Work work;
  const auto number = workflows.node(step).workflow;
  workflows.finish(step, well, work);
  follow(number, work, at);
}

void State::follow(std::uint32_t number, WorkflowTree::Work& work, Time at) {
  while (!work.release.empty() || !work.stop.empty()) {
    WorkflowTree::Work more;
    for (const auto node : work.stop) {
      if (workflows.node(node).state != NodeState::active) continue;  // its message was gone, too
      const auto slot = index.find(workflows.node(node).step);
      if (slot != 0 && messages[slot].state == MessageState::leased) {
        messages[slot].cancelled = true;
        continue;
      }
      if (slot != 0) hold_step(slot);
      workflows.put_back(node);
    }
    for (const auto node : work.release) {
      const auto slot = index.find(workflows.node(node).step);
      if (slot != 0)
        release_step(slot, at, workflows.node(node).delay_ms);
      else
        workflows.finish(node, false, more);
    }
    work = std::move(more);
  }
  if (workflows.has_ended(number)) end_workflow(number, at);
}

void State::hold_step(std::uint32_t slot) {
  hold(slot);
  if (storage_ != nullptr) stirred.push_back({messages[slot].queue, 0});
}

void State::release_step(std::uint32_t slot, Time at, std::uint32_t delay_ms) {
  detach(slot);
  Message& message = messages[slot];
  message.cancelled = message.dying = 0;
  if (message.deliveries > 0) {  // it begins anew
    Extra& extra = extra_of(slot);
    extra.uncounted = message.deliveries;
    extra.causes = {};
    extra.suspect = false;
    extra.spared = 0;
  }
  place(slot, at, at + std::chrono::milliseconds(delay_ms), false);
  if (storage_ != nullptr) stirred.push_back({message.queue, 1});
}

void State::end_workflow(std::uint32_t number, Time at) {
  auto& workflow = workflows.workflow(number);
  if (workflow.ended_at != Time{}) return;
  workflow.ended_at = std::max(at, time_from_micros(1));  // zero says that it has not ended
  if (workflow.state == WorkflowState::running)
    workflow.state = workflows.node(workflow.root).state == NodeState::succeeded
                         ? WorkflowState::succeeded
                         : WorkflowState::failed;
  const bool failed = workflow.state == WorkflowState::failed;
  // What waited for a turn that will not come, unless the workflow can be resumed.
  if (!failed)
    for (auto at_node = workflow.root; at_node != 0;
         at_node = workflows.after(at_node, workflow.root))
      drop_step(at_node);
  workflow.timer = wheel.set(at + (failed ? workflow.failed_ttl : workflow.ttl),
                             TimerKind::workflow_expires, number);
  if (storage_ != nullptr) ended_workflows.push_back(workflow.id);
}

void State::drop_step(std::uint32_t node) {
  if (workflows.node(node).kind != NodeKind::step) return;
  const auto slot = index.find(workflows.node(node).step);
  if (slot == 0) return;
  if (storage_ != nullptr) stirred.push_back({messages[slot].queue, 0});
  remove(slot);
}

void State::apply(const WorkflowCancelledEvent& event) {
  const auto number = workflows.find(event.id);
  if (number == 0 || workflows.workflow(number).ended_at != Time{}) return;
  auto& workflow = workflows.workflow(number);
  workflow.state = WorkflowState::cancelled;
  workflow.stopping = true;
  for (auto at = workflow.root; at != 0; at = workflows.after(at, workflow.root)) {
    const auto& node = workflows.node(at);
    const auto slot = node.kind == NodeKind::step ? index.find(node.step) : 0;
    if (slot == 0) continue;
    if (messages[slot].state == MessageState::leased) {
      messages[slot].cancelled = true;
      continue;
    }
    if (node.state == NodeState::active) workflows.put_back(at);
    drop_step(at);
  }
  if (workflows.has_ended(number)) end_workflow(number, event.at);
}

void State::apply(const WorkflowResumedEvent& event) {
  const auto number = workflows.find(event.id);
  if (number == 0 || workflows.workflow(number).state != WorkflowState::failed) return;
  auto& workflow = workflows.workflow(number);
  if (workflow.timer != 0) wheel.cancel(workflow.timer);
  workflow.timer = 0;
  // What is gone will not run again, and keeps its reason.
  for (const auto step : workflows.reset(number)) {
    const auto id = workflows.node(step).step;
    const auto result = index.find(id) != 0 ? find_result(id) : 0;
    if (result != 0) forget_result(result);
  }
  WorkflowTree::Work work;
  workflows.activate(workflow.root, work);
  follow(number, work, event.at);
}

void State::apply(const WorkflowGoneEvent& event) {
  const auto number = workflows.find(event.id);
  if (number == 0) return;
  auto& workflow = workflows.workflow(number);
  if (workflow.timer != 0) wheel.cancel(workflow.timer);
  for (auto at = workflow.root; at != 0; at = workflows.after(at, workflow.root)) {
    const auto& node = workflows.node(at);
    if (node.kind != NodeKind::step) continue;
    if (const auto result = find_result(node.step); result != 0) forget_result(result);
    drop_step(at);
  }
  workflows.forget(number);
}

// ---- checkpoint

void State::encode_workflows(Encoder& out) const {
  out.varint(workflows.size());
  for (std::uint32_t number = 1; number < workflows.workflows_end(); ++number) {
    const auto& workflow = workflows.workflow(number);
    if (!workflow.id) continue;
    out.varint(workflow.id.value).text(workflow.name).varint(workflow.queue.value);
    out.integer(static_cast<std::uint8_t>(
        static_cast<unsigned>(workflow.policy) | static_cast<unsigned>(workflow.state) << 2 |
        (workflow.stopping ? 16u : 0u) | (workflow.tasks.empty() ? 0u : kHasTasks)));
    out.varint(static_cast<std::uint64_t>(workflow.ttl.count()))
        .varint(static_cast<std::uint64_t>(workflow.failed_ttl.count()))
        .varint(static_cast<std::uint64_t>(micros(workflow.at)))
        .varint(static_cast<std::uint64_t>(micros(workflow.ended_at)));
    if (!workflow.tasks.empty()) out.varint(workflow.tasks.size());
    for (const auto& task : workflow.tasks) out.text(task);
    workflows.encode(out, number);
    std::uint64_t kept = 0;
    const auto each_result = [&](const auto& tell) {
      for (auto at = workflow.root; at != 0; at = workflows.after(at, workflow.root)) {
        const auto& node = workflows.node(at);
        if (node.kind != NodeKind::step) continue;
        if (const auto result = find_result(node.step); result != 0) tell(results[result]);
      }
    };
    each_result([&](const StoredResult&) { ++kept; });
    out.varint(kept);
    each_result([&](const StoredResult& result) { encode_result(out, result, result.at); });
  }
}

bool State::restore_workflows(Cursor& in) {
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_workflow(in)) return false;
  return in.ok();
}

bool State::restore_workflow(Cursor& in) {
  const auto duration = [&] {
    const auto value = in.varint();
    if (value >> 62 != 0) in.spoil();  // the sum of two is a time
    return Duration(static_cast<std::int64_t>(value));
  };
  WorkflowTree::Workflow workflow;
  workflow.id = MessageId(in.varint());
  workflow.name = in.text();
  workflow.queue = QueueId(in.varint_of<std::uint32_t>());
  const auto flags = in.integer<std::uint8_t>();
  workflow.policy = static_cast<FailurePolicy>(flags & 3);
  workflow.state = static_cast<WorkflowState>(flags >> 2 & 3);
  workflow.stopping = (flags & 16) != 0;
  workflow.ttl = duration();
  workflow.failed_ttl = duration();
  workflow.at = Time(duration());
  workflow.ended_at = Time(duration());
  if ((flags & kHasTasks) != 0) {
    const auto count = in.varint();
    if (count == 0 || count > kTaskNamesMax) in.spoil();
    while (in.ok() && workflow.tasks.size() < count) workflow.tasks.emplace_back(in.text());
  }
  if (!in.ok() || !workflow.id || workflow.id.value >= next_message || (flags & 3) == 0 ||
      flags >= 2 * kHasTasks || !workflows.restore(in, workflow))
    return false;
  const auto number = workflows.find(workflow.id);
  auto& made = workflows.workflow(number);
  const bool ended = made.ended_at != Time{};
  if (ended != workflows.has_ended(number) || (made.state == WorkflowState::running) == ended)
    if (made.state != WorkflowState::cancelled || ended) return false;
  for (auto results_left = in.varint(); results_left > 0; --results_left) {
    StoredResult result;
    Time expires;
    if (!decode_result(in, result, expires)) return false;
    const auto step = workflows.find_step(result.id);
    if (step == 0 || workflows.node(step).workflow != number) return false;
    result.pinned = true;
    (void)add_result(result, expires);
  }
  if (ended)
    made.timer = wheel.set(
        made.ended_at + (made.state == WorkflowState::failed ? made.failed_ttl : made.ttl),
        TimerKind::workflow_expires, number);
  return in.ok();
}

}  // namespace penstock::engine
