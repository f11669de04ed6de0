// Decides. Commands come in with the time; what they change is written as events to Storage and
// applied to the State; what the outside is to learn waits in effects().
//
// Threads:  one. Passive: it asks nobody for the time, sleeps never, reads bodies only through
// Storage. Lifetime: storage and random outlive it. Views in commands are read during the call.
// Failure:  a command that is refused or wrong changes nothing.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "engine/consumer.h"
#include "engine/effect.h"
#include "engine/state.h"
#include "engine/statistics.h"
#include "engine/suspects.h"
#include "engine/task_log.h"
#include "engine/worker_list.h"

namespace penstock::engine {

struct EngineOptions {
  StateLimits limits;
  std::uint64_t max_message_bytes = 16ull << 20;
  std::uint32_t max_queues = 100'000;
  std::uint32_t max_dedup_keys_per_queue = 2'000'000;
  std::uint32_t max_workflow_steps = 1'000'000;    // of all workflows, ended ones included
  std::uint64_t max_workflow_value = 64ull << 20;  // that one step is given
  std::uint32_t max_schedules = 10'000;
  std::uint32_t max_group_settings = 100'000;  // of all queues
  Duration default_result_ttl = std::chrono::hours(1);
  bool sole_owner = false;  // who opens the log is the only worker: leases from before are nobody's
  const FieldReader* fields = nullptr;  // for headers exchanges; null: no message has any fields
};

struct SettleAnswer {
  std::uint32_t settled = 0;
  std::uint32_t lost = 0;
};

class Engine {
 public:
  Engine(Time start, const EngineOptions& options, Random& random);

  // Ends recovery (or begins a new log, then writing its first record).
  void start(Storage& storage, Time now, bool created);

  // ---- who asks (authorize.cc)
  // A session from outside: while there are users it may do what the one may that it is logged in
  // as, and nothing before. One that was never admitted is the program's own, and may do all.
  void admit(SessionId session);
  [[nodiscard]] Result<void> log_in(SessionId session, std::string_view user);
  void log_out(Time now, SessionId session);
  // As long as the object lives, what is asked is asked by `session`; Error::denied is the answer
  // to what its user may not do.
  class [[nodiscard]] Acting;
  [[nodiscard]] Acting act_for(SessionId session);
  // It may ask for nothing, and is given nothing any more.
  [[nodiscard]] bool has_ended(SessionId session) const;
  [[nodiscard]] Result<void> may_ask();  // anything at all
  [[nodiscard]] Result<void> may(Right right, Resource resource, std::string_view scoped);
  [[nodiscard]] Result<void> may_enter(std::string_view host);
  [[nodiscard]] Result<void> may_as(Role role);
  [[nodiscard]] Result<void> may_publish(std::string_view queue);
  [[nodiscard]] Result<void> may_see_task(MessageId id);
  [[nodiscard]] bool sees(std::string_view host) const;  // what there is, in a list of all
  [[nodiscard]] std::uint64_t denied() const { return denied_; }

  // ---- users and permissions (users.cc); an administrator's, but for one's own password
  [[nodiscard]] Result<bool> put_user(Time now, const UserChange& change);  // true: created
  [[nodiscard]] Result<void> remove_user(Time now, std::string_view name);
  [[nodiscard]] Result<void> grant(Time now, const PermissionSpec& spec);
  [[nodiscard]] Result<void> revoke(Time now, std::string_view user, std::string_view host);
  [[nodiscard]] Result<void> grant_topic(Time now, const TopicPermissionSpec& spec);
  [[nodiscard]] Result<void> revoke_topic(std::string_view user, std::string_view host,
                                          std::string_view exchange);

  // ---- publishing (publish.cc)
  // Who chose the queues: whoever asks, by their names, or an exchange, for which route() has
  // looked at the rights.
  enum class Chosen : std::uint8_t { by_name, by_exchange };
  using PublishAnswer = std::variant<std::uint32_t, Refusal, Error>;  // the count of duplicates
  // Appends the ids, one per message, to `ids`.
  [[nodiscard]] PublishAnswer publish(Time now, std::span<const Publish> publishes, IdList& ids,
                                      Chosen chosen = Chosen::by_name);
  // The queues that it goes to, each once; none when nothing is bound for it. Names live until the
  // next call that changes queues or bindings. Error::not_found: there is no such exchange.
  [[nodiscard]] Result<std::span<const std::string_view>> route(const RoutedPublish& publish);
  // Whether each of its messages has a key that was taken already: then it needs no room.
  [[nodiscard]] bool adds_nothing(const Publish& publish);

  // ---- consuming (take.cc)
  // Answered through effects(), now or later. A queue that is waited for and not there is created.
  [[nodiscard]] std::optional<Error> take(Time now, SessionId session, std::uint64_t tag,
                                          const Take& take);
  void cancel_take(SessionId session, std::uint64_t tag);
  // The session's leases, consumers and exclusive queues go.
  void close_session(Time now, SessionId session);

  // ---- consumers (consumers.cc); what they get is in effects(), with their tag
  [[nodiscard]] std::optional<Error> consume(Time now, SessionId session, std::uint64_t tag,
                                             const Consume& consume);
  void add_credit(SessionId session, std::uint64_t tag, std::int64_t credit, std::int64_t bytes);
  void add_pool_credit(SessionId session, std::uint64_t pool, std::int64_t credit);
  void forget_pool(SessionId session, std::uint64_t pool);  // when its consumers have ended
  bool cancel_consumer(Time now, SessionId session, std::uint64_t tag);
  [[nodiscard]] const Consumer& consumer(std::uint32_t slot) const { return consumers_[slot]; }
  // Hands messages to waiting takes.
  void pump(Time now);

  // ---- settling (settle.cc)
  using SettleOutcome = std::variant<SettleAnswer, Refusal, Error>;
  [[nodiscard]] SettleOutcome settle(Time now, const Settle& settle);
  struct ExtendAnswer {
    std::uint32_t extended = 0, lost = 0;
    bool cancelled = false;
    Time deadline{};
  };
  // Leases from before a restart belong to `session` from then on.
  [[nodiscard]] ExtendAnswer extend(Time now, SessionId session, std::span<const LeaseToken> leases,
                                    Duration lease);
  [[nodiscard]] ExtendAnswer progress(const LeaseToken& lease, const Progress& progress);

  // ---- queues (queues.cc)
  using OptionPatch = std::span<const std::pair<std::string_view, std::string_view>>;
  // True: created. `owner`: the session that asks, and has it for itself if it is exclusive.
  [[nodiscard]] Result<bool> declare(Time now, std::string_view name, OptionPatch patch,
                                     SessionId owner = {});
  // The same of a queue that is there: to declare one that is not would make it.
  [[nodiscard]] Result<void> change(Time now, std::string_view name, OptionPatch patch,
                                    SessionId session);
  // The same for who declares all of it, and means to find it so: Error::conflict when it is there
  // and another. What its client cannot set (a pause, say) is left as it is.
  [[nodiscard]] Result<bool> declare_same(Time now, std::string_view name, OptionPatch patch,
                                          SessionId owner);
  [[nodiscard]] Result<std::uint64_t> remove(Time now, std::string_view name,
                                             SessionId session = {}, RemoveIf condition = {});
  [[nodiscard]] Result<std::uint64_t> purge(Time now, std::string_view name,
                                            SessionId session = {});
  // Error::locked when another session has it for itself.
  [[nodiscard]] Result<Queue*> usable_queue(SessionId session, std::string_view name);
  // Whose statistics may be seen, and whose messages.
  [[nodiscard]] Result<const Queue*> shown_queue(std::string_view name);
  [[nodiscard]] Result<const Queue*> read_queue(std::string_view name);
  [[nodiscard]] Result<std::uint64_t> redrive(Time now, std::string_view name, std::uint32_t max);
  // What is set for one group: "weight", "rate" and "limit", as far as they are named. True: there
  // was nothing set for it before.
  [[nodiscard]] Result<bool> set_group(std::string_view queue, std::string_view group,
                                       OptionPatch patch);
  [[nodiscard]] Result<void> reset_group(std::string_view queue, std::string_view group);
  // Looks into a bounded number of messages at a time, in the order of their ids.
  [[nodiscard]] Result<Redriven> redrive_some(Time now, std::string_view name,
                                              const Redrive& which);
  // One dead letter. Error::not_found | conflict: it is none, or its queue is full or gone.
  [[nodiscard]] Result<void> retry_task(Time now, MessageId id);
  [[nodiscard]] bool is_transient(std::string_view name) {
    const Queue* queue = state_.find_queue(name);
    return queue != nullptr && queue->transient();
  }
  [[nodiscard]] QueueStatistics statistics(Time now, const Queue& queue) const;
  // Up to `limit` messages in the order of delivery, then the leased and the scheduled ones.
  [[nodiscard]] std::vector<std::uint32_t> browse(const Queue& queue, std::uint32_t limit) const;

  // ---- virtual hosts, exchanges, bindings (exchanges.cc); names are scoped
  [[nodiscard]] Result<bool> declare_host(std::string_view name);  // true: created
  [[nodiscard]] Result<void> remove_host(Time now, std::string_view name);
  // Error::conflict when it is there and another.
  [[nodiscard]] Result<bool> declare_exchange(const ExchangeSpec& spec);
  [[nodiscard]] Result<void> remove_exchange(std::string_view name, bool if_unused);
  [[nodiscard]] Result<void> bind(SessionId session, const BindingSpec& spec);
  [[nodiscard]] Result<void> unbind(SessionId session, const BindingSpec& spec);

  // ---- workflows (workflows.cc)
  struct Submitted {
    MessageId id;
    bool duplicate = false;  // of one that came before with the same key
  };
  using WorkflowAnswer = std::variant<Submitted, Refusal, Error>;
  [[nodiscard]] WorkflowAnswer submit(Time now, const WorkflowInput& input);
  // The workflow that took its key already; then it needs no room.
  [[nodiscard]] std::optional<MessageId> known(const WorkflowInput& input);
  // Error::not_found, or conflict: it has ended, or it has not failed.
  [[nodiscard]] Result<void> cancel_workflow(Time now, MessageId id);
  [[nodiscard]] Result<void> resume_workflow(Time now, MessageId id);
  // Appends the JSON that the step is given as its first argument. False: it is given nothing.
  [[nodiscard]] Result<bool> append_input(MessageId step, Bytes& out);
  // Appends the JSON of what has come of a node.
  [[nodiscard]] Result<void> append_value(std::uint32_t node, Bytes& out);
  // How large what a step is given is at most; no more than `enough` is looked at.
  [[nodiscard]] std::uint64_t input_bytes(MessageId step, std::uint64_t enough) const;
  void append_error(std::uint32_t node, Bytes& out);
  // The error of the step because of which a node failed, as text.
  [[nodiscard]] std::string error_of(std::uint32_t node);

  // ---- tasks (tasks.cc)
  void watch_task(Time now, SessionId session, std::uint64_t tag, MessageId id, Time until);
  [[nodiscard]] Result<void> cancel_task(Time now, MessageId id);
  [[nodiscard]] TaskState task_state(MessageId id) const;
  [[nodiscard]] bool is_pending(MessageId task_or_workflow) const;

  // ---- schedules (schedules.cc); names are scoped
  enum class SchedulePut : std::uint8_t { unchanged, changed, created };
  [[nodiscard]] Result<SchedulePut> put_schedule(Time now, const ScheduleSpec& spec);
  [[nodiscard]] Result<void> remove_schedule(std::string_view name);
  [[nodiscard]] Result<void> pause_schedule(Time now, std::string_view name, bool paused);
  // One fire more, whatever its times and its overlap policy say.
  [[nodiscard]] PublishAnswer trigger_schedule(Time now, std::string_view name, IdList& ids);
  [[nodiscard]] Result<const Schedule*> read_schedule(std::string_view name);
  // There is room in this queue: one of those that were refused for want of it tries again.
  void wake_schedules(QueueId queue);

  // ---- workers (workers.cc)
  [[nodiscard]] Result<WorkerTold> announce_worker(Time now, SessionId session, WorkerSpec spec);
  // Error::not_found: nobody announced itself on this session.
  [[nodiscard]] Result<WorkerTold> beat_worker(Time now, SessionId session, WorkerBeat beat);
  [[nodiscard]] Result<WorkersOrdered> order_workers(Time now, const WorkerOrderSpec& order);
  [[nodiscard]] Result<void> remove_worker_order(std::uint64_t number);
  [[nodiscard]] const WorkerList& workers() const { return workers_; }
  [[nodiscard]] std::uint64_t declined() const { return declined_count_; }
  // What running tasks say.
  [[nodiscard]] ExtendAnswer log_task(Time now, const LeaseToken& lease,
                                      std::span<const std::string_view> lines);
  // Answered when there is a line beyond `after`, when the task has ended, or then.
  void watch_log(Time now, SessionId session, std::uint64_t tag, MessageId id, std::uint64_t after,
                 Time until);
  [[nodiscard]] const TaskLogs& logs() const { return logs_; }

  // ---- cleaning (relocate.cc): writes what a record carries anew if it is still needed from
  // there, so that its segment can go. True when something was written.
  [[nodiscard]] Result<bool> relocate(std::uint8_t kind, ByteView head, LogPosition position);

  // Fires up to `budget` timers that are due; true when more are.
  [[nodiscard]] bool fire_timers(Time now, std::uint32_t budget);
  [[nodiscard]] Time next_timer() const { return state_.wheel.next(); }

  // The law of the whole; slow, for tests and the simulator.
  void check_all() const;

  [[nodiscard]] std::vector<Effect>& effects() { return effects_; }
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] const State& state() const { return state_; }
  void set_watched(bool watched) { watched_ = watched; }
  // Tell RoomMade for this queue when something leaves it.
  void want_room(QueueId queue) { room_wanted_.insert(queue.value); }
  [[nodiscard]] std::uint64_t waiting_takes() const { return takes_.size(); }
  [[nodiscard]] std::uint64_t memory_bytes() const { return state_.bytes(); }

 private:
  // Of a session that was admitted.
  struct Principal {
    const User* user = nullptr;
    std::string name;  // stays when the user is gone: then nothing is allowed any more
  };
  struct Plan {
    Queue* queue = nullptr;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::uint64_t keys = 0;
    bool waiting = false;  // some of it competes for a consumer at once
  };
  // What a message's KeyLimit says about it.
  struct Verdict {
    MessageId known{};     // it is not published: this one is there
    MessageId replaced{};  // ends with its coming
    KeyHold hold;          // the key that it takes
    Time due{};
  };
  struct WaitingTake {
    SessionId session;
    std::uint64_t tag = 0;
    std::uint32_t max = 0;
    std::uint32_t timer = 0;
    Duration lease{0};
    bool connection_bound = false;
    bool unlimited = false;
    std::uint32_t slots = 0;
    bool held_back = false;  // something was, for a while
    // An answer ends with the message that reaches this, however many were asked for.
    std::uint64_t max_bytes = 8ull << 20;
    std::vector<std::pair<QueueId, std::list<std::uint32_t>::iterator>> places;
  };
  struct Watch {
    SessionId session;
    std::uint64_t tag = 0;
    MessageId id;
    std::uint32_t timer = 0;
    std::optional<std::uint64_t> log_after;  // it waits for lines beyond that one
  };

  template <class Event>
  LogPosition write(const Event& event, ByteView body = {}) {
    head_.clear();
    encode(head_, event);
    return storage_->append(static_cast<std::uint8_t>(kind_of<Event>()), head_, body);
  }
  // Of what happens in a queue in memory only the bodies are kept.
  template <class Event>
  LogPosition write(const Queue& queue, const Event& event, ByteView body = {}) {
    if (!queue.transient()) return write(event, body);
    return body.empty() ? LogPosition{} : storage_->keep(body);
  }

  // authorize.cc
  [[nodiscard]] bool trusts(const Principal* who) const {
    return who == nullptr ||
           (who->user == nullptr && who->name.empty() && state_.access.users().empty());
  }
  [[nodiscard]] bool trusts_actor() const { return trusts(actor_); }
  [[nodiscard]] std::unexpected<Error> refuse(std::string what);
  [[nodiscard]] Result<void> may_take(const Take& take, bool declares);
  [[nodiscard]] Result<void> may_declare(std::string_view queue, const QueueOptions& before,
                                         const QueueOptions& after);
  [[nodiscard]] Result<void> may_bind(const BindingSpec& spec);
  [[nodiscard]] Result<void> may_route(const RoutedPublish& publish);
  [[nodiscard]] Result<void> may_use_key(Right right, const Exchange& exchange,
                                         std::string_view key);
  [[nodiscard]] const Queue* queue_of_task(MessageId id);
  // users.cc
  [[nodiscard]] Result<const User*> administered(std::string_view name);
  [[nodiscard]] Result<void> keeps_administrator(std::string_view without) const;
  [[nodiscard]] static std::string changed_permissions(std::string_view user);
  void end_sessions(Time now, const User* user, const std::string& reason);
  // publish.cc
  [[nodiscard]] Result<Queue*> queue_for(Time now, std::string_view name);
  [[nodiscard]] std::optional<Error> invalid(const MessageInput& input) const;
  [[nodiscard]] static std::optional<Error> invalid_key(std::string_view key);
  [[nodiscard]] std::optional<Refusal> refusal(Time now, const Plan& plan);
  // Nothing: all of it may come in; verdicts_ has one for each message with a KeyLimit.
  [[nodiscard]] std::optional<PublishAnswer> plan(Time now, std::span<const Publish> publishes);
  [[nodiscard]] std::optional<PublishAnswer> plan(Time now, Queue& queue,
                                                  const MessageInput& input);
  [[nodiscard]] std::optional<PublishAnswer> refuse_what_has_no_room(
      Time now, std::span<const Publish> publishes);
  // Its id; nothing: it adds none, and `known` is there.
  struct Written {
    MessageId id;
    bool is_new;  // no: one with its key was there, and this is that one's
  };
  [[nodiscard]] Written write_new(Time now, Queue& queue, const MessageInput& input);
  Plan& plan_for(Queue& queue);
  void plan_for(Queue& queue, const MessageInput& input);
  void make_room(Time now, Queue& queue, std::uint64_t count, std::uint64_t bytes);
  MessageId write_message(Time now, Queue& queue, const MessageInput& input, const KeyHash& key,
                          bool held = false, const KeyHold* hold = nullptr);
  void bury_refused(Time now, const Queue& queue, std::span<const Publish> publishes);
  [[nodiscard]] Result<std::uint16_t> policy_number(const Policy& policy);
  [[nodiscard]] KeyHash hash_key(QueueId queue, std::string_view key,
                                 KeyKind kind = KeyKind::message) const;
  // key_limits.cc
  using Judged = std::variant<Verdict, Refusal, Error>;
  [[nodiscard]] Judged judge(Time now, Queue& queue, const MessageInput& input);
  [[nodiscard]] Judged judge_unique(Queue& queue, const KeyLimit& limit, Verdict verdict,
                                    std::uint32_t known);
  [[nodiscard]] Judged judge_throttle(Time now, Queue& queue, const KeyLimit& limit,
                                      Verdict verdict, std::uint32_t known);
  void judge_debounce(Time now, const KeyLimit& limit, Verdict& verdict, std::uint32_t known);
  [[nodiscard]] bool waits(MessageId id) const;
  [[nodiscard]] std::uint64_t bytes_to_end(MessageId id) const;
  void end_replaced(Time now, Queue& queue, MessageId id);
  // groups.cc
  void spend_token(Time now, std::uint32_t group);
  void on_group_rate(std::uint32_t group);
  // take.cc
  // How many bytes it gathered.
  std::uint64_t collect(Time now, Queue& queue, WaitingTake& take, std::vector<Leased>& into);
  [[nodiscard]] bool rate_allows(Time now, Queue& queue);
  void answer_take(SessionId session, std::uint64_t tag, std::vector<Leased> messages,
                   std::uint64_t left);
  void end_take(std::uint32_t slot, std::vector<Leased> messages);
  void leave(Time now, SessionId session);
  void serve(Time now, Queue& queue);
  bool serve_take(Time now, Queue& queue);
  // consumers.cc
  bool serve_consumer(Time now, Queue& queue);
  // streams.cc
  void seek(Consumer& consumer, const Queue& queue, const StreamStart& start) const;
  void serve_stream(Time now, Queue& queue);
  void trim_stream(Time now, Queue& queue);
  [[nodiscard]] std::uint32_t next_of_stream(Consumer& consumer, const Queue& queue) const;
  // consumers.cc again
  [[nodiscard]] std::uint32_t next_consumer(Queue& queue, std::uint64_t& sharing);
  Queue* drop_consumer(Time now, std::uint32_t slot);
  void end_consumers(Time now, Queue& queue);
  // workers.cc
  void decline(Time now, std::uint32_t slot, std::string_view why);
  void wake_declined(Time now, const Worker& worker, bool is_new);
  // suspects.cc
  [[nodiscard]] Company company_of(Time now, const Lease& lease);
  [[nodiscard]] bool is_charged(const Message& message, const Queue& queue,
                                const Company& company) const;
  void lose(Time now, std::uint32_t slot, ReturnReason reason, const Company& company);
  [[nodiscard]] bool is_last_chance(const Message& message, const Queue& queue) const;
  [[nodiscard]] bool is_careful(const Queue& queue, const WaitingTake& take) const;
  Chance chance_of(Time now, Queue& queue, WaitingTake& take, std::uint32_t slot);
  void look_again(Queue& queue, Time when);
  void take_back_of_before(Time now);
  void take_back_unclaimed(Time now);
  void own(Time now, Queue& queue, std::uint32_t slot, const WaitingTake& take, Chance chance);
  void wake_eased();
  void take_back(Time now, std::vector<std::uint32_t> slots, const Company& company);
  [[nodiscard]] std::uint32_t next_taker(Time now, Queue& queue);
  [[nodiscard]] std::vector<MessageId> cancelled_of(const Worker& worker);
  void wake_log_watchers(MessageId id);
  // queues.cc
  struct DeadLetters {
    Queue* queue = nullptr;  // where they are
    QueueId origin;          // none: of any
  };
  [[nodiscard]] Result<DeadLetters> dead_letters_of(std::string_view name);
  [[nodiscard]] bool is_dead_letter(const Message& message, QueueId origin) const;
  [[nodiscard]] Result<void> may_redrive(std::span<const std::uint32_t> slots);
  [[nodiscard]] bool move_back(Time now, std::uint32_t slot);
  [[nodiscard]] bool fits(const Message& message, const Redrive& which);
  [[nodiscard]] Result<bool> declare_unasked(Time now, std::string_view name, OptionPatch patch,
                                             SessionId owner);
  void touch(Time now, Queue& queue);
  void expire_queue(Time now, Queue& queue);
  void remove_queue(Time now, Queue& queue);
  // What an attempt, or a message, ended of.
  struct Failure {
    std::string_view error;
    Cause cause = Cause::none;
  };
  // workflows.cc
  [[nodiscard]] std::optional<Error> invalid(const WorkflowInput& input);
  // Of one that is valid.
  [[nodiscard]] WorkflowAnswer take_in(Time now, const WorkflowInput& input, MessageId replaces);
  [[nodiscard]] Result<std::uint32_t> steered_workflow(MessageId id);
  void stir(Time now);
  void fail_step(Time now, std::uint32_t slot, TaskState state, std::string_view reason,
                 const Failure& failure);
  void forget_workflow(std::uint32_t number);
  struct StepError {
    MessageId id;
    TaskState state = TaskState::cancelled;
    std::string task, message;
  };
  [[nodiscard]] StepError step_error(std::uint32_t step);
  [[nodiscard]] std::string reason_of(std::uint32_t step);
  // exchanges.cc
  [[nodiscard]] Result<void> may_declare(const ExchangeSpec& spec);
  [[nodiscard]] Result<void> check_ends(SessionId session, const BindingSpec& spec);
  void write_gone_exchanges();
  // settle.cc
  [[nodiscard]] std::uint32_t leased_slot(const LeaseToken& token) const;
  [[nodiscard]] std::uint32_t leased_slot(const LeaseToken& token, std::uint32_t slot) const;
  [[nodiscard]] std::uint64_t seal_of(MessageId id, std::uint32_t delivery) const;
  void look_up(std::span<const LeaseToken> tokens);  // into leased_
  void acknowledge(Time now, const Settle& settle);
  void end_deliveries(Time now, const Settle& settle);
  [[nodiscard]] SettleOutcome replace(Time now, const Settle& settle);
  [[nodiscard]] bool leaves_result(const Message& message) const;
  [[nodiscard]] Duration result_ttl(const Message& message) const;
  // `history`: of a message that stays in the dead letters; else the one that it has is kept.
  void finish_task(Time now, std::uint32_t slot, TaskState state, ByteView result,
                   std::string_view error, bool keeps_message, ByteView history = {});
  [[nodiscard]] bool is_poisoned(const Message& message, Cause cause);
  static void note_failed(Queue& queue, Cause cause);
  // A delivery failed: another attempt, or the dead letters.
  void fail_delivery(Time now, std::uint32_t slot, ReturnReason reason, const Failure& failure,
                     std::optional<Duration> delay);
  void requeue(Time now, std::uint32_t slot, ReturnReason reason, Cause cause);
  // dead_letter.cc
  void bury(Time now, std::uint32_t slot, MoveReason reason, const Failure& failure);
  void bury_copy(Time now, std::uint32_t slot, Queue& target, MoveReason reason,
                 const Failure& failure);
  void bury_by_exchange(Time now, std::uint32_t slot, MoveReason reason, const Failure& failure);
  void keep_dying(Time now, std::uint32_t slot, MoveReason reason, const Failure& failure);
  void note_buried(Time now, Queue& queue, MessageId id, MoveReason reason);
  [[nodiscard]] bool publish_dead_letter(Time now, const Queue& from, MessageInput input,
                                         ByteView headers, MoveReason reason);
  // settle.cc again
  void end_message(Time now, std::uint32_t slot, SettleReason reason, std::string_view error);
  [[nodiscard]] Result<bool> relocate_message(MessageId id, LogPosition position);
  [[nodiscard]] Result<bool> relocate_result(MessageId id, LogPosition position);
  [[nodiscard]] Result<bool> relocate_history(MessageId id, LogPosition position);
  [[nodiscard]] std::uint32_t max_attempts(const Message& message, const Queue& queue) const;
  void note_settled(Time now, Queue& queue, const Message& message, std::uint64_t count);
  // The history of a message with one more entry, as JSON; lives until the next call.
  [[nodiscard]] ByteView history_with(Time now, const Message& message, std::string_view reason,
                                      const Failure& failure);
  // tasks.cc
  // Ends the unfinished tasks of a queue that are in one of the states that `which` says yes to.
  void cancel_tasks(Time now, const Queue& queue, bool leased_too, std::string_view why);
  [[nodiscard]] TaskState state_of_workflow(MessageId id) const;
  void wake_watchers(MessageId id);
  void add_watch(SessionId session, std::uint64_t tag, MessageId id, Time until,
                 std::optional<std::uint64_t> log_after);
  void expire_watch(std::uint32_t slot);
  // timers.cc
  void on_message_due(Time now, std::uint32_t slot);
  void on_message_expires(Time now, std::uint32_t slot);
  [[nodiscard]] bool has_expired(Time now, const Message& message) const;
  // Ends a message whose time is over, or moves it where its queue wants such ones.
  void expire(Time now, std::uint32_t slot);

  // schedules.cc
  [[nodiscard]] Result<ScheduleSetEvent> checked_schedule(Time now, const ScheduleSpec& spec);
  [[nodiscard]] Result<void> keeps_schedule_limits(const ScheduleSpec& spec) const;
  [[nodiscard]] Result<Schedule*> administered_schedule(std::string_view name);
  void start_schedules(Time now);
  void on_schedule_due(Time now, std::uint32_t slot);
  void fire_due(Time now, Schedule& schedule);
  [[nodiscard]] bool judge_missed(Time now, Schedule& schedule);
  [[nodiscard]] bool has_unfinished_run(const Schedule& schedule);
  [[nodiscard]] PublishAnswer publish_scheduled(Time now, Schedule& schedule, Time due,
                                                IdList& ids);
  void try_to_fire(Time now, Schedule& schedule, Time due);
  void note_schedule(Schedule& schedule, const ScheduleFiredEvent& event);
  void look_again(Time now, Schedule& schedule);

  void changed(Time now, Queue& queue);
  void happened(Time now, std::string_view kind, const Queue& queue, MessageId id,
                std::string_view detail);

  EngineOptions options_;
  Random& random_;
  State state_;
  Storage* storage_ = nullptr;
  std::vector<Effect> effects_;
  Slab<WaitingTake, 6> takes_;
  std::unordered_map<SessionId, std::unordered_map<std::uint64_t, std::uint32_t>> session_takes_;
  Slab<Watch, 6> watches_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> watches_by_id_;
  std::unordered_map<SessionId, std::unordered_set<std::uint32_t>> session_watches_;
  std::unordered_set<std::uint32_t> room_wanted_;
  std::unordered_map<std::string, std::uint16_t> policy_numbers_;
  bool watched_ = false;
  std::unordered_map<SessionId, Principal> principals_;
  const Principal* actor_ = nullptr;  // null: the engine itself, or the program that it is part of
  std::uint64_t denied_ = 0;
  WorkerList workers_;
  TaskLogs logs_;
  std::set<MessageId> declined_;  // held back, and for whom is known
  std::uint64_t declined_count_ = 0;
  Slab<Consumer, 6> consumers_;
  std::unordered_map<SessionId, std::unordered_map<std::uint64_t, std::uint32_t>>
      session_consumers_;
  struct PoolKey {
    SessionId session;
    std::uint64_t number = 0;
    bool operator==(const PoolKey&) const = default;
  };
  struct PoolHash {
    std::size_t operator()(const PoolKey& key) const {
      return key.session.value * 0x9e3779b97f4a7c15u ^ key.number;
    }
  };
  std::unordered_map<PoolKey, CreditPool, PoolHash> pools_;
  std::unordered_map<SessionId, std::vector<QueueId>> exclusive_queues_;
  // Where messages of an exchange and a key go, until the topology changes.
  std::unordered_map<std::string, std::vector<std::string_view>> routes_;
  std::uint64_t routes_version_ = 0;
  std::string route_key_;
  std::vector<std::string_view> targets_;
  std::vector<std::uint32_t> touched_;
  struct Found {
    IdList ids;
    std::vector<std::uint32_t> slots;
  };
  Found leased_;  // what is being settled
  std::uint64_t settles_ = 0;
  std::vector<Plan> plans_;  // what a publish would add to each queue
  // Of the publish that is being decided: verdicts in the order of its messages, the keys that they
  // take, and what ending those takes that are replaced.
  std::vector<Verdict> verdicts_;
  std::size_t next_verdict_ = 0;
  std::unordered_set<std::uint64_t> limit_keys_;
  std::uint64_t replaced_bytes_ = 0;
  std::uint32_t replaced_ = 0;
  Bytes head_, body_, history_;
  IdList ids_;
};

class [[nodiscard]] Engine::Acting {
 public:
  Acting(Engine& engine, const Principal* who)
      : engine_(engine), before_(std::exchange(engine.actor_, who)) {}
  ~Acting() { engine_.actor_ = before_; }
  Acting(const Acting&) = delete;
  Acting& operator=(const Acting&) = delete;

 private:
  Engine& engine_;
  const Principal* before_;
};

}  // namespace penstock::engine
