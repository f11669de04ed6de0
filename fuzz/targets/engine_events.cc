// Records of the journal becoming events again: each head by itself, and a row of them as a log.
// What no engine wrote is refused, or does no harm: the state's law holds whatever was read.
//
// Input: records, each as its kind and its head.
#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "engine/state.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"

namespace penstock::fuzz {
namespace {

using namespace engine;

// What was understood is written so that it is understood in the same way.
template <class Event>
void check_event(ByteView head) {
  IdList ids;
  Event event{};
  const Meter meter;
  const bool good = decode(head, event, ids);
  meter.check_memory(head.size(), 64, 8192);
  if (!good) return;
  Bytes written;
  encode(written, event);
  IdList other_ids;
  Event other{};
  CHECK(decode(written, other, other_ids));
  Bytes rewritten;
  encode(rewritten, other);
  CHECK(rewritten == written);
}

// Each kind of record with the check of its head; an input names them by their number.
struct Kind {
  EventKind kind;
  void (*check)(ByteView head);
};
constexpr Kind kKinds[] = {
    {EventKind::genesis, check_event<GenesisEvent>},
    {EventKind::queue_set, check_event<QueueSetEvent>},
    {EventKind::queue_gone, check_event<QueueGoneEvent>},
    {EventKind::policy, check_event<PolicyEvent>},
    {EventKind::publish, check_event<PublishEvent>},
    {EventKind::relocate, check_event<PublishEvent>},
    {EventKind::lease, check_event<LeaseEvent>},
    {EventKind::extend, check_event<ExtendEvent>},
    {EventKind::give_back, check_event<GiveBackEvent>},
    {EventKind::settle, check_event<SettleEvent>},
    {EventKind::finish, check_event<FinishEvent>},
    {EventKind::move, check_event<MoveEvent>},
    {EventKind::purge, check_event<PurgeEvent>},
    {EventKind::cancel, check_event<CancelEvent>},
    {EventKind::history, check_event<HistoryEvent>},
    {EventKind::exchange_set, check_event<ExchangeSetEvent>},
    {EventKind::exchange_gone, check_event<ExchangeGoneEvent>},
    {EventKind::bound, check_event<BoundEvent>},
    {EventKind::unbound, check_event<UnboundEvent>},
    {EventKind::host_set, check_event<HostSetEvent>},
    {EventKind::host_gone, check_event<HostGoneEvent>},
    {EventKind::user_set, check_event<UserSetEvent>},
    {EventKind::user_gone, check_event<UserGoneEvent>},
    {EventKind::permission_set, check_event<PermissionSetEvent>},
    {EventKind::permission_gone, check_event<PermissionGoneEvent>},
    {EventKind::topic_permission_set, check_event<TopicPermissionSetEvent>},
    {EventKind::topic_permission_gone, check_event<TopicPermissionGoneEvent>},
    {EventKind::schedule_set, check_event<ScheduleSetEvent>},
    {EventKind::schedule_gone, check_event<ScheduleGoneEvent>},
    {EventKind::schedule_fired, check_event<ScheduleFiredEvent>},
    {EventKind::schedule_paused, check_event<SchedulePausedEvent>},
    {EventKind::workflow_set, check_event<WorkflowSetEvent>},
    {EventKind::workflow_nodes, check_event<WorkflowNodesEvent>},
    {EventKind::workflow_cancelled, check_event<WorkflowCancelledEvent>},
    {EventKind::workflow_resumed, check_event<WorkflowResumedEvent>},
    {EventKind::workflow_gone, check_event<WorkflowGoneEvent>},
    {EventKind::group_set, check_event<GroupSetEvent>},
    {EventKind::group_gone, check_event<GroupGoneEvent>},
    {EventKind::worker_ordered, check_event<WorkerOrderedEvent>},
    {EventKind::worker_order_gone, check_event<WorkerOrderGoneEvent>},
};
// One more stands for the kinds that are none.
constexpr std::uint32_t kChoices = std::size(kKinds) + 1;

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  State state(time_from_micros(1'700'000'000'000'000), {.max_results = 16});
  std::uint64_t position = 4096;
  const Meter meter;
  while (!choices.empty()) {
    const auto kind = static_cast<std::uint8_t>(choices.below(kChoices));
    const auto body_bytes = choices.below(4096);
    const auto head = choices.piece();
    for (const auto& known : kKinds) known.check(head);
    if (auto done = state.replay(kind, head, LogPosition(position), body_bytes); !done)
      return check_line(done.error().message);
    position += 64 + head.size() + body_bytes;
  }
  if (auto done = state.replay_done(); !done) return check_line(done.error().message);
  state.check();
  // A slab grows by pages; a table of numbers may be as long as the largest number of 16 bits.
  meter.check_memory(input.size(), 1024, 16u << 20);
  Bytes written;
  state.encode_checkpoint(written);
}

}  // namespace penstock::fuzz
