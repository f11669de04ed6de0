// Everything the engine knows, and what an event does to it.
//
// Live and in recovery the same apply() runs; nothing here decides, asks for the time or fails. A
// record that contradicts the state (which no log of ours can contain) ends recovery with
// Error::corrupt.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/access.h"
#include "engine/id_index.h"
#include "engine/message.h"
#include "engine/queue.h"
#include "engine/schedule.h"
#include "engine/slab.h"
#include "engine/storage.h"
#include "engine/timer_wheel.h"
#include "engine/topology.h"
#include "engine/worker_orders.h"
#include "engine/workflow_tree.h"

namespace penstock::engine {

// Ids of messages and queues that are never written are from here on.
inline constexpr std::uint64_t kTransientMessage = 1ull << 62;
inline constexpr std::uint32_t kTransientQueue = 1u << 31;

// Groups of all queues that are remembered though they have no messages: for the tokens of their
// rates, and because most keys come again soon.
inline constexpr std::uint32_t kIdleGroupsMax = 65'536;

struct StateLimits {
  std::uint64_t max_results = 1'000'000;
};

class State {
 public:
  State(Time start, const StateLimits& limits) : wheel(start), limits_(limits) {}

  // Where retained and released bytes are told; null while recovery runs.
  void attach(Storage* storage);

  // ---- the effect of each event; `position` and `body_bytes` are those of its record
  void apply(const GenesisEvent&);
  void apply(const QueueSetEvent&);
  void apply(const QueueGoneEvent&);
  void apply(const PolicyEvent&);
  std::uint32_t apply(const PublishEvent&, LogPosition position, std::uint32_t body_bytes);
  void relocate(const PublishEvent&, LogPosition position, std::uint32_t body_bytes);
  void apply(const LeaseEvent&);
  void apply(const ExtendEvent&);
  void apply(const GiveBackEvent&, LogPosition position, std::uint32_t body_bytes);
  // `likely`: where those messages are, as far as that is known.
  void apply(const SettleEvent&, std::span<const std::uint32_t> likely = {});
  void apply(const FinishEvent&, LogPosition position, std::uint32_t body_bytes,
             std::uint32_t likely = 0);
  void apply(const MoveEvent&, LogPosition position, std::uint32_t body_bytes);
  void apply(const PurgeEvent&);
  void apply(const CancelEvent&);
  void apply(const HistoryEvent&, LogPosition position, std::uint32_t body_bytes);
  void apply(const ExchangeSetEvent& event) { topology.set_exchange(event.exchange); }
  void apply(const ExchangeGoneEvent& event) { topology.remove_exchange(event.name); }
  void apply(const BoundEvent& event) { topology.bind(event.binding); }
  void apply(const UnboundEvent& event) { topology.unbind(event.binding); }
  void apply(const HostSetEvent& event) { topology.set_host(event.name); }
  void apply(const HostGoneEvent& event) {
    topology.remove_host(event.name);
    access.forget_host(event.name);
    forget_schedules(event.name);
  }
  void apply(const UserSetEvent& event) { access.set_user(event.user); }
  void apply(const UserGoneEvent& event) { access.remove_user(event.name); }
  void apply(const PermissionSetEvent& event) {
    if (topology.hosts().contains(event.permission.host)) access.set_permission(event.permission);
  }
  void apply(const PermissionGoneEvent& event) { access.remove_permission(event.user, event.host); }
  void apply(const TopicPermissionSetEvent& event) {
    if (topology.hosts().contains(event.permission.host))
      access.set_topic_permission(event.permission);
  }
  void apply(const TopicPermissionGoneEvent& event) {
    access.remove_topic_permission(event.user, event.host, event.exchange);
  }
  void apply(const ScheduleSetEvent& event) { schedules.set(event); }
  void apply(const ScheduleGoneEvent& event);
  void apply(const ScheduleFiredEvent& event) { schedules.note_fired(event); }
  void apply(const SchedulePausedEvent& event) {
    schedules.pause(event.name, event.paused, event.at);
  }
  void apply(const WorkflowSetEvent&);
  void apply(const WorkflowNodesEvent&);
  void apply(const WorkflowCancelledEvent&);
  void apply(const WorkflowResumedEvent&);
  void apply(const WorkflowGoneEvent&);
  void apply(const GroupSetEvent&);
  void apply(const GroupGoneEvent&);
  void apply(const WorkerOrderedEvent& event) { worker_orders.add(event); }
  void apply(const WorkerOrderGoneEvent& event) { worker_orders.remove(event.number); }
  // Decodes a record's head and applies it.
  [[nodiscard]] Result<void> replay(std::uint8_t kind, ByteView head, LogPosition position,
                                    std::uint32_t body_bytes);
  // After the last record.
  [[nodiscard]] Result<void> replay_done();

  // ---- steps that events are made of
  void lease(std::uint32_t slot, Time at, Time deadline, bool connection_bound, bool of_worker);
  void extend(std::uint32_t slot, Time deadline);
  // Scheduled messages whose time has come; the same in recovery without a record of its own.
  void make_ready(std::uint32_t slot);
  // The next message that `queue` would deliver, or 0.
  [[nodiscard]] std::uint32_t next_takeable(Queue& queue);
  // The same one, and it is not its turn yet.
  [[nodiscard]] std::uint32_t peek_takeable(const Queue& queue) const;
  // Bring to mind what up to kFetched messages that come, or go next, have to do with groups.
  static constexpr std::size_t kFetched = 16;
  void fetch_groups(const Queue& queue, std::span<const MessageInput> inputs) const;
  void fetch_next(const Queue& queue) const;
  // The messages of these leases, where it is said where they were; then what their end touches.
  void fetch(std::span<const LeaseToken> tokens) const;
  void fetch(std::span<const std::uint32_t> slots) const;
  // The oldest of its ready messages, 0 when there is none.
  [[nodiscard]] std::uint32_t oldest_ready(Queue& queue);
  void forget_result(std::uint32_t slot);
  void forget_key(std::uint32_t slot);
  // After a limit or rate of all groups changed: which of them may deliver.
  void review_groups(Queue& queue);
  // Its rate has no token for it until `timer` fires; 0: it has one again.
  void throttle_group(std::uint32_t number, std::uint32_t timer);
  void forget_group(std::uint32_t number);

  // Who holds a lease; not journalled: after a restart nobody does, and only the
  // deadline counts.
  Owner& own(std::uint32_t slot, SessionId owner);
  // When to look at a schedule again; nothing: not until something changes.
  void arm(Schedule& schedule, std::optional<Time> when);

  // A scheduled message is ready earlier; it need not survive.
  void hasten(std::uint32_t slot, Time when);

  // Forgets a session; its leases have no owner any more.
  void disown(SessionId owner);
  // Something in `queue` may interest those who wait for messages.
  void mark(Queue& queue);

  // ---- looking things up
  [[nodiscard]] Queue* find_queue(std::string_view name);
  [[nodiscard]] Queue* find_queue(QueueId id);
  [[nodiscard]] std::size_t queue_count() const { return queue_ids_.size(); }
  [[nodiscard]] Queue& queue_at(std::uint32_t slot) { return *queues[slot]; }
  [[nodiscard]] std::uint32_t queue_slot(QueueId id) const;
  [[nodiscard]] std::uint32_t find(MessageId id) const { return index.find(id); }
  // `likely`: where it was.
  [[nodiscard]] std::uint32_t find(MessageId id, std::uint32_t likely) const {
    return likely < messages.end() && messages[likely].id == id ? likely : find(id);
  }
  [[nodiscard]] std::uint32_t find_result(MessageId id) const { return result_index.find(id); }
  [[nodiscard]] std::uint32_t find_key(const KeyHash& key) const;
  // Those that are ready or scheduled, and those that are leased if they are wanted too.
  [[nodiscard]] std::vector<std::uint32_t> messages_of(const Queue& queue, bool leased_too) const;
  [[nodiscard]] Extra& extra_of(std::uint32_t slot);
  [[nodiscard]] const Extra* find_extra(const Message& message) const {
    return message.extra == 0 ? nullptr : &extras[message.extra];
  }
  [[nodiscard]] std::uint32_t attempts_of(const Message& message) const;
  // It waits for its turn in a workflow.
  [[nodiscard]] bool is_held(const Message& message) const;
  // For its next message, as far as its limit and rate are concerned.
  [[nodiscard]] static bool may_deliver(const Group& group);
  // Both of its ends outlive the process.
  [[nodiscard]] bool is_durable(const Binding& binding) const;

  // ---- checkpoint (checkpoint.cc)
  // Answers how many of its bytes tell of what was set: of queues, users, schedules and the like.
  std::uint64_t encode_checkpoint(Bytes& out) const;
  // The most that the rest takes in a checkpoint now: messages, keys, results, steps of workflows.
  [[nodiscard]] std::uint64_t most_entry_bytes() const;
  [[nodiscard]] Result<void> restore_checkpoint(ByteView bytes);
  [[nodiscard]] Result<void> restore_live(const PublishEvent&, LogPosition position,
                                          std::uint32_t body_bytes);
  [[nodiscard]] Result<void> restore_done();

  // After a rush, when there is nothing else to do: see Slab::tidy().
  void tidy();

  // The law of this object; slow, for tests and the simulator.
  void check() const;
  [[nodiscard]] std::uint64_t bytes() const;

  // ---- the data
  Slab<Message> messages;
  Slab<Extra, 6> extras;
  Slab<Lease, 8> leases;
  Slab<Group, 6> groups;
  GroupLinks group_links;
  List idle_groups;  // without messages, the longest so first
  IdIndex index;
  TimerWheel wheel;
  Slab<StoredResult, 8> results;
  IdIndex result_index;
  List results_by_age;
  Slab<DedupEntry, 8> keys;
  std::uint64_t key_weight = 0;                // of all of them
  std::vector<std::unique_ptr<Queue>> queues;  // by slot; slot 0 is never used
  std::vector<Policy> policies{1};             // by number; 0 is the empty one
  Topology topology;
  Access access;
  Schedules schedules;
  WorkerOrders worker_orders;
  WorkflowTree workflows;
  // Since the engine looked last: queues in which steps were released or held, and workflows that
  // have ended. Nothing is noted in recovery.
  struct Stirred {
    std::uint32_t queue = 0;
    std::uint32_t released = 0;
  };
  std::vector<Stirred> stirred;
  std::vector<MessageId> ended_workflows;
  std::uint32_t group_settings = 0;  // of all queues
  std::uint64_t next_message = 1;
  std::uint32_t next_queue = 1;
  // Of what lives in memory only; given out anew by each process.
  std::uint64_t next_transient_message = kTransientMessage + 1;
  std::uint32_t next_transient_queue = kTransientQueue + 1;
  std::uint64_t secret[4]{};
  std::unordered_map<SessionId, Owner> owners;
  std::vector<SessionId> eased;      // hold less than when something was refused to them
  std::uint64_t suspects_out = 0;    // leases of suspects that have an owner
  std::vector<std::uint32_t> dirty;  // slots of marked queues
  std::uint64_t relocations = 0;     // of messages: a position from before may be old

 private:
  struct Override;

  void encode_topology(Encoder& out) const;
  void encode_keys(Encoder& out) const;
  void encode_limits(Encoder& out) const;
  void encode_results(Encoder& out) const;
  void encode_changed(Encoder& out, const Message& message) const;
  // One of each that a checkpoint tells of; false: no checkpoint of ours says that.
  [[nodiscard]] bool restore_queue(Cursor& in);
  [[nodiscard]] bool restore_key(Cursor& in);
  [[nodiscard]] bool restore_limits(Cursor& in);
  [[nodiscard]] bool restore_limit(Cursor& in);
  [[nodiscard]] bool restore_group(Cursor& in);
  [[nodiscard]] bool link_keys();
  [[nodiscard]] bool restore_result(Cursor& in);
  [[nodiscard]] bool restore_override(Cursor& in);
  [[nodiscard]] bool has_proper_id(const Message& message) const;
  [[nodiscard]] std::uint64_t check_list(const Queue& queue, const List& list,
                                         std::optional<unsigned> priority) const;
  void check_results() const;
  void check_keys() const;
  void check_groups() const;
  void check_owners() const;
  void check_workflows() const;
  // How many of them have no messages.
  [[nodiscard]] std::uint32_t check_groups(const Queue& queue) const;
  [[nodiscard]] bool restore_topology(Cursor& in);
  void encode_causes(Encoder& out) const;
  [[nodiscard]] bool restore_causes(Cursor& in);
  void encode_workflows(Encoder& out) const;
  [[nodiscard]] bool restore_workflows(Cursor& in);
  [[nodiscard]] bool restore_workflow(Cursor& in);
  void encode_result(Encoder& out, const StoredResult& result, Time expires_at) const;
  [[nodiscard]] bool decode_result(Cursor& in, StoredResult& result, Time& expires) const;
  std::uint32_t insert(const PublishEvent&, LogPosition position, std::uint32_t body_bytes);
  void place(std::uint32_t slot, Time now, Time due, bool original_place);
  void put_ready(std::uint32_t slot, bool original_place);
  void detach(std::uint32_t slot);  // out of its state, into none
  void disown(std::uint32_t lease);
  void note_suspect(std::uint32_t slot);
  void note_loss(std::uint32_t slot, bool was_spared);
  void remove(std::uint32_t slot);  // out of everything
  void forget_schedules(std::string_view host);
  void wake_waiting(MessageId id);
  void leave_group(std::uint32_t slot);
  void hold_group(std::uint32_t slot, bool hold);
  void forget_groups(Queue& queue);
  void begin_anew(Queue& queue, std::uint32_t number);
  void review_setting(Queue& queue, std::string_view name);
  static void take_terms(const Queue& queue, Group& group);
  static void mix_priority(Group& group, const Message& message);
  void review_group(Queue& queue, std::uint32_t group);
  // Another message is the first of it now, or none.
  void note_first(Queue& queue, std::uint32_t group);
  void review_priority(Queue& queue, unsigned priority);
  void arm_expiry(std::uint32_t slot, Time when);
  void join_group(std::uint32_t slot, std::string_view name);
  void set_history(std::uint32_t slot, LogPosition position, std::uint32_t bytes);
  std::uint32_t add_key(const KeyHash& key, MessageId id, Queue& queue, Time until);
  void count_keys(Queue* queue, std::int64_t by);
  void take_key(const KeyHold& hold, std::uint32_t message);
  void release_key(std::uint32_t message);
  static void note_pace(DedupEntry::Pace& pace, const KeyHold& hold);
  std::uint32_t add_result(const StoredResult& result, Time expires_at);
  // workflow_state.cc
  void hold(std::uint32_t slot);
  void finish_step(std::uint32_t step, bool well, Time at);
  void follow(std::uint32_t workflow, WorkflowTree::Work& work, Time at);
  void hold_step(std::uint32_t slot);
  void release_step(std::uint32_t slot, Time at, std::uint32_t delay_ms);
  void end_workflow(std::uint32_t workflow, Time at);
  void drop_step(std::uint32_t node);

  // A workflow whose nodes are coming, in the records of one commit.
  struct Begun {
    WorkflowTree::Workflow workflow;
    MessageId replaces;
    KeyHash key;
    Time key_until{};
    std::uint32_t nodes = 0;
    std::vector<WorkflowNode> tree;
  };

  StateLimits limits_;
  Storage* storage_ = nullptr;
  Begun begun_;
  std::vector<MessageId> held_in_replay_;  // published as steps; until replay_done()
  struct KeyHasher {
    std::size_t operator()(const KeyHash& key) const { return key.low; }
  };
  std::unordered_map<KeyHash, std::uint32_t, KeyHasher> key_index_;
  std::unordered_map<std::string, std::uint32_t, Queue::TextHash, std::equal_to<>> queue_names_;
  std::unordered_map<std::uint32_t, std::uint32_t> queue_ids_;
  std::vector<std::uint32_t> free_queues_;
  std::unordered_map<std::uint64_t, Override> overrides_;  // while a checkpoint is being restored
  std::vector<std::uint32_t> restored_ready_;
};

// What a message has come to since its publish record was written.
struct State::Override {
  MessageState state = MessageState::ready;
  std::uint16_t deliveries = 0;
  std::uint16_t uncounted = 0;
  QueueId queue, origin;
  Time due{};    // of a scheduled message, or the lease's deadline
  Time since{};  // of the lease
  Time expires_at{};
  LogPosition history{};
  std::uint32_t history_bytes = 0;
  MoveReason dying = MoveReason::none;
  CauseCounts causes;
  bool connection_bound = false, of_worker = false, cancelled = false, holds_group = false,
       moved = false;
  bool suspect = false;
  std::uint8_t spared = 0;

  [[nodiscard]] bool is_held() const { return state == MessageState::scheduled && due == Time{}; }
};

}  // namespace penstock::engine
