// Recovery: records of the journal become events again.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "engine/state.h"

namespace penstock::engine {
namespace {

struct Record {
  ByteView head;
  LogPosition position;
  std::uint32_t body_bytes = 0;
};
// False when the head is none of the event's.
using Replay = bool (*)(State& state, const Record& record);

thread_local IdList ids;

template <class Event>
bool plain(State& state, const Record& record) {
  Event event{};
  if (!decode(record.head, event, ids)) return false;
  state.apply(event);
  return true;
}

// Of an event with a body: where that lies is part of the state.
template <class Event>
bool placed(State& state, const Record& record) {
  Event event{};
  if (!decode(record.head, event, ids)) return false;
  state.apply(event, record.position, record.body_bytes);
  return true;
}

bool relocated(State& state, const Record& record) {
  PublishEvent event;
  if (!decode(record.head, event, ids)) return false;
  state.relocate(event, record.position, record.body_bytes);
  return true;
}

// By kind.
constexpr auto kReplays = [] {
  std::array<Replay, 256> replays{};
  const auto set = [&](EventKind kind, Replay replay) {
    replays[static_cast<std::size_t>(kind)] = replay;
  };
  set(EventKind::genesis, plain<GenesisEvent>);
  set(EventKind::queue_set, plain<QueueSetEvent>);
  set(EventKind::queue_gone, plain<QueueGoneEvent>);
  set(EventKind::policy, plain<PolicyEvent>);
  set(EventKind::publish, placed<PublishEvent>);
  set(EventKind::relocate, relocated);
  set(EventKind::lease, plain<LeaseEvent>);
  set(EventKind::extend, plain<ExtendEvent>);
  set(EventKind::give_back, placed<GiveBackEvent>);
  set(EventKind::settle, plain<SettleEvent>);
  set(EventKind::finish, placed<FinishEvent>);
  set(EventKind::move, placed<MoveEvent>);
  set(EventKind::purge, plain<PurgeEvent>);
  set(EventKind::cancel, plain<CancelEvent>);
  set(EventKind::history, placed<HistoryEvent>);
  set(EventKind::exchange_set, plain<ExchangeSetEvent>);
  set(EventKind::exchange_gone, plain<ExchangeGoneEvent>);
  set(EventKind::bound, plain<BoundEvent>);
  set(EventKind::unbound, plain<UnboundEvent>);
  set(EventKind::host_set, plain<HostSetEvent>);
  set(EventKind::host_gone, plain<HostGoneEvent>);
  set(EventKind::user_set, plain<UserSetEvent>);
  set(EventKind::user_gone, plain<UserGoneEvent>);
  set(EventKind::permission_set, plain<PermissionSetEvent>);
  set(EventKind::permission_gone, plain<PermissionGoneEvent>);
  set(EventKind::topic_permission_set, plain<TopicPermissionSetEvent>);
  set(EventKind::topic_permission_gone, plain<TopicPermissionGoneEvent>);
  set(EventKind::schedule_set, plain<ScheduleSetEvent>);
  set(EventKind::schedule_gone, plain<ScheduleGoneEvent>);
  set(EventKind::schedule_fired, plain<ScheduleFiredEvent>);
  set(EventKind::schedule_paused, plain<SchedulePausedEvent>);
  set(EventKind::workflow_set, plain<WorkflowSetEvent>);
  set(EventKind::workflow_nodes, plain<WorkflowNodesEvent>);
  set(EventKind::workflow_cancelled, plain<WorkflowCancelledEvent>);
  set(EventKind::workflow_resumed, plain<WorkflowResumedEvent>);
  set(EventKind::workflow_gone, plain<WorkflowGoneEvent>);
  set(EventKind::group_set, plain<GroupSetEvent>);
  set(EventKind::group_gone, plain<GroupGoneEvent>);
  set(EventKind::worker_ordered, plain<WorkerOrderedEvent>);
  set(EventKind::worker_order_gone, plain<WorkerOrderGoneEvent>);
  return replays;
}();

}  // namespace

Result<void> State::replay(std::uint8_t kind, ByteView head, LogPosition position,
                           std::uint32_t body_bytes) {
  const Replay apply_record = kReplays[kind];
  if (apply_record != nullptr && apply_record(*this, {head, position, body_bytes})) return {};
  return fail(
      ErrorCode::unsupported,
      fmt::format("record at position {}: kind {} is not one that this version knows",
                  position.value, kind),
      "a newer Penstock wrote this log: start that version, or a copy of the data from before it");
}

// Steps come before their workflow, and end by records of their own: what has no partner in the end
// was written by no engine.
Result<void> State::replay_done() {
  for (const auto id : std::exchange(held_in_replay_, {})) {
    const auto slot = index.find(id);
    if (slot != 0 && is_held(messages[slot]) && workflows.find_step(id) == 0)
      return fail(ErrorCode::corrupt,
                  fmt::format("message {} at position {} is a step of a workflow that never came",
                              id.value, messages[slot].position.value));
  }
  if (const auto id = workflows.step_without(index))
    return fail(ErrorCode::corrupt,
                fmt::format("step {} of a workflow should run, and is not there", id.value));
  return {};
}

}  // namespace penstock::engine
