// Tasks: their state, waiting for one, cancelling one.
#include <fmt/format.h>

#include "engine/engine.h"

namespace penstock::engine {

TaskState Engine::task_state(MessageId id) const {
  if (const auto result = state_.find_result(id); result != 0) return state_.results[result].state;
  const auto slot = state_.find(id);
  if (slot == 0) return state_of_workflow(id);
  if (!state_.messages[slot].task) return TaskState::unknown;
  const Message& message = state_.messages[slot];
  if (is_dead_letter(message, {})) return TaskState::failed;  // its result is forgotten
  switch (message.state) {
    case MessageState::leased:
      return TaskState::running;
    case MessageState::scheduled:
      if (state_.is_held(message)) return TaskState::waiting;
      return message.deliveries == 0 ? TaskState::scheduled : TaskState::retrying;
    default:
      return TaskState::queued;
  }
}

// Of a workflow, or of a step that went with one that was cancelled.
TaskState Engine::state_of_workflow(MessageId id) const {
  const auto number = state_.workflows.find(id);
  if (number == 0)
    return state_.workflows.find_step(id) == 0 ? TaskState::unknown : TaskState::cancelled;
  const auto& workflow = state_.workflows.workflow(number);
  if (workflow.ended_at == Time{}) return TaskState::running;
  switch (workflow.state) {
    case WorkflowState::succeeded:
      return TaskState::done;
    case WorkflowState::cancelled:
      return TaskState::cancelled;
    default:
      return TaskState::failed;
  }
}

bool Engine::is_pending(MessageId id) const {
  if (state_.find_result(id) != 0) return false;
  if (const auto slot = state_.find(id); slot != 0)
    return state_.messages[slot].task && !is_dead_letter(state_.messages[slot], {});
  const auto number = state_.workflows.find(id);
  return number != 0 && state_.workflows.workflow(number).ended_at == Time{};
}

void Engine::watch_task(Time now, SessionId session, std::uint64_t tag, MessageId id, Time until) {
  if (!is_pending(id) || until <= now) {
    effects_.emplace_back(WatchAnswer{session, tag, id});
    return;
  }
  add_watch(session, tag, id, until, std::nullopt);
}

void Engine::add_watch(SessionId session, std::uint64_t tag, MessageId id, Time until,
                       std::optional<std::uint64_t> log_after) {
  const auto watch = watches_.take();
  const auto timer = state_.wheel.set(until, TimerKind::watch_expires, watch);
  watches_[watch] = {session, tag, id, timer, log_after};
  watches_by_id_.emplace(id.value, watch);
  session_watches_[session].insert(watch);
}

void Engine::expire_watch(std::uint32_t slot) {
  const Watch watch = watches_[slot];
  if (watch.timer != 0) state_.wheel.cancel(watch.timer);
  for (auto [at, end] = watches_by_id_.equal_range(watch.id.value); at != end; ++at) {
    if (at->second != slot) continue;
    watches_by_id_.erase(at);
    break;
  }
  if (const auto session = session_watches_.find(watch.session);
      session != session_watches_.end()) {
    session->second.erase(slot);
    if (session->second.empty()) session_watches_.erase(session);
  }
  watches_[slot] = {};
  watches_.give_back(slot);
  effects_.emplace_back(WatchAnswer{watch.session, watch.tag, watch.id, watch.log_after});
}

void Engine::wake_watchers(MessageId id) {
  if (watches_by_id_.empty()) return;
  for (auto found = watches_by_id_.find(id.value); found != watches_by_id_.end();
       found = watches_by_id_.find(id.value))
    expire_watch(found->second);
}

Result<void> Engine::cancel_task(Time now, MessageId id) {
  if (state_.workflows.find(id) != 0) return cancel_workflow(now, id);
  const auto* of = queue_of_task(id);
  if (auto allowed = of == nullptr ? may_ask() : may(Right::write, Resource::queue, of->name);
      !allowed)
    return allowed;
  const auto state = task_state(id);
  if (state == TaskState::unknown)
    return fail(ErrorCode::not_found, fmt::format("there is no task {}", id.value),
                "it never was, or its result is forgotten (result_ttl)");
  const auto slot = state_.find(id);
  if (is_final(state) || slot == 0)
    return fail(ErrorCode::conflict,
                fmt::format("task {} has ended: it is {}", id.value, name_of(state)),
                "only what has not ended can be cancelled");
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  if (message.state == MessageState::leased) {
    if (message.cancelled) return {};
    const CancelEvent event{id};
    write(queue, event);
    state_.apply(event);
  } else {
    const std::string_view why = state_.attempts_of(message) == 0
                                     ? "cancelled before it ran"
                                     : "cancelled before it was tried again";
    finish_task(now, slot, TaskState::cancelled, {}, why, false);
    changed(now, queue);
  }
  return {};
}

// A task that goes unfinished says so to whoever asks for its result.
void Engine::cancel_tasks(Time now, const Queue& queue, bool leased_too, std::string_view why) {
  IdList tasks;
  for (const auto slot : state_.messages_of(queue, leased_too))
    if (state_.messages[slot].task) tasks.push_back(state_.messages[slot].id);
  // The end of one may take others of its workflow along.
  for (const auto id : tasks)
    if (const auto slot = state_.find(id); slot != 0)
      finish_task(now, slot, TaskState::cancelled, {}, why, false);
}

}  // namespace penstock::engine
