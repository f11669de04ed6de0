// Recovery: records of the journal become events again.
#include <fmt/format.h>

#include "engine/state.h"

namespace penstock::engine {
namespace {

template <class Event, class Apply>
bool replay_one(ByteView head, IdList& ids, Apply apply) {
  Event event{};
  if (!decode(head, event, ids)) return false;
  apply(event);
  return true;
}

}  // namespace

Result<void> State::replay(std::uint8_t kind, ByteView head, LogPosition position,
                           std::uint32_t body_bytes) {
  static thread_local IdList ids;
  const auto plain = [this](const auto& event) { apply(event); };
  const auto placed = [&](const auto& event) { apply(event, position, body_bytes); };
  bool understood = false;
  switch (static_cast<EventKind>(kind)) {
    case EventKind::genesis:
      understood = replay_one<GenesisEvent>(head, ids, plain);
      break;
    case EventKind::queue_set:
      understood = replay_one<QueueSetEvent>(head, ids, plain);
      break;
    case EventKind::queue_gone:
      understood = replay_one<QueueGoneEvent>(head, ids, plain);
      break;
    case EventKind::policy:
      understood = replay_one<PolicyEvent>(head, ids, plain);
      break;
    case EventKind::publish:
      understood = replay_one<PublishEvent>(head, ids, placed);
      break;
    case EventKind::relocate:
      understood = replay_one<PublishEvent>(
          head, ids, [&](const PublishEvent& event) { relocate(event, position, body_bytes); });
      break;
    case EventKind::lease:
      understood = replay_one<LeaseEvent>(head, ids, plain);
      break;
    case EventKind::extend:
      understood = replay_one<ExtendEvent>(head, ids, plain);
      break;
    case EventKind::give_back:
      understood = replay_one<GiveBackEvent>(head, ids, placed);
      break;
    case EventKind::settle:
      understood = replay_one<SettleEvent>(head, ids, plain);
      break;
    case EventKind::finish:
      understood = replay_one<FinishEvent>(head, ids, placed);
      break;
    case EventKind::move:
      understood = replay_one<MoveEvent>(head, ids, placed);
      break;
    case EventKind::purge:
      understood = replay_one<PurgeEvent>(head, ids, plain);
      break;
    case EventKind::cancel:
      understood = replay_one<CancelEvent>(head, ids, plain);
      break;
    case EventKind::history:
      understood = replay_one<HistoryEvent>(head, ids, placed);
      break;
  }
  if (understood) return {};
  return fail(
      ErrorCode::unsupported,
      fmt::format("record at position {}: kind {} is not one that this version knows",
                  position.value, kind),
      "a newer Penstock wrote this log: start that version, or a copy of the data from before it");
}

}  // namespace penstock::engine
