// The queue in this process: a broker on a thread of its own, or on the caller's and in memory.
// For embedded_*.cc only.
#pragma once

#include <algorithm>

#include "task/backend.h"
#include "task/operation.h"

namespace penstock::detail {

using broker::Broker;
using broker::Reply;

inline std::unexpected<Error> closed() {
  return fail(ErrorCode::closed, "the App is closed");
}
inline std::unexpected<Error> unexpected_reply() {
  return fail(ErrorCode::unsupported, "the broker gave an answer that does not fit the question");
}

// Saturating: a wait may be for ever.
inline Time after(Time now, Duration wait) {
  return wait >= Time::max() - now ? Time::max() : now + std::max(wait, Duration(0));
}
// An operation of one command, made of two functions.
template <class Start, class OnReply>
class Single final : public Operation {
 public:
  Single(Start start, OnReply on_reply)
      : start_(std::move(start)), on_reply_(std::move(on_reply)) {}
  std::uint32_t start(Broker& broker) override {
    start_(broker, tag());
    return 1;
  }
  void on_reply(std::uint32_t, const Reply& reply) override { on_reply_(reply); }

 private:
  Start start_;
  OnReply on_reply_;
};

// An operation without an answer.
template <class Work>
class OnBroker final : public Operation {
 public:
  explicit OnBroker(Work work) : work_(std::move(work)) {}
  std::uint32_t start(Broker& broker) override {
    work_(broker);
    return 0;
  }
  void on_reply(std::uint32_t, const Reply&) override {}

 private:
  Work work_;
};

class Embedded final : public Backend {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Backend>> open(const EmbeddedSettings& settings);
  [[nodiscard]] static Result<InMemory> open(MemorySettings settings);

  Result<PublishAnswer> publish(const Publishing& publishing,
                                std::span<const std::string_view> bodies) override;
  Result<std::unique_ptr<Consumer>> open_consumer() override;
  Result<PublishAnswer> submit(const engine::WorkflowInput& workflow, Duration patience) override;
  Result<void> resume_workflow(MessageId id) override;
  Result<OwnedStatus> task(MessageId id, Duration wait) override;
  Result<OwnedLog> log(MessageId id, std::uint64_t after, Duration wait) override;
  Result<bool> cancel(MessageId id) override;
  Result<bool> put_schedule(const Scheduling& scheduling) override;
  Result<void> remove_schedule(std::string_view name) override;
  Result<void> pause_schedule(std::string_view name, bool paused) override;
  Result<PublishAnswer> trigger_schedule(std::string_view name) override;
  Result<std::vector<ScheduleStatus>> schedules() override;
  Result<void> declare(std::string_view queue, const Options& options, Duration patience) override;
  Result<std::uint64_t> remove(std::string_view queue) override;
  Result<std::uint64_t> purge(std::string_view queue) override;
  Result<std::uint64_t> redrive(std::string_view queue, std::uint32_t max) override;
  Result<std::uint64_t> redrive_some(std::string_view queue, const engine::Redrive& which) override;
  Result<void> retry(MessageId id) override;
  Result<std::vector<BrowsedTask>> browse(std::string_view queue, std::uint32_t limit) override;
  Result<void> set_group(std::string_view queue, std::string_view group,
                         const Options& settings) override;
  Result<void> reset_group(std::string_view queue, std::string_view group) override;
  Result<std::vector<GroupStatus>> groups(std::string_view queue) override;
  Result<engine::QueueStatistics> queue(std::string_view name) override;
  Result<std::vector<engine::QueueStatistics>> queues() override;
  Result<std::vector<ListedWorker>> workers() override;
  Result<engine::WorkersOrdered> order_workers(const engine::WorkerOrderSpec& order) override;
  Result<std::vector<engine::WorkerOrder>> orders() override;
  Result<void> forget_order(std::uint64_t number) override;
  Time now() override { return clock_->now(); }
  std::uint64_t max_message_bytes() const override { return max_message_bytes_; }
  bool waits() const override { return operations_->waits(); }
  // The directory is free afterwards, however long jobs keep this object.
  void close() override {
    operations_->close();
    if (hooks_ != nullptr) hooks_ = nullptr;  // it may be gone before us
  }

  [[nodiscard]] OperationRunner& operations() { return *operations_; }

  // Asks one thing and waits. `on_reply` gets the reply, unless it is an error, which is returned.
  template <class T, class Start>
  [[nodiscard]] Result<T> ask(Start start, auto on_reply) {
    Result<T> result = closed();
    Single operation(std::move(start), [&](const Reply& reply) {
      if (const auto* error = std::get_if<Error>(&reply))
        result = fail(*error);
      else
        result = on_reply(reply);
    });
    if (!operations_->run(operation)) return closed();
    return result;
  }
  // Runs `work` on the broker's thread and waits. False when closed.
  bool on_broker(auto work) {
    OnBroker operation(std::move(work));
    return operations_->run(operation);
  }
  [[nodiscard]] Result<SessionId> open_session() {
    SessionId session;
    if (!on_broker([&](Broker& broker) { session = broker.open_session(*operations_); }))
      return closed();
    return session;
  }
  // For what is answered by one kind of reply.
  template <class T, class Wanted>
  [[nodiscard]] Result<T> ask_for(auto start, auto use) {
    return ask<T>(std::move(start), [&](const Reply& reply) -> Result<T> {
      if (const auto* refused = std::get_if<broker::Refused>(&reply))
        return fail(ErrorCode::busy, refused->message);
      const auto* wanted = std::get_if<Wanted>(&reply);
      if (wanted == nullptr) return unexpected_reply();
      return use(*wanted);
    });
  }

 private:
  Embedded() = default;

  // In this order: the broker stands on what is above it.
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<OperationRunner> operations_;
  SessionId session_;
  std::uint64_t max_message_bytes_ = 0;
  PublishHooks* hooks_ = nullptr;
};
[[nodiscard]] std::unique_ptr<Consumer> make_embedded_consumer(Embedded& backend,
                                                               SessionId session);

}  // namespace penstock::detail
