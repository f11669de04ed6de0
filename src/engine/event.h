// What happened: the only way in which the engine's state changes, live and in recovery alike.
//
// Each event is one record of the journal: a kind, a head (all that the index needs) and a body
// (read back on demand). Events of one command lie in one batch of the journal and so survive
// together or not at all. Formats only grow: a decoder ignores what it does not know behind the
// fields that it does.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/cursor.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/access.h"
#include "engine/command.h"
#include "engine/schedule.h"
#include "engine/topology.h"
#include "engine/worker.h"
#include "engine/workflow.h"

namespace penstock::engine {

enum class EventKind : std::uint8_t {
  genesis = 1,    // the log's secret
  queue_set = 2,  // created or changed
  queue_gone = 3,
  policy = 4,  // a set of per-message options gets a number
  publish = 5,
  relocate = 6,  // a publish written anew, so that its old segment can go
  lease = 7,
  extend = 8,
  give_back = 9,  // leased messages wait again
  settle = 10,    // messages end
  finish = 11,    // a task ends, with its result
  move = 12,      // to the dead letters, or back
  purge = 13,
  cancel = 14,   // a running task is asked to stop
  history = 15,  // a message's history written anew, so that its old segment can go
  exchange_set = 16,
  exchange_gone = 17,
  bound = 18,
  unbound = 19,
  host_set = 20,   // a virtual host
  host_gone = 21,  // and all its exchanges; its queues are told of on their own
  user_set = 22,   // created or changed
  user_gone = 23,  // and all its permissions
  permission_set = 24,
  permission_gone = 25,
  topic_permission_set = 26,
  topic_permission_gone = 27,
  schedule_set = 28,  // created or changed
  schedule_gone = 29,
  schedule_fired = 30,   // and what it published, in the same batch; or a due time passed by
  schedule_paused = 31,  // or resumed
  workflow_set = 32,     // its steps came before it, its nodes follow
  workflow_nodes = 33,   // some of its nodes; with the last of them it begins
  workflow_cancelled = 34,
  workflow_resumed = 35,
  workflow_gone = 36,  // and what its steps left
  group_set = 37,      // the weight, rate and limit of one group of a queue
  group_gone = 38,     // what was set for it
  worker_ordered = 42,
  worker_order_gone = 43,
};

// 128 bits of a keyed hash of (queue, idempotency key).
struct KeyHash {
  std::uint64_t low = 0, high = 0;
  bool operator==(const KeyHash&) const = default;
  explicit operator bool() const { return (low | high) != 0; }
};

struct GenesisEvent {
  std::uint64_t secret[4]{};
};

struct QueueSetEvent {
  QueueId id;
  std::string_view name;
  QueueOptions options;
};

struct QueueGoneEvent {
  QueueId id;
};

struct PolicyEvent {
  std::uint16_t number = 0;
  Policy policy;
};

// A message takes the key of its KeyLimit.
struct KeyHold {
  KeyRule rule = KeyRule::none;
  KeyHash key;
  Time until{};            // zero: until the message is taken or ends
  Time since{};            // of a debounce: when the first came; of a throttle: this one's moment
  std::uint32_t most = 0;  // of a throttle: moments that count
};

// The body is: varint length of the headers, headers, payload.
struct PublishEvent {
  MessageId id;
  QueueId queue;
  Time at;
  std::uint8_t priority = 0;
  bool task = false;
  bool held = false;  // a step of a workflow, until its turn
  std::uint16_t policy = 0;
  Time not_before{};
  Time expires_at{};
  KeyHash key;
  Time dedup_until{};
  std::string_view group;
  KeyHold hold;
};

struct LeaseEvent {
  QueueId queue;
  Time at;
  Time deadline;
  bool connection_bound = false, of_worker = false;  // Lease
  std::span<const MessageId> ids;
};

struct ExtendEvent {
  Time deadline;
  std::span<const MessageId> ids;
};

enum class ReturnReason : std::uint8_t {
  nack = 1,
  lease_expired,
  connection_closed,
  given_back,
  rejected,
  declined
};
[[nodiscard]] std::string_view name_of(ReturnReason reason);

enum class MoveReason : std::uint8_t {
  none,
  max_attempts,
  rejected,
  expired,
  overflow,
  redriven,
  poisoned  // as many attempts ended of one cause as its queue allows
};
[[nodiscard]] std::string_view name_of(MoveReason reason);

// The body, if any, is the history of the one message that it names.
struct GiveBackEvent {
  ReturnReason reason = ReturnReason::nack;
  Time at;
  Time due{};                           // zero: ready at once, in the original place
  bool uncounted = false;               // the attempt does not count
  MoveReason dying = MoveReason::none;  // why it wants to go to the dead letters, which are full
  std::span<const MessageId> ids;
  Cause cause = Cause::none;  // counted
};

enum class SettleReason : std::uint8_t { acked = 1, expired, dropped, discarded, replaced };

struct SettleEvent {
  SettleReason reason = SettleReason::acked;
  Time at;
  std::span<const MessageId> ids;
};

// The body is: name, result, error, history, each length-prefixed.
struct FinishEvent {
  MessageId id;
  TaskState state = TaskState::done;
  QueueId queue;
  Time at, enqueued_at, started_at;
  Time expires_at{};  // of the result; zero: none is kept
  std::uint32_t attempts = 0;
  bool keeps_message = false;  // it failed, and lies in the dead letters
};

// The body is the message's history.
struct MoveEvent {
  MessageId id;
  QueueId to;
  MoveReason reason = MoveReason::max_attempts;
  Time at;
};

struct PurgeEvent {
  QueueId queue;
  Time at;
};

struct CancelEvent {
  MessageId id;
};

// The body is the message's history.
struct HistoryEvent {
  MessageId id;
};

struct ExchangeSetEvent {
  ExchangeSpec exchange;
};

struct ExchangeGoneEvent {
  std::string_view name;
};

struct BoundEvent {
  BindingSpec binding;
  std::vector<MatchField> fields;  // of a decoded one
};

struct UnboundEvent {
  BindingSpec binding;
};

struct HostSetEvent {
  std::string_view name;
};

struct HostGoneEvent {
  std::string_view name;
};

struct UserSetEvent {
  UserSpec user;
};

struct UserGoneEvent {
  std::string_view name;
};

struct PermissionSetEvent {
  PermissionSpec permission;
};

struct PermissionGoneEvent {
  std::string_view user, host;
};

struct TopicPermissionSetEvent {
  TopicPermissionSpec permission;
};

struct TopicPermissionGoneEvent {
  std::string_view user, host, exchange;
};

struct ScheduleSetEvent {
  ScheduleSpec schedule;  // all of it
  Time since, cursor;
};

struct ScheduleGoneEvent {
  std::string_view name;
};

// What a schedule is at afterwards; missed and skipped are those since the last one.
struct ScheduleFiredEvent {
  std::string_view name;
  Time at{}, cursor{}, due{};
  MessageId message{};  // none: nothing was published
  std::uint64_t missed = 0, skipped = 0;
  Time waiting{};
};

struct SchedulePausedEvent {
  std::string_view name;
  bool paused = false;
  Time at;
};

struct WorkflowSetEvent {
  MessageId id;
  MessageId replaces;  // the task in whose place it comes; that ends with it, without a result
  Time at;
  FailurePolicy policy = FailurePolicy::stop;
  Duration ttl{0}, failed_ttl{0};
  QueueId queue;  // of its first step
  std::uint32_t nodes = 0;
  std::string_view name;
  KeyHash key;  // none: 0
  Time key_until{};
};

struct WorkflowNodesEvent {
  Time at;
  std::span<const WorkflowNode> nodes;
  std::vector<std::string_view> tasks;  // names by their places; of a decoded one its nodes'
  std::vector<WorkflowNode> decoded;    // of a decoded one: its nodes live here
};

struct WorkflowCancelledEvent {
  MessageId id;
  Time at;
};

struct WorkflowResumedEvent {
  MessageId id;
  Time at;
};

struct WorkflowGoneEvent {
  MessageId id;
};

struct GroupSetEvent {
  QueueId queue;
  std::string_view name;
  GroupSetting setting;  // all of it
};

struct GroupGoneEvent {
  QueueId queue;
  std::string_view name;
};

// What it makes needless goes with it (worker_orders.h).
struct WorkerOrderedEvent {
  std::uint64_t number = 0;
  Time at;
  OrderKind kind = OrderKind::quiet;
  std::uint32_t slots = 0;
  std::string_view name, queue, version;
  std::span<const std::uint64_t> targets;  // of a stop
  std::vector<std::uint64_t> decoded;      // of a decoded one: its targets live here
};

struct WorkerOrderGoneEvent {
  std::uint64_t number = 0;
};

// Heads, to and from bytes. Decoders answer false for bytes that no encoder of this or an older
// version could have made; the ids of a decoded event live in `ids`.
void encode(Bytes& head, const GenesisEvent&);
void encode(Bytes& head, const QueueSetEvent&);
void encode(Bytes& head, const QueueGoneEvent&);
void encode(Bytes& head, const PolicyEvent&);
void encode(Bytes& head, const PublishEvent&);
void encode(Bytes& head, const LeaseEvent&);
void encode(Bytes& head, const ExtendEvent&);
void encode(Bytes& head, const GiveBackEvent&);
void encode(Bytes& head, const SettleEvent&);
void encode(Bytes& head, const FinishEvent&);
void encode(Bytes& head, const MoveEvent&);
void encode(Bytes& head, const PurgeEvent&);
void encode(Bytes& head, const CancelEvent&);
void encode(Bytes& head, const HistoryEvent&);
void encode(Bytes& head, const ExchangeSetEvent&);
void encode(Bytes& head, const ExchangeGoneEvent&);
void encode(Bytes& head, const BoundEvent&);
void encode(Bytes& head, const UnboundEvent&);
void encode(Bytes& head, const HostSetEvent&);
void encode(Bytes& head, const HostGoneEvent&);
void encode(Bytes& head, const UserSetEvent&);
void encode(Bytes& head, const UserGoneEvent&);
void encode(Bytes& head, const PermissionSetEvent&);
void encode(Bytes& head, const PermissionGoneEvent&);
void encode(Bytes& head, const TopicPermissionSetEvent&);
void encode(Bytes& head, const TopicPermissionGoneEvent&);
void encode(Bytes& head, const ScheduleSetEvent&);
void encode(Bytes& head, const ScheduleGoneEvent&);
void encode(Bytes& head, const ScheduleFiredEvent&);
void encode(Bytes& head, const SchedulePausedEvent&);
void encode(Bytes& head, const WorkflowSetEvent&);
void encode(Bytes& head, const WorkflowNodesEvent&);
void encode(Bytes& head, const WorkflowCancelledEvent&);
void encode(Bytes& head, const WorkflowResumedEvent&);
void encode(Bytes& head, const WorkflowGoneEvent&);
void encode(Bytes& head, const GroupSetEvent&);
void encode(Bytes& head, const GroupGoneEvent&);
void encode(Bytes& head, const WorkerOrderedEvent&);
void encode(Bytes& head, const WorkerOrderGoneEvent&);

using IdList = std::vector<MessageId>;
// More go into further events, so that a head stays small.
inline constexpr std::size_t kMostIdsInEvent = 4096;
[[nodiscard]] bool decode(ByteView head, GenesisEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, QueueSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, QueueGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, PolicyEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, PublishEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, LeaseEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ExtendEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, GiveBackEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, SettleEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, FinishEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, MoveEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, PurgeEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, CancelEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, HistoryEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ExchangeSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ExchangeGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, BoundEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, UnboundEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, HostSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, HostGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, UserSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, UserGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, PermissionSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, PermissionGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, TopicPermissionSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, TopicPermissionGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ScheduleSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ScheduleGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, ScheduleFiredEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, SchedulePausedEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkflowSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkflowNodesEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkflowCancelledEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkflowResumedEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkflowGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, GroupSetEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, GroupGoneEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkerOrderedEvent&, IdList& ids);
[[nodiscard]] bool decode(ByteView head, WorkerOrderGoneEvent&, IdList& ids);

// Parts of events that a checkpoint has too.
[[nodiscard]] MoveReason dying_reason(bool dying, unsigned reason);
void encode_exchange(Encoder& out, const ExchangeSpec& exchange);
[[nodiscard]] bool decode_exchange(Cursor& in, ExchangeSpec& exchange);
void encode_binding(Encoder& out, const BindingSpec& binding);
// The fields of the binding live in `fields`.
[[nodiscard]] bool decode_binding(Cursor& in, BindingSpec& binding,
                                  std::vector<MatchField>& fields);
// Options as name and value texts, so that a log outlives the table's changes.
void encode_options(Encoder& out, const QueueOptions& options);
[[nodiscard]] bool decode_options(Cursor& in, QueueOptions& options);
void encode_group_setting(Encoder& out, const GroupSetting& setting);
[[nodiscard]] bool decode_group_setting(Cursor& in, GroupSetting& setting);
void encode_policy(Encoder& out, const Policy& policy);
[[nodiscard]] bool decode_policy(Cursor& in, Policy& policy);

template <class Event>
constexpr EventKind kind_of();
template <>
constexpr EventKind kind_of<GenesisEvent>() {
  return EventKind::genesis;
}
template <>
constexpr EventKind kind_of<QueueSetEvent>() {
  return EventKind::queue_set;
}
template <>
constexpr EventKind kind_of<QueueGoneEvent>() {
  return EventKind::queue_gone;
}
template <>
constexpr EventKind kind_of<PolicyEvent>() {
  return EventKind::policy;
}
template <>
constexpr EventKind kind_of<PublishEvent>() {
  return EventKind::publish;
}
template <>
constexpr EventKind kind_of<LeaseEvent>() {
  return EventKind::lease;
}
template <>
constexpr EventKind kind_of<ExtendEvent>() {
  return EventKind::extend;
}
template <>
constexpr EventKind kind_of<GiveBackEvent>() {
  return EventKind::give_back;
}
template <>
constexpr EventKind kind_of<SettleEvent>() {
  return EventKind::settle;
}
template <>
constexpr EventKind kind_of<FinishEvent>() {
  return EventKind::finish;
}
template <>
constexpr EventKind kind_of<MoveEvent>() {
  return EventKind::move;
}
template <>
constexpr EventKind kind_of<PurgeEvent>() {
  return EventKind::purge;
}
template <>
constexpr EventKind kind_of<CancelEvent>() {
  return EventKind::cancel;
}
template <>
constexpr EventKind kind_of<HistoryEvent>() {
  return EventKind::history;
}
template <>
constexpr EventKind kind_of<ExchangeSetEvent>() {
  return EventKind::exchange_set;
}
template <>
constexpr EventKind kind_of<ExchangeGoneEvent>() {
  return EventKind::exchange_gone;
}
template <>
constexpr EventKind kind_of<BoundEvent>() {
  return EventKind::bound;
}
template <>
constexpr EventKind kind_of<UnboundEvent>() {
  return EventKind::unbound;
}
template <>
constexpr EventKind kind_of<HostSetEvent>() {
  return EventKind::host_set;
}
template <>
constexpr EventKind kind_of<HostGoneEvent>() {
  return EventKind::host_gone;
}
template <>
constexpr EventKind kind_of<UserSetEvent>() {
  return EventKind::user_set;
}
template <>
constexpr EventKind kind_of<UserGoneEvent>() {
  return EventKind::user_gone;
}
template <>
constexpr EventKind kind_of<PermissionSetEvent>() {
  return EventKind::permission_set;
}
template <>
constexpr EventKind kind_of<PermissionGoneEvent>() {
  return EventKind::permission_gone;
}
template <>
constexpr EventKind kind_of<TopicPermissionSetEvent>() {
  return EventKind::topic_permission_set;
}
template <>
constexpr EventKind kind_of<TopicPermissionGoneEvent>() {
  return EventKind::topic_permission_gone;
}
template <>
constexpr EventKind kind_of<ScheduleSetEvent>() {
  return EventKind::schedule_set;
}
template <>
constexpr EventKind kind_of<ScheduleGoneEvent>() {
  return EventKind::schedule_gone;
}
template <>
constexpr EventKind kind_of<ScheduleFiredEvent>() {
  return EventKind::schedule_fired;
}
template <>
constexpr EventKind kind_of<SchedulePausedEvent>() {
  return EventKind::schedule_paused;
}
template <>
constexpr EventKind kind_of<WorkflowSetEvent>() {
  return EventKind::workflow_set;
}
template <>
constexpr EventKind kind_of<WorkflowNodesEvent>() {
  return EventKind::workflow_nodes;
}
template <>
constexpr EventKind kind_of<WorkflowCancelledEvent>() {
  return EventKind::workflow_cancelled;
}
template <>
constexpr EventKind kind_of<WorkflowResumedEvent>() {
  return EventKind::workflow_resumed;
}
template <>
constexpr EventKind kind_of<WorkflowGoneEvent>() {
  return EventKind::workflow_gone;
}
template <>
constexpr EventKind kind_of<GroupSetEvent>() {
  return EventKind::group_set;
}
template <>
constexpr EventKind kind_of<GroupGoneEvent>() {
  return EventKind::group_gone;
}
template <>
constexpr EventKind kind_of<WorkerOrderedEvent>() {
  return EventKind::worker_ordered;
}
template <>
constexpr EventKind kind_of<WorkerOrderGoneEvent>() {
  return EventKind::worker_order_gone;
}

}  // namespace penstock::engine
