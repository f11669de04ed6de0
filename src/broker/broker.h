// One engine, one journal: commands in, durable replies out.
//
// Threads:  one owner thread calls everything; write() with the batch that seal() gave may be
//           called by one other thread instead, and prepare() and tend() by one more. `driver.h`
//           has the loop for a process without a loop of its own.
// Lifetime: a session's sink outlives the session. Commands copy what they keep.
// Order:    replies to one session come in the order in which they became known; a reply never
// comes
//           from inside the call that asked, always from turn() or complete().
// Rule:     every reply waits until all that the engine had decided before it is durable. So
// whatever a
//           session is told, reads included, survives a power loss.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/reply.h"
#include "engine/access.h"
#include "engine/schedule.h"
#include "engine/topology.h"
#include "engine/worker.h"
#include "engine/workflow.h"
#include "journal/journal.h"

namespace penstock::broker {

struct Options {
  journal::Options journal;
  std::uint64_t max_message_bytes = 16ull << 20;  // body and headers of one message
  std::uint64_t max_results = 1'000'000;          // kept results; the oldest goes first
  Duration default_result_ttl = std::chrono::hours(1);
  std::uint32_t max_queues = 100'000;
  std::uint32_t max_schedules = 10'000;
  std::uint64_t max_blocked_bytes = 64ull << 20;  // publishes held for queues with overflow=block
  // Bodies copied for answers on their way, of all sessions; one more may be as large as an answer
  // is. Whoever asks beyond it waits.
  std::uint64_t max_copied_bytes = 64ull << 20;
  // Written to the journal between two checkpoints; more while so much lives that one is costly.
  std::uint64_t checkpoint_bytes = 1ull << 30;
  // Cleaning begins when the log takes twice what lives in it, and this many segments more.
  std::uint64_t dead_segments = 8;
  bool sole_owner = false;  // leases from before the start come back at once: nobody else has them
  std::uint64_t max_transient_bytes = 1ull << 30;  // bodies of queues that live in memory only
  const engine::FieldReader* fields = nullptr;     // for headers exchanges; outlives the broker
};

class ReplySink {
 public:
  virtual ~ReplySink() = default;
  virtual void on_reply(Tag tag, const Reply& reply) = 0;
  // Its user is gone, or may less than before: the session holds nothing any more, and whatever it
  // asks for is denied until somebody logs in again.
  virtual void on_ended(std::string_view reason) { (void)reason; }
  // Whether the reply to `tag` may come now. Who says no is asked again after Broker::resume(), of
  // its replies in their order; who keeps that order says no to all of them until then. What was
  // copied for it already comes all the same.
  [[nodiscard]] virtual bool wants_more(Tag) { return true; }
};

// Something happened that somebody may be watching for (`GET /v1/events`).
struct Happening {
  std::string_view
      kind;  // "queue_created", "queue_deleted", "refused", "dead_lettered", "task_failed", ...
  std::string_view queue;
  MessageId id;
  std::string_view detail;
  Time at;
};

class Broker {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Broker>> open(Directory& directory, Clock& clock,
                                                            Random& random, const Options& options);
  ~Broker();

  // `trusted`: of this program itself, which may do everything. Others are guests until they log
  // in; guests may do everything while there are no users, and nothing once there are.
  enum class Trust : std::uint8_t { trusted, guest };
  [[nodiscard]] SessionId open_session(ReplySink& sink, Trust trust = Trust::trusted);
  // Its waiting takes are forgotten, its connection-bound leases come back, replies on their way to
  // it are dropped.
  void close_session(SessionId session);

  // It said that it wants no more, and has room again.
  void resume(SessionId session);

  // ---- who asks. That somebody is who he says is for the caller to know.
  [[nodiscard]] bool has_users() const;
  // The hash of its password; null: there is no such user.
  [[nodiscard]] const std::string* password_of(std::string_view user) const;
  [[nodiscard]] Result<void> log_in(SessionId session, std::string_view user);
  void log_out(SessionId session);
  // Whether the session may; known now. The commands ask it of themselves.
  [[nodiscard]] Result<void> may(SessionId, engine::Right, engine::Resource,
                                 std::string_view scoped);
  [[nodiscard]] Result<void> may_enter(SessionId, std::string_view host);
  [[nodiscard]] Result<void> may_as(SessionId, engine::Role);
  [[nodiscard]] bool sees(SessionId, std::string_view host);
  // All users, for an administrator; known now.
  [[nodiscard]] Result<const engine::Access*> access(SessionId);

  // ---- commands; each is answered once, with `tag`, through the session's sink. Error::denied is
  // the answer to whoever may not.
  void publish(SessionId, Tag, const engine::Publish&);  // Published | Refused | Error
  void publish_wait(SessionId, Tag, const engine::Publish&, Time wait_until);  // for overflow=block
  // To wherever its exchange sends it. Published (without an id: no queue wants it) | Refused |
  // Error
  void publish_routed(SessionId, Tag, const engine::RoutedPublish&);
  // The same, but a refusal or an error comes back at once and is not answered: for who then waits,
  // and offers the message again. Tag 0 wants no answer at all.
  struct Offered {
    std::size_t queues = 0;  // that it went to
    std::optional<Refused> refused;
    std::optional<Error> error;
  };
  [[nodiscard]] Offered offer_routed(SessionId, Tag, const engine::RoutedPublish&);
  // Settles and messages in one commit, or nothing of it. Done | Refused | Error
  void transact(SessionId, Tag, std::span<const engine::RoutedPublish>,
                std::span<const engine::Settle>);
  void take(SessionId, Tag, const engine::Take&);  // Delivered | Error
  void cancel_take(SessionId, Tag take);           // answers that take empty-handed
  // Done | Error; from then on Delivered with the tag `consumer`, as far as its credit allows, and
  // Error::closed when its queue is gone.
  void consume(SessionId, Tag, Tag consumer, const engine::Consume&);
  void add_credit(SessionId, Tag consumer, std::int64_t messages, std::int64_t bytes);
  void add_pool_credit(SessionId, std::uint64_t pool, std::int64_t messages);
  void forget_pool(SessionId, std::uint64_t pool);
  void cancel_consumer(SessionId, Tag, Tag consumer);  // Done
  void settle(SessionId, Tag, const engine::Settle&);  // Settled | Refused | Error
  void extend(SessionId, Tag, std::span<const engine::LeaseToken>, Duration lease);   // Settled
  void progress(SessionId, Tag, const engine::LeaseToken&, const engine::Progress&);  // Settled

  // `patch` is option names and values as engine::option_fields() has them. Creates, or changes
  // live; Done{created}.
  using OptionPatch = std::span<const std::pair<std::string_view, std::string_view>>;
  void declare(SessionId, Tag, std::string_view queue, OptionPatch patch);
  void change(SessionId, Tag, std::string_view queue, OptionPatch patch);  // Done; of one there is
  // All options, to be found as they are declared: Queues (one) | Error::conflict
  void declare_same(SessionId, Tag, std::string_view queue, OptionPatch options);
  // Done: messages that went with it
  void remove(SessionId, Tag, std::string_view queue, engine::RemoveIf condition = {});
  void purge(SessionId, Tag, std::string_view queue);  // Done: ready and scheduled ones
  void redrive(SessionId, Tag, std::string_view queue, std::uint32_t max);  // dead letters go back
  // Those that fit, of a bounded number in the order of their ids: Redriven | Error
  void redrive_some(SessionId, Tag, std::string_view queue, const engine::Redrive& which);
  void retry_task(SessionId, Tag, MessageId id);       // a dead letter: Done{1} | Error not_found
  void queue(SessionId, Tag, std::string_view queue);  // Queues (one) | Error not_found
  // "weight", "rate" and "limit" of one group of a queue: Done{created} | Error
  void set_group(SessionId, Tag, std::string_view queue, std::string_view group, OptionPatch patch);
  void reset_group(SessionId, Tag, std::string_view queue, std::string_view group);  // Done
  void queues(SessionId, Tag);                                                       // Queues
  void browse(SessionId, Tag, std::string_view queue, std::uint32_t limit);          // Browsed

  // Virtual hosts, exchanges and bindings; Done | Error
  void declare_host(SessionId, Tag, std::string_view name);
  void remove_host(SessionId, Tag, std::string_view name);
  void declare_exchange(SessionId, Tag, const engine::ExchangeSpec&);
  void remove_exchange(SessionId, Tag, std::string_view name, bool if_unused);
  void bind(SessionId, Tag, const engine::BindingSpec&);
  void unbind(SessionId, Tag, const engine::BindingSpec&);
  // Users and their permissions; Done | Error
  void put_user(SessionId, Tag, const engine::UserChange&);
  void remove_user(SessionId, Tag, std::string_view name);
  void grant(SessionId, Tag, const engine::PermissionSpec&);
  void revoke(SessionId, Tag, std::string_view user, std::string_view host);
  void grant_topic(SessionId, Tag, const engine::TopicPermissionSpec&);
  void revoke_topic(SessionId, Tag, std::string_view user, std::string_view host,
                    std::string_view exchange);
  // Schedules; Done | Error, and Published | Refused | Error of a trigger
  void put_schedule(SessionId, Tag, const engine::ScheduleSpec&);
  void remove_schedule(SessionId, Tag, std::string_view name);
  void pause_schedule(SessionId, Tag, std::string_view name, bool paused);
  void trigger_schedule(SessionId, Tag, std::string_view name);
  // Known now, as with topology(): one of them, with what it publishes; all that the session sees.
  [[nodiscard]] Result<const engine::Schedule*> schedule(SessionId, std::string_view name) const;
  [[nodiscard]] Result<std::vector<const engine::Schedule*>> schedules(SessionId) const;
  // The groups of a queue for which something is set; known now, as with topology().
  [[nodiscard]] Result<std::vector<GroupStatus>> groups(SessionId, std::string_view queue) const;
  // What is known now. What is told of it goes out behind a barrier().
  [[nodiscard]] const engine::Topology& topology() const;
  // Whether the session may use it; not_found | locked. Known now, as with topology().
  [[nodiscard]] Result<const engine::QueueOptions*> check_queue(SessionId,
                                                                std::string_view queue) const;
  // How many queues it would go to now.
  [[nodiscard]] Result<std::size_t> count_routes(SessionId, const engine::RoutedPublish&) const;
  void barrier(SessionId, Tag);  // Done, when all that was decided before is durable

  // A task's status; with `wait_until` the answer comes when it ended, or then at the latest.
  void task(SessionId, Tag, MessageId id, Time wait_until);  // TaskStatus
  void cancel_task(SessionId, Tag, MessageId id);            // Done{1} | Error not_found

  // What a running task says: Settled. And what it said beyond the line `after`, by `wait_until` at
  // the latest: TaskLog
  void log_task(SessionId, Tag, const engine::LeaseToken&, std::span<const std::string_view> lines);
  void task_log(SessionId, Tag, MessageId id, std::uint64_t after, Time wait_until);

  // Workers: a session's says who it is, then again and again what it does: WorkerTold | Error
  void announce_worker(SessionId, Tag, engine::WorkerSpec);
  void beat_worker(SessionId, Tag, engine::WorkerBeat);
  // To those that are there, and those that come: WorkersOrdered | Error
  void order_workers(SessionId, Tag, const engine::WorkerOrderSpec&);
  void remove_worker_order(SessionId, Tag, std::uint64_t number);  // Done{1} | Error not_found
  // Known now, as with topology(): those of which the session sees a queue, by name; all orders.
  [[nodiscard]] Result<std::vector<const engine::Worker*>> workers(SessionId) const;
  [[nodiscard]] Result<std::vector<const engine::WorkerOrder*>> worker_orders(SessionId) const;
  [[nodiscard]] engine::WorkerTold told(const engine::Worker& worker) const;  // by all orders

  // Workflows. Their ids are those of tasks: task() tells how far one is and waits for its end, and
  // cancel_task() cancels all of it.
  void submit(SessionId, Tag,
              const engine::WorkflowInput&);           // Published (its id) | Refused | Error
  void resume_workflow(SessionId, Tag, MessageId id);  // Done{1} | Error not_found | conflict
  // In the order of their ids, those beyond `after`: Tasks
  void workflows(SessionId, Tag, MessageId after, std::uint32_t limit);

  // ---- driving
  // Fires timers, hands messages to waiting takes, releases replies that are durable.
  void turn();
  // When turn() is next due for a timer's sake; Time::max() when none is.
  [[nodiscard]] Time next_timer() const;
  [[nodiscard]] journal::Batch* seal();
  void write(journal::Batch& batch);
  void complete(journal::Batch& batch);
  // seal + write + complete + turn until nothing is left to do now; for one-threaded use.
  void settle_down();
  // Writes spare segments ahead; any one other thread.
  [[nodiscard]] Result<bool> prepare();
  // One step of making parity and scrubbing, as Journal::tend(); the same other thread. A step
  // reads a mebibyte; with kTendPace between two of them it leaves the processors to what is waited
  // for, and parity is made once the rush is over.
  [[nodiscard]] Time tend();
  static constexpr Duration kTendPace = std::chrono::milliseconds(10);
  // A checkpoint, a cleaning step, when due; call it when there is a moment.
  void maintain();
  // For an owner that had nothing to write for a while: gives back memory that only saves time, and
  // what a rush left behind. Bodies in memory stay where messages wait for them. Costs some
  // nanoseconds for each place of what came and went since the last time, and a look at each place
  // for a message; where those are more than a million, bodies stay.
  void rest();
  static constexpr Duration kRestAfter = std::chrono::seconds(5);
  // Leases stay, everything is committed, the journal is marked clean.
  void close();

  // ---- watching
  void watch(std::function<void(const Happening&)> watcher);
  // Told, from maintain(), what was found on the disk: what was repaired, and what cannot be. The
  // happenings are "journal_repaired", "journal_damaged" and "journal_unprotected".
  void watch_disk(std::function<void(const journal::Finding&)> watcher);
  struct Statistics {
    journal::Journal::Statistics journal;
    std::uint64_t messages = 0, results = 0, sessions = 0, waiting_takes = 0, timers = 0;
    std::uint64_t index_bytes = 0;      // memory of the engine's index
    std::uint64_t transient_bytes = 0;  // bodies of queues in memory
    std::uint64_t turns = 0, turn_micros_max = 0;
    std::uint64_t replies_waiting = 0;
    std::uint64_t replies_put_off = 0;      // their session did not read, or asked for too much
    std::uint64_t damaged_reads = 0;        // of records whose checksum did not hold
    std::uint64_t checkpoints_put_off = 0;  // for want of disk
    std::uint64_t denied = 0;               // commands of those who may not
    std::uint64_t workers = 0;              // that announced themselves
    std::uint64_t declined = 0;             // tasks that a worker could not run
    std::uint64_t log_bytes = 0;            // of what tasks said
  };
  [[nodiscard]] Statistics statistics() const;
  [[nodiscard]] const journal::OpenReport& open_report() const;
  [[nodiscard]] Time now() const;

  // The law of the whole state; slow, for tests and the simulator. Ends the process when it is
  // broken.
  void check() const;

  // "<id>-<delivery>-<seal>" and back; Error::invalid for anything else.
  [[nodiscard]] static std::string to_text(const engine::LeaseToken& token);
  [[nodiscard]] static Result<engine::LeaseToken> parse_lease(std::string_view text);

 private:
  class Impl;
  explicit Broker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::broker
