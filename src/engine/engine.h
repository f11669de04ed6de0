// Decides. Commands come in with the time; what they change is written as events to Storage and
// applied to the State; what the outside is to learn waits in effects().
//
// Threads:  one. Passive: it asks nobody for the time, sleeps never, reads bodies only through
// Storage. Lifetime: storage and random outlive it. Views in commands are read during the call.
// Failure:  a command that is refused or wrong changes nothing.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "engine/effect.h"
#include "engine/state.h"
#include "engine/statistics.h"

namespace penstock::engine {

struct EngineOptions {
  StateLimits limits;
  std::uint64_t max_message_bytes = 16ull << 20;
  std::uint32_t max_queues = 100'000;
  std::uint32_t max_dedup_keys_per_queue = 2'000'000;
  Duration default_result_ttl = std::chrono::hours(1);
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

  // ---- publishing (publish.cc)
  using PublishAnswer = std::variant<std::uint32_t, Refusal, Error>;  // the count of duplicates
  // Appends the ids, one per message, to `ids`.
  [[nodiscard]] PublishAnswer publish(Time now, std::span<const Publish> publishes, IdList& ids);
  // Whether each of its messages has a key that was taken already: then it needs no room.
  [[nodiscard]] bool adds_nothing(const Publish& publish);

  // ---- consuming (take.cc)
  // Answered through effects(), now or later. A queue that is waited for and not there is created.
  [[nodiscard]] std::optional<Error> take(Time now, SessionId session, std::uint64_t tag,
                                          const Take& take);
  void cancel_take(SessionId session, std::uint64_t tag);
  void close_session(Time now, SessionId session);
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
  [[nodiscard]] ExtendAnswer extend(Time now, std::span<const LeaseToken> leases, Duration lease);
  [[nodiscard]] ExtendAnswer progress(const LeaseToken& lease, const Progress& progress);

  // ---- queues (queues.cc)
  using OptionPatch = std::span<const std::pair<std::string_view, std::string_view>>;
  [[nodiscard]] Result<bool> declare(Time now, std::string_view name,
                                     OptionPatch patch);  // true: created
  [[nodiscard]] Result<std::uint64_t> remove(Time now, std::string_view name);
  [[nodiscard]] Result<std::uint64_t> purge(Time now, std::string_view name);
  [[nodiscard]] Result<std::uint64_t> redrive(Time now, std::string_view name, std::uint32_t max);
  [[nodiscard]] QueueStatistics statistics(Time now, const Queue& queue) const;
  // Up to `limit` messages in the order of delivery, then the leased and the scheduled ones.
  [[nodiscard]] std::vector<std::uint32_t> browse(const Queue& queue, std::uint32_t limit) const;

  // ---- tasks (tasks.cc)
  void watch_task(Time now, SessionId session, std::uint64_t tag, MessageId id, Time until);
  [[nodiscard]] Result<void> cancel_task(Time now, MessageId id);
  [[nodiscard]] TaskState task_state(MessageId id) const;

  // ---- cleaning (relocate.cc): writes what a record carries anew if it is still needed from
  // there, so that its segment can go. True when something was written.
  [[nodiscard]] Result<bool> relocate(std::uint8_t kind, ByteView head, LogPosition position);

  // Fires up to `budget` timers that are due; true when more are.
  [[nodiscard]] bool fire_timers(Time now, std::uint32_t budget);
  [[nodiscard]] Time next_timer() const { return state_.wheel.next(); }

  [[nodiscard]] std::vector<Effect>& effects() { return effects_; }
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] const State& state() const { return state_; }
  void set_watched(bool watched) { watched_ = watched; }
  // Tell RoomMade for this queue when something leaves it.
  void want_room(QueueId queue) { room_wanted_.insert(queue.value); }
  [[nodiscard]] std::uint64_t waiting_takes() const { return takes_.size(); }
  [[nodiscard]] std::uint64_t memory_bytes() const { return state_.bytes(); }

 private:
  struct Plan {
    Queue* queue = nullptr;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    std::uint64_t keys = 0;
    bool waiting = false;  // some of it competes for a consumer at once
  };
  struct WaitingTake {
    SessionId session;
    std::uint64_t tag = 0;
    std::uint32_t max = 0;
    std::uint32_t timer = 0;
    Duration lease{0};
    bool connection_bound = false;
    std::vector<std::pair<QueueId, std::list<std::uint32_t>::iterator>> places;
  };
  struct Watch {
    SessionId session;
    std::uint64_t tag = 0;
    MessageId id;
    std::uint32_t timer = 0;
  };

  template <class Event>
  LogPosition write(const Event& event, ByteView body = {}) {
    head_.clear();
    encode(head_, event);
    return storage_->append(static_cast<std::uint8_t>(kind_of<Event>()), head_, body);
  }

  // publish.cc
  [[nodiscard]] Result<Queue*> queue_for(Time now, std::string_view name);
  [[nodiscard]] std::optional<Error> invalid(const MessageInput& input) const;
  [[nodiscard]] std::optional<Refusal> refusal(Time now, const Plan& plan);
  void make_room(Time now, Queue& queue, std::uint64_t count, std::uint64_t bytes);
  MessageId write_message(Time now, Queue& queue, const MessageInput& input, const KeyHash& key);
  [[nodiscard]] Result<std::uint16_t> policy_number(const Policy& policy);
  [[nodiscard]] KeyHash hash_key(QueueId queue, std::string_view key) const;
  // take.cc
  void collect(Time now, Queue& queue, const WaitingTake& take, std::vector<Leased>& into);
  [[nodiscard]] bool rate_allows(Time now, Queue& queue);
  void end_take(std::uint32_t slot, std::vector<Leased> messages);
  void serve(Time now, Queue& queue);
  // settle.cc
  [[nodiscard]] std::uint32_t leased_slot(const LeaseToken& token) const;
  [[nodiscard]] std::uint64_t seal_of(MessageId id, std::uint32_t delivery) const;
  void acknowledge(Time now, const Settle& settle, const IdList& ids);
  // `history`: of a message that stays in the dead letters; else the one that it has is kept.
  void finish_task(Time now, std::uint32_t slot, TaskState state, ByteView result,
                   std::string_view error, bool keeps_message, ByteView history = {});
  // A delivery failed: another attempt, or the dead letters.
  void fail_delivery(Time now, std::uint32_t slot, ReturnReason reason, std::string_view error,
                     std::optional<Duration> delay);
  void bury(Time now, std::uint32_t slot, MoveReason reason, std::string_view error);
  void end_message(Time now, std::uint32_t slot, SettleReason reason, std::string_view error);
  [[nodiscard]] Result<bool> relocate_message(MessageId id, LogPosition position);
  [[nodiscard]] Result<bool> relocate_result(MessageId id, LogPosition position);
  [[nodiscard]] Result<bool> relocate_history(MessageId id, LogPosition position);
  [[nodiscard]] std::uint32_t max_attempts(const Message& message, const Queue& queue) const;
  void note_settled(Time now, Queue& queue, const Message& message, std::uint64_t count);
  // The history of a message with one more entry, as JSON; lives until the next call.
  [[nodiscard]] ByteView history_with(Time now, const Message& message, std::string_view reason,
                                      std::string_view error);
  // tasks.cc
  // Ends the unfinished tasks of a queue that are in one of the states that `which` says yes to.
  void cancel_tasks(Time now, const Queue& queue, bool leased_too, std::string_view why);
  void wake_watchers(MessageId id);
  void expire_watch(std::uint32_t slot);
  // timers.cc
  void on_message_due(Time now, std::uint32_t slot);
  void on_message_expires(Time now, std::uint32_t slot);
  [[nodiscard]] bool has_expired(Time now, const Message& message) const;
  // Ends a message whose time is over, or moves it where its queue wants such ones.
  void expire(Time now, std::uint32_t slot);

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
  std::vector<Plan> plans_;  // what a publish would add to each queue
  Bytes head_, body_, history_;
  IdList ids_;
};

}  // namespace penstock::engine
