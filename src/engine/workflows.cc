// Workflows: coming in, being steered, and what a step is given of those before it.
#include <fmt/format.h>

#include <algorithm>

#include "base/headers.h"
#include "base/text.h"
#include "engine/engine.h"
#include "engine/json_text.h"

namespace penstock::engine {
namespace {

constexpr std::string_view kPayloadBegin = "{\"args\":[";
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestError = 1024;
constexpr std::size_t kNodesInEvent = 4096;
constexpr Duration kFailedTtl = std::chrono::hours(24 * 7);
constexpr Duration kLongestDelay = std::chrono::hours(24 * 40);  // its milliseconds fit 32 bits
constexpr Duration kComeBack = std::chrono::seconds(5);

Error invalid_workflow(std::string message) {
  return {ErrorCode::invalid, std::move(message), {}};
}

}  // namespace

std::optional<Error> Engine::invalid(const WorkflowInput& input) {
  std::vector<WorkflowNode> shape;
  shape.reserve(input.nodes.size());
  for (const auto& one : input.nodes) shape.push_back(one.node);
  if (!WorkflowTree::is_tree(shape))
    return invalid_workflow(fmt::format(
        "the workflow is no tree of chains, groups and steps, at most {} deep", kDeepestWorkflow));
  if (input.name.size() > kLongestName)
    return invalid_workflow(fmt::format("a workflow's name has at most {} bytes", kLongestName));
  if (auto error = invalid_key(input.key)) return error;
  if (input.ttl.count() < 0 || input.failed_ttl.count() < 0)
    return invalid_workflow("a workflow cannot be remembered for a negative time");
  bool steps = false;
  for (const auto& one : input.nodes) {
    if (one.node.kind != NodeKind::step) continue;
    steps = true;
    if (auto error = invalid(one.message)) return error;
    if (!one.message.task) return invalid_workflow("a step of a workflow is a task");
    if (!one.message.key.empty())
      return invalid_workflow(
          "a step of a workflow has no idempotency key; the workflow may have one");
    if (one.message.limit.rule != KeyRule::none)
      return invalid_workflow("a step of a workflow is not unique, debounced or throttled");
    if (one.node.delay.count() < 0 || one.node.delay > kLongestDelay)
      return invalid_workflow("a step is delayed by 0 to 40 days");
    if (one.node.takes_input && !as_text(one.message.body).starts_with(kPayloadBegin))
      return invalid_workflow(
          "the payload of a step that is given a value begins with {\"args\":[");
    if (auto allowed = may_publish(one.queue); !allowed) return allowed.error();
  }
  if (!steps) return invalid_workflow("the workflow has no steps");
  return std::nullopt;
}

Engine::WorkflowAnswer Engine::submit(Time now, const WorkflowInput& input) {
  if (auto error = invalid(input)) return std::move(*error);
  if (const auto first = known(input)) {
    ++state_.find_queue(input.queue())->counters.duplicates;
    return Submitted{*first, true};
  }
  return take_in(now, input, {});
}

std::optional<MessageId> Engine::known(const WorkflowInput& input) {
  const Queue* queue = input.key.empty() ? nullptr : state_.find_queue(input.queue());
  if (queue == nullptr) return std::nullopt;
  const auto slot = state_.find_key(hash_key(queue->id, input.key, KeyKind::workflow));
  return slot == 0 ? std::nullopt : std::optional(state_.keys[slot].id);
}

Engine::WorkflowAnswer Engine::take_in(Time now, const WorkflowInput& input, MessageId replaces) {
  if (state_.workflows.steps() + input.nodes.size() > options_.max_workflow_steps) {
    Refusal refusal;
    refusal.reason = "max_workflow_steps";
    refusal.retry_after = kComeBack;
    refusal.message = fmt::format("workflows have {} steps, at most {} are kept",
                                  state_.workflows.steps(), options_.max_workflow_steps);
    return refusal;
  }
  auto& plans = plans_;
  plans.clear();
  for (const auto& one : input.nodes) {
    if (one.node.kind != NodeKind::step) continue;
    auto queue = queue_for(now, one.queue);
    if (!queue) return std::move(queue.error());
    if ((*queue)->transient() || (*queue)->options.stream)
      return Error{ErrorCode::unsupported,
                   fmt::format("{} keeps no steps of workflows", quoted(one.queue)),
                   "use a queue that is durable and no stream"};
    plan_for(**queue, one.message);
  }
  if (!input.key.empty()) ++plans.front().keys;
  for (const auto& plan : plans)
    if (auto refused = refusal(now, plan)) return std::move(*refused);
  for (const auto& plan : plans) make_room(now, *plan.queue, plan.count, plan.bytes);

  std::vector<WorkflowNode> nodes;
  nodes.reserve(input.nodes.size());
  std::vector<std::string_view> tasks;
  for (const auto& one : input.nodes) {
    nodes.push_back(one.node);
    if (one.node.kind != NodeKind::step) continue;
    Queue& queue = *state_.find_queue(one.queue);
    nodes.back().task =
        place_of_task(tasks, find_header(one.message.headers, kTaskHeader).value_or(""));
    nodes.back().step = write_message(now, queue, one.message, {}, true);
    ++queue.counters.published;
  }
  const Queue& first = *plans.front().queue;
  WorkflowSetEvent event;
  event.replaces = replaces;
  event.id = replaces && state_.workflows.find_step(replaces) == 0 ? replaces
                                                                   : MessageId(state_.next_message);
  event.at = now;
  event.policy = input.policy;
  event.ttl = input.ttl.count() > 0 ? input.ttl : options_.default_result_ttl;
  event.failed_ttl = input.failed_ttl.count() > 0 ? input.failed_ttl : kFailedTtl;
  event.queue = first.id;
  event.nodes = static_cast<std::uint32_t>(nodes.size());
  event.name = input.name;
  if (!input.key.empty() && first.options.dedup_window.count() > 0) {
    event.key = hash_key(first.id, input.key, KeyKind::workflow);
    event.key_until = now + first.options.dedup_window;
  }
  write(event);
  state_.apply(event);
  for (std::size_t at = 0; at < nodes.size(); at += kNodesInEvent) {
    WorkflowNodesEvent some;
    some.at = now;
    some.tasks = tasks;
    some.nodes = std::span(nodes).subspan(at, std::min(kNodesInEvent, nodes.size() - at));
    write(some);
    state_.apply(some);
  }
  for (const auto& plan : plans) changed(now, *plan.queue);
  stir(now);
  return Submitted{event.id};
}

// What the last event did to steps and workflows is told to meters and to those who wait.
void Engine::stir(Time now) {
  for (const auto& [slot, released] : std::exchange(state_.stirred, {})) {
    if (!state_.queues[slot]) continue;
    Queue& queue = state_.queue_at(slot);
    if (released > 0) queue.meter.arrived(now, released);
    changed(now, queue);
  }
  for (const auto id : std::exchange(state_.ended_workflows, {})) {
    const auto number = state_.workflows.find(id);
    if (number == 0) continue;
    wake_watchers(id);
    const auto& workflow = state_.workflows.workflow(number);
    if (const Queue* queue = state_.find_queue(workflow.queue))
      happened(now, "workflow_ended", *queue, id, name_of(workflow.state));
  }
}

// A step failed for good: it stays where it is, so that its workflow can be resumed.
void Engine::fail_step(Time now, std::uint32_t slot, TaskState state, std::string_view reason,
                       const Failure& failure) {
  const Message& message = state_.messages[slot];
  const auto id = message.id;
  Queue& queue = state_.queue_at(message.queue);
  const auto view = history_with(now, message, reason, failure);
  const Bytes history(view.begin(), view.end());
  if (message.state == MessageState::leased) note_settled(now, queue, message, 1);
  finish_task(now, slot, state, {}, failure.error, true, history);
  if (state_.find(id) == slot) {
    const HistoryEvent event{id};
    state_.apply(event, write(event, history), static_cast<std::uint32_t>(history.size()));
  }
  changed(now, queue);
}

Result<std::uint32_t> Engine::steered_workflow(MessageId id) {
  const auto number = state_.workflows.find(id);
  const Queue* queue =
      number == 0 ? nullptr : state_.find_queue(state_.workflows.workflow(number).queue);
  if (auto allowed = queue == nullptr ? may_ask() : may(Right::write, Resource::queue, queue->name);
      !allowed)
    return fail(std::move(allowed.error()));
  if (number == 0)
    return fail(ErrorCode::not_found, fmt::format("there is no workflow {}", id.value),
                "it may have been forgotten: workflows have a ttl");
  return number;
}

Result<void> Engine::cancel_workflow(Time now, MessageId id) {
  auto number = steered_workflow(id);
  if (!number) return fail(std::move(number.error()));
  const auto& workflow = state_.workflows.workflow(*number);
  if (workflow.ended_at != Time{})
    return fail(ErrorCode::conflict,
                fmt::format("workflow {} has ended: it is {}", id.value, name_of(workflow.state)));
  if (workflow.state == WorkflowState::cancelled) return {};
  const WorkflowCancelledEvent event{id, now};
  write(event);
  state_.apply(event);
  stir(now);
  return {};
}

Result<void> Engine::resume_workflow(Time now, MessageId id) {
  auto number = steered_workflow(id);
  if (!number) return fail(std::move(number.error()));
  const auto& workflow = state_.workflows.workflow(*number);
  if (workflow.state != WorkflowState::failed || workflow.ended_at == Time{})
    return fail(ErrorCode::conflict,
                fmt::format("workflow {} is {}: one that failed can be resumed", id.value,
                            name_of(workflow.state)));
  if (const auto step = state_.workflows.hindrance(*number, state_.index); step != 0)
    return fail(ErrorCode::conflict,
                fmt::format("workflow {} cannot be resumed: its step {} is gone: {}", id.value,
                            state_.workflows.node(step).step.value, reason_of(step)),
                "start the workflow anew");
  const WorkflowResumedEvent event{id, now};
  write(event);
  state_.apply(event);
  stir(now);
  return {};
}

void Engine::forget_workflow(std::uint32_t number) {
  auto& workflow = state_.workflows.workflow(number);
  workflow.timer = 0;
  const WorkflowGoneEvent event{workflow.id};
  write(event);
  state_.apply(event);
}

// ---- values

Engine::StepError Engine::step_error(std::uint32_t step) {
  StepError error;
  if (step == 0) return error;
  error.id = state_.workflows.node(step).step;
  error.task = state_.workflows.task_of(step);
  const auto result = state_.find_result(error.id);
  if (result == 0) return error;
  error.state = state_.results[result].state;
  if (auto body = storage_->read_body(state_.results[result].position)) {
    Cursor in(*body);
    if (const auto task = in.text(); !task.empty()) error.task = task;
    (void)in.prefixed();
    error.message = in.text();
  } else {
    error.message = body.error().message;
  }
  return error;
}

std::string Engine::reason_of(std::uint32_t step) {
  const auto error = step_error(step);
  return error.message.empty() ? std::string(name_of(error.state)) : error.message;
}

std::string Engine::error_of(std::uint32_t node) {
  return step_error(state_.workflows.failed_step(node)).message;
}

void Engine::append_error(std::uint32_t node, Bytes& out) {
  const auto error = step_error(state_.workflows.failed_step(node));
  append(out, as_bytes(fmt::format("{{\"error\":{{\"id\":\"{}\",\"state\":\"{}\",\"task\":\"",
                                   error.id.value, name_of(error.state))));
  append_json(out, error.task, kLongestError);
  append(out, as_bytes("\",\"message\":\""));
  append_json(out, error.message, kLongestError);
  append(out, as_bytes("\"}}"));
}

Result<void> Engine::append_value(std::uint32_t number, Bytes& out) {
  const auto& tree = state_.workflows;
  const auto& node = tree.node(number);
  if (out.size() > options_.max_workflow_value)
    return fail(ErrorCode::too_large,
                fmt::format("the values of the steps before have more than {}",
                            format_bytes(options_.max_workflow_value)),
                "let steps return references to large data");
  if (node.state != NodeState::succeeded) return append_error(number, out), Result<void>{};
  switch (node.kind) {
    case NodeKind::step: {
      const auto result = state_.find_result(node.step);
      if (result == 0) break;
      auto body = storage_->read_body(state_.results[result].position);
      if (!body) return fail(std::move(body.error()));
      Cursor in(*body);
      (void)in.text();
      const auto value = in.prefixed();
      append(out, value.empty() ? as_bytes("null") : value);
      return {};
    }
    case NodeKind::chain:
      if (const auto last = tree.last_member(number); last != 0) return append_value(last, out);
      break;
    case NodeKind::group: {
      out.push_back(std::byte{'['});
      for (auto child = node.first; child != 0; child = tree.node(child).next) {
        if (tree.node(child).role != NodeRole::member) continue;
        if (child != node.first) out.push_back(std::byte{','});
        if (auto done = append_value(child, out); !done) return done;
      }
      out.push_back(std::byte{']'});
      return {};
    }
  }
  append(out, as_bytes("null"));
  return {};
}

std::uint64_t Engine::input_bytes(MessageId step, std::uint64_t enough) const {
  const auto& tree = state_.workflows;
  const auto number = tree.find_step(step);
  if (number == 0 || !tree.node(number).takes_input) return 0;
  const auto root = tree.input_of(number).node;
  std::uint64_t bytes = 0;
  for (auto at = root; at != 0 && bytes < enough; at = tree.after(at, root))
    if (tree.node(at).kind == NodeKind::step)
      if (const auto result = state_.find_result(tree.node(at).step); result != 0)
        bytes += state_.results[result].bytes;
  return bytes;
}

Result<bool> Engine::append_input(MessageId step, Bytes& out) {
  const auto number = state_.workflows.find_step(step);
  if (number == 0 || !state_.workflows.node(number).takes_input) return false;
  const auto source = state_.workflows.input_of(number);
  if (source.node == 0) return false;
  const auto before = out.size();
  if (source.error) return append_error(source.node, out), true;
  if (auto done = append_value(source.node, out); !done)
    return out.resize(before), fail(std::move(done.error()));
  return true;
}

}  // namespace penstock::engine
