// The broker's inside, shared by its .cc files.
#pragma once

#include <deque>
#include <functional>
#include <unordered_map>

#include "broker/blocked.h"
#include "broker/broker.h"
#include "broker/journal_storage.h"
#include "broker/pending.h"
#include "engine/engine.h"

namespace penstock::broker {

class Broker::Impl {
 public:
  Impl(Clock& clock, Random& random, const Options& options)
      : clock_(clock),
        options_(options),
        engine_(clock.now(), engine_options(options), random),
        blocked_(options.max_blocked_bytes) {}

  [[nodiscard]] Result<void> open(Directory& directory);

  // access.cc
  // Who asks, as long as it lives. False: somebody who may ask for nothing, and was told so.
  class Asking {
   public:
    Asking(Impl& impl, SessionId session, Tag tag) : acting_(impl.engine_.act_for(session)) {
      auto allowed = impl.engine_.may_ask();
      allowed_ = allowed.has_value();
      if (!allowed_) impl.answer(session, tag, std::move(allowed.error()));
    }
    explicit operator bool() const { return allowed_; }

   private:
    engine::Engine::Acting acting_;
    bool allowed_ = false;
  };
  [[nodiscard]] Asking asks(SessionId session, Tag tag) { return {*this, session, tag}; }
  // What those hold back whose rights were taken is not published any more.
  void forget_ended();
  // Nor are they given what they asked for before.
  void withhold(Pending& pending);

  // commands.cc
  void publish(SessionId session, Tag tag, const engine::Publish& publish, Time wait_until);
  // Publishes if journal and queue have room; what to answer, and whether waiting could change it.
  struct Attempt {
    PendingReply reply;
    bool may_block = false;
  };
  using Chosen = engine::Engine::Chosen;
  [[nodiscard]] Attempt attempt(std::span<const engine::Publish> publishes, Chosen chosen);
  [[nodiscard]] PendingReply published(engine::Engine::PublishAnswer answer,
                                       const engine::IdList& ids);
  [[nodiscard]] PendingReply route(const engine::RoutedPublish& publish);
  [[nodiscard]] PendingReply transact(std::span<const engine::RoutedPublish> publishes,
                                      std::span<const engine::Settle> settles);
  void settle(SessionId session, Tag tag, const engine::Settle& settle);
  [[nodiscard]] static PendingReply refused(engine::Refusal refusal);
  void task(SessionId session, Tag tag, MessageId id, Time wait_until);
  [[nodiscard]] OwnedTask task_status(MessageId id);
  // workers.cc
  [[nodiscard]] PendingReply task_log(MessageId id, std::uint64_t after);
  // workflows.cc
  void submit(SessionId session, Tag tag, const engine::WorkflowInput& workflow);
  [[nodiscard]] std::optional<PendingReply> no_room_for(const engine::WorkflowInput& workflow);
  [[nodiscard]] bool give_input(const engine::Leased& leased, std::size_t begin);
  // False: there is none. With its tree and its value if it is to be `whole`.
  [[nodiscard]] bool workflow_status(MessageId id, bool whole, OwnedTask& task);
  [[nodiscard]] OwnedTasks workflows(MessageId after, std::uint32_t limit);
  [[nodiscard]] OwnedBrowse browse(const engine::Queue& queue, std::uint32_t limit);
  // What keeps `bytes` from the journal now, if anything.
  [[nodiscard]] std::optional<PendingReply> no_room(std::uint64_t bytes, std::uint32_t records,
                                                    std::string_view queue);

  // turn.cc
  void turn();
  void complete(journal::Batch& batch);
  void settle_effects();
  void retry_blocked(const std::string& queue);
  void expire_blocked();
  void release();
  // The bytes of bodies that went out.
  std::uint64_t hand_over(Pending& pending);
  // Where in the log the body of the nth message of an answer is.
  struct Place {
    LogPosition position;
    std::uint32_t n = 0;
  };
  // And from where to where in the arena; nothing: it could not be read.
  struct Range {
    std::size_t begin = 0, end = 0;
  };
  void gather_bodies(const engine::TakeAnswer& answer);
  [[nodiscard]] std::optional<LogPosition> position_of(const engine::TakeAnswer& answer,
                                                       const engine::Leased& leased) const;
  void gather_body(const engine::Leased& leased, ByteView body, Range& into);
  std::uint64_t deliver(ReplySink& sink, Tag tag, const engine::TakeAnswer& answer);
  void give_back(const engine::TakeAnswer& answer);

  // backlog.cc
  void ask(SessionId session, Tag tag, PendingReply asked);
  [[nodiscard]] bool has_copy_room(SessionId session) const;
  void copy(SessionId session, Tag tag, const PendingReply& asked);
  void copy_left(SessionId session, std::uint64_t bytes);
  [[nodiscard]] bool wanted(const Pending& pending) const;
  void hold(Pending pending);
  void resume(SessionId session) { resumed_.push_back(session); }
  [[nodiscard]] std::uint64_t give_held(SessionId session);
  struct Backlog;
  void wait_for_room(SessionId session, Backlog& backlog);
  void wake_thirsty();
  void drop_held(SessionId session);

  // maintain.cc
  void maintain();
  void rest();
  void tell_findings();
  [[nodiscard]] bool must_make_room() const;
  void keep_room();
  [[nodiscard]] bool checkpoint_due() const;
  [[nodiscard]] std::uint64_t most_checkpoint_bytes() const;
  void expect_checkpoint() { journal_->expect_checkpoint(most_checkpoint_bytes()); }
  void write_checkpoint();
  [[nodiscard]] std::optional<std::uint64_t> worth_cleaning() const;
  void clean();

  // Answers once everything decided so far is durable.
  void answer(SessionId session, Tag tag, PendingReply reply) {
    pending_.push_back({journal_->appended(), session, tag, std::move(reply)});
  }
  template <class T>
  void answer_result(SessionId session, Tag tag, Result<T> result) {
    if (!result) return answer(session, tag, std::move(result.error()));
    if constexpr (std::is_same_v<T, bool>)
      answer(session, tag, Done{*result ? 1u : 0u, *result});
    else if constexpr (std::is_void_v<T>)
      answer(session, tag, Done{1, false});
    else
      answer(session, tag, Done{*result, false});
  }

  static engine::EngineOptions engine_options(const Options& options) {
    engine::EngineOptions result;
    result.sole_owner = options.sole_owner;
    result.limits.max_results = options.max_results;
    result.max_message_bytes = options.max_message_bytes;
    result.max_queues = options.max_queues;
    result.max_schedules = options.max_schedules;
    result.default_result_ttl = options.default_result_ttl;
    result.fields = options.fields;
    return result;
  }

  Clock& clock_;
  Options options_;
  engine::Engine engine_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<JournalStorage> storage_;
  std::unordered_map<SessionId, ReplySink*> sessions_;
  std::uint32_t next_session_ = 1;
  std::deque<Pending> pending_;
  // What a session waits for beside pending_; only of those that wait.
  struct Backlog {
    std::deque<Pending> held;        // until it wants more, or there is room for copies
    std::uint64_t copied_bytes = 0;  // of its answers in pending_
    bool thirsty = false;            // in thirsty_
  };
  std::unordered_map<SessionId, Backlog> backlogs_;
  std::deque<SessionId> thirsty_;   // wait for room for copies, in the order of asking
  std::vector<SessionId> resumed_;  // their backlogs are to be looked at
  std::uint64_t copied_bytes_ = 0;  // in pending_
  std::uint64_t held_replies_ = 0;
  BlockedPublishes blocked_;
  std::vector<std::function<void(const Happening&)>> watchers_;
  std::vector<std::function<void(const journal::Finding&)>> disk_watchers_;
  bool more_timers_ = false, more_replies_ = false;
  bool in_flight_ = false;

  // maintenance
  std::uint64_t records_at_checkpoint_ = 0;
  std::uint64_t retry_checkpoint_at_ = 0;  // a length of the log since the last one
  struct Cleaning {
    struct Item {
      std::uint8_t kind;
      LogPosition position;
      std::uint32_t head_at, head_bytes;
    };
    std::uint64_t segment = 0;
    std::vector<Item> items;
    Bytes heads;
    std::size_t next = 0;
  };
  std::optional<Cleaning> cleaning_;

  // scratch
  std::vector<engine::Publish> publishes_;
  engine::IdList ids_;
  Bytes arena_, input_;
  std::vector<Delivery> deliveries_;
  std::vector<Place> places_;
  std::vector<Range> bodies_;
  Statistics counters_;
};

}  // namespace penstock::broker
