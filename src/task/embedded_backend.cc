// The queue in this process: a broker on a thread of its own, or on the caller's and in memory.
#include <fmt/format.h>

#include <algorithm>

#include "base/headers.h"
#include "os/file.h"
#include "os/memory_directory.h"
#include "os/real_clock.h"
#include "task/backend.h"
#include "task/operation.h"
#include "task/schedule.h"

namespace penstock::detail {
namespace {

using broker::Broker;
using broker::Reply;

// Of a log in memory: small, because every segment lies there twice, as written and as synced.
constexpr std::uint64_t kMemorySegmentBytes = 4ull << 20;
constexpr std::uint64_t kMemoryMessageBytesMax = 1ull << 20;

std::unexpected<Error> closed() {
  return fail(ErrorCode::closed, "the App is closed");
}
std::unexpected<Error> unexpected_reply() {
  return fail(ErrorCode::unsupported, "the broker gave an answer that does not fit the question");
}

// Saturating: a wait may be for ever.
Time after(Time now, Duration wait) {
  return wait >= Time::max() - now ? Time::max() : now + std::max(wait, Duration(0));
}

Result<PublishAnswer> to_publish_answer(const Reply& reply) {
  if (const auto* published = std::get_if<broker::Published>(&reply))
    return PublishAnswer(Ids(published->ids.begin(), published->ids.end()));
  if (const auto* refused = std::get_if<broker::Refused>(&reply))
    return PublishAnswer(std::unexpected(*refused));
  return unexpected_reply();
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

// The broker's views, kept beyond the reply: one allocation for all.
Deliveries keep(std::span<const broker::Delivery> messages) {
  Deliveries kept;
  if (messages.empty()) return kept;
  kept.messages.assign(messages.begin(), messages.end());
  std::size_t bytes = 0;
  for (const auto& m : messages)
    bytes += m.queue.size() + m.group.size() + m.headers.size() + m.body.size();
  kept.storage.push_back(std::make_unique_for_overwrite<std::byte[]>(bytes));
  std::byte* at = kept.storage.back().get();
  const auto move_in = [&](ByteView view) {
    const ByteView inside(at, view.size());
    at = std::ranges::copy(view, at).out;
    return inside;
  };
  for (auto& m : kept.messages) {
    m.queue = as_text(move_in(as_bytes(m.queue)));
    m.group = as_text(move_in(as_bytes(m.group)));
    m.headers = move_in(m.headers);
    m.body = move_in(m.body);
  }
  return kept;
}

class Embedded;

class EmbeddedConsumer final : public Consumer {
 public:
  EmbeddedConsumer(Embedded& backend, SessionId session) : backend_(backend), session_(session) {}
  ~EmbeddedConsumer() override;
  Result<Deliveries> take(std::span<const std::string> queues, std::uint32_t max, Duration wait,
                          Duration lease) override;
  void stop() override;
  Result<std::uint64_t> settle(std::span<const Settlement> settlements) override;
  Result<void> extend(std::span<Extension> extensions) override;

 private:
  class Take;
  class SettleAll;
  class ExtendAll;

  Embedded& backend_;
  const SessionId session_;
  // Broker's thread:
  bool stopped_ = false;
  std::vector<broker::Tag> waiting_takes_;
};

class Embedded final : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> open(const EmbeddedSettings& settings);
  static Result<InMemory> open(MemorySettings settings);

  Result<PublishAnswer> publish(const Publishing& publishing,
                                std::span<const std::string_view> bodies) override;
  Result<std::unique_ptr<Consumer>> open_consumer() override;
  Result<PublishAnswer> submit(const engine::WorkflowInput& workflow) override;
  Result<void> resume_workflow(MessageId id) override;
  Result<OwnedStatus> task(MessageId id, Duration wait) override;
  Result<bool> cancel(MessageId id) override;
  Result<bool> put_schedule(const Scheduling& scheduling) override;
  Result<void> remove_schedule(std::string_view name) override;
  Result<void> pause_schedule(std::string_view name, bool paused) override;
  Result<PublishAnswer> trigger_schedule(std::string_view name) override;
  Result<std::vector<ScheduleStatus>> schedules() override;
  Result<void> declare(std::string_view queue, const Options& options) override;
  Result<std::uint64_t> remove(std::string_view queue) override;
  Result<std::uint64_t> purge(std::string_view queue) override;
  Result<std::uint64_t> redrive(std::string_view queue, std::uint32_t max) override;
  Result<engine::QueueStatistics> queue(std::string_view name) override;
  Result<std::vector<engine::QueueStatistics>> queues() override;
  Time now() override { return clock_->now(); }
  bool waits() const override { return operations_->waits(); }
  // The directory is free afterwards, however long jobs keep this object.
  void close() override {
    operations_->close();
    if (hooks_ != nullptr) hooks_ = nullptr;  // it may be gone before us
  }

  [[nodiscard]] OperationRunner& operations() { return *operations_; }

  // Asks one thing and waits. `on_reply` gets the reply, unless it is an error, which is returned.
  template <class T, class Start>
  Result<T> ask(Start start, auto on_reply) {
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
  Result<SessionId> open_session() {
    SessionId session;
    if (!on_broker([&](Broker& broker) { session = broker.open_session(*operations_); }))
      return closed();
    return session;
  }
  // For what is answered by one kind of reply.
  template <class T, class Wanted>
  Result<T> ask_for(auto start, auto use) {
    return ask<T>(std::move(start), [&](const Reply& reply) -> Result<T> {
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
  PublishHooks* hooks_ = nullptr;
};

Result<std::unique_ptr<Backend>> Embedded::open(const EmbeddedSettings& settings) {
  const auto context = fmt::format("open {}", settings.directory);
  auto self = std::unique_ptr<Embedded>(new Embedded());
  auto directory = open_directory(settings.directory);
  if (!directory) return fail(std::move(directory.error()).at(context));
  self->directory_ = std::move(*directory);
  self->clock_ = make_real_clock();
  self->random_ = make_real_random();
  broker::Options options;
  options.max_message_bytes = settings.max_message_bytes;
  options.max_results = settings.max_results;
  options.default_result_ttl = settings.result_ttl;
  auto broker = Broker::open(*self->directory_, *self->clock_, *self->random_, options);
  if (!broker) return fail(std::move(broker.error()).at(context));
  self->operations_ =
      std::make_unique<OperationQueue>(std::make_unique<broker::Driver>(std::move(*broker)));
  auto session = self->open_session();
  if (!session) return fail(std::move(session.error()).at(context));
  self->session_ = *session;
  return self;
}

Result<InMemory> Embedded::open(MemorySettings settings) {
  auto self = std::unique_ptr<Embedded>(new Embedded());
  self->directory_ = std::make_unique<MemoryDirectory>();
  self->clock_ = std::move(settings.clock);
  self->random_ = std::move(settings.random);
  self->hooks_ = settings.hooks;
  broker::Options options;
  options.max_message_bytes = kMemoryMessageBytesMax;
  options.journal.segment_bytes = kMemorySegmentBytes;
  options.journal.reserve_bytes = 0;
  options.journal.parity = false;
  options.journal.scrub_interval = Duration(0);
  auto broker = Broker::open(*self->directory_, *self->clock_, *self->random_, options);
  if (!broker) return fail(std::move(broker.error()).at("open in memory"));
  Broker* opened = broker->get();
  self->operations_ = std::make_unique<DirectOperations>(std::move(*broker));
  auto session = self->open_session();
  if (!session) return fail(std::move(session.error()).at("open in memory"));
  self->session_ = *session;
  return InMemory{std::move(self), opened};
}

Result<PublishAnswer> Embedded::publish(const Publishing& publishing,
                                        std::span<const std::string_view> bodies) {
  if (hooks_ != nullptr)
    if (auto refused = hooks_->before(publishing, bodies.size()))
      return PublishAnswer(std::unexpected(std::move(*refused)));
  HeaderWriter headers;
  if (!publishing.task.empty()) headers.add(kTaskHeader, publishing.task);
  for (const auto& [name, value] : publishing.headers) headers.add(name, value);
  engine::MessageInput common;
  common.headers = headers.view();
  common.priority = publishing.priority;
  common.task = !publishing.task.empty();
  const Time current = now();
  if (publishing.at != Time{})
    common.not_before = publishing.at;
  else if (publishing.delay > Duration(0))
    common.not_before = after(current, publishing.delay);
  if (publishing.expires > Duration(0)) common.expires_at = after(current, publishing.expires);
  common.key = publishing.key;
  common.group = publishing.group;
  common.limit = publishing.limit;
  common.policy = publishing.policy;
  std::vector<engine::MessageInput> messages(bodies.size(), common);
  for (std::size_t i = 0; i < bodies.size(); ++i) messages[i].body = as_bytes(bodies[i]);
  const engine::Publish publish{publishing.queue, messages};

  auto answer = ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) {
        if (publishing.hold > Duration(0))
          broker.publish_wait(session_, tag, publish, after(current, publishing.hold));
        else
          broker.publish(session_, tag, publish);
      },
      to_publish_answer);
  if (hooks_ != nullptr && answer && *answer) hooks_->after(publishing, bodies, **answer);
  return answer;
}

Result<PublishAnswer> Embedded::submit(const engine::WorkflowInput& workflow) {
  auto answer = ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) { broker.submit(session_, tag, workflow); },
      to_publish_answer);
  if (hooks_ != nullptr && answer && *answer) hooks_->submitted(workflow);
  return answer;
}

Result<void> Embedded::resume_workflow(MessageId id) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.resume_workflow(session_, tag, id); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<OwnedStatus> Embedded::task(MessageId id, Duration wait) {
  const Time until = waits() ? after(now(), wait) : now();
  return ask_for<OwnedStatus, broker::TaskStatus>(
      [&](Broker& broker, broker::Tag tag) { broker.task(session_, tag, id, until); },
      [](const broker::TaskStatus& status) {
        return OwnedStatus{status,
                           std::string(status.name),
                           std::string(status.queue),
                           std::string(status.result),
                           std::string(status.error),
                           std::string(status.history),
                           std::string(status.workflow)};
      });
}

Result<bool> Embedded::cancel(MessageId id) {
  return ask_for<bool, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.cancel_task(session_, tag, id); },
      [](const broker::Done& done) { return done.count > 0; });
}

Result<bool> Embedded::put_schedule(const Scheduling& scheduling) {
  const auto& publishing = scheduling.publishing;
  HeaderWriter headers;
  if (!publishing.task.empty()) headers.add(kTaskHeader, publishing.task);
  for (const auto& [name, value] : publishing.headers) headers.add(name, value);
  engine::ScheduleSpec spec;
  spec.name = scheduling.name;
  spec.when = scheduling.when;
  spec.zone = scheduling.zone;
  spec.queue = publishing.queue;
  spec.body = as_bytes(scheduling.body);
  spec.headers = headers.view();
  spec.priority = publishing.priority;
  spec.task = !publishing.task.empty();
  spec.key = publishing.key;
  spec.group = publishing.group;
  spec.policy = publishing.policy;
  spec.missed = scheduling.missed;
  spec.overlap = scheduling.overlap;
  spec.paused = scheduling.paused;
  if (hooks_ != nullptr) hooks_->scheduled(publishing.queue);
  return ask_for<bool, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.put_schedule(session_, tag, spec); },
      [](const broker::Done& done) { return done.created; });
}

Result<void> Embedded::remove_schedule(std::string_view name) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.remove_schedule(session_, tag, name); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<void> Embedded::pause_schedule(std::string_view name, bool paused) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.pause_schedule(session_, tag, name, paused); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<PublishAnswer> Embedded::trigger_schedule(std::string_view name) {
  return ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) { broker.trigger_schedule(session_, tag, name); },
      to_publish_answer);
}

Result<std::vector<ScheduleStatus>> Embedded::schedules() {
  Result<std::vector<ScheduleStatus>> all = closed();
  on_broker([&](Broker& broker) {
    const auto found = broker.schedules(session_);
    if (!found) {
      all = fail(found.error());
      return;
    }
    all.emplace();
    for (const auto* schedule : *found) all->push_back(schedule_status(*schedule));
  });
  return all;
}

Result<void> Embedded::declare(std::string_view queue, const Options& options) {
  std::vector<std::pair<std::string_view, std::string_view>> patch(options.begin(), options.end());
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.declare(session_, tag, queue, patch); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<std::uint64_t> Embedded::remove(std::string_view queue) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.remove(session_, tag, queue); },
      [](const broker::Done& done) { return done.count; });
}

Result<std::uint64_t> Embedded::purge(std::string_view queue) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.purge(session_, tag, queue); },
      [](const broker::Done& done) { return done.count; });
}

Result<std::uint64_t> Embedded::redrive(std::string_view queue, std::uint32_t max) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.redrive(session_, tag, queue, max); },
      [](const broker::Done& done) { return done.count; });
}

Result<engine::QueueStatistics> Embedded::queue(std::string_view name) {
  return ask_for<engine::QueueStatistics, broker::Queues>(
      [&](Broker& broker, broker::Tag tag) { broker.queue(session_, tag, name); },
      [](const broker::Queues& found) -> Result<engine::QueueStatistics> {
        if (found.queues.empty()) return unexpected_reply();
        return found.queues.front();
      });
}

Result<std::vector<engine::QueueStatistics>> Embedded::queues() {
  using All = std::vector<engine::QueueStatistics>;
  return ask_for<All, broker::Queues>(
      [&](Broker& broker, broker::Tag tag) { broker.queues(session_, tag); },
      [](const broker::Queues& found) { return All(found.queues.begin(), found.queues.end()); });
}

Result<std::unique_ptr<Consumer>> Embedded::open_consumer() {
  auto session = open_session();
  if (!session) return fail(std::move(session.error()));
  return std::make_unique<EmbeddedConsumer>(*this, *session);
}

// ---- the consumer

EmbeddedConsumer::~EmbeddedConsumer() {
  backend_.on_broker([this](Broker& broker) { broker.close_session(session_); });
}

class EmbeddedConsumer::Take final : public Operation {
 public:
  Take(EmbeddedConsumer& consumer, engine::Take take)
      : consumer_(consumer), take_(std::move(take)) {}
  std::uint32_t start(Broker& broker) override {
    if (consumer_.stopped_) return 0;
    broker.take(consumer_.session_, tag(), take_);
    consumer_.waiting_takes_.push_back(tag());
    return 1;
  }
  void on_reply(std::uint32_t, const Reply& reply) override {
    std::erase(consumer_.waiting_takes_, tag());
    if (const auto* delivered = std::get_if<broker::Delivered>(&reply))
      result = keep(delivered->messages);
    else if (const auto* error = std::get_if<Error>(&reply))
      result = fail(*error);
    else
      result = unexpected_reply();
  }

  Result<Deliveries> result = Deliveries{};

 private:
  EmbeddedConsumer& consumer_;
  engine::Take take_;
};

Result<Deliveries> EmbeddedConsumer::take(std::span<const std::string> queues, std::uint32_t max,
                                          Duration wait, Duration lease) {
  engine::Take take;
  take.queues.assign(queues.begin(), queues.end());
  take.max = max;
  take.lease = lease;
  if (wait > Duration(0) && backend_.waits()) take.wait_until = after(backend_.now(), wait);
  Take operation(*this, std::move(take));
  if (!backend_.operations().run(operation)) return closed();
  return std::move(operation.result);
}

// Leases that end alike are settled by one command.
class EmbeddedConsumer::SettleAll final : public Operation {
 public:
  SettleAll(SessionId session, std::span<const Settlement> settlements) : session_(session) {
    leases_.reserve(settlements.size());
    const Settlement* before = nullptr;
    for (const auto& settlement : settlements) {
      leases_.push_back(settlement.lease);
      if (before != nullptr && alike(*before, settlement))
        ++runs_.back().count;
      else
        runs_.push_back({&settlement, 1});
      before = &settlement;
    }
  }
  std::uint32_t start(Broker& broker) override {
    std::size_t at = 0;
    for (const auto& run : runs_) {
      engine::Settle settle;
      settle.leases = std::span(leases_).subspan(at, run.count);
      settle.outcome = run.first->outcome;
      settle.delay = run.first->delay;
      settle.error = run.first->error;
      settle.cause = run.first->cause;
      settle.result = as_bytes(run.first->result);
      settle.replacement = run.first->replacement;
      broker.settle(session_, tag(), settle);
      at += run.count;
    }
    return static_cast<std::uint32_t>(runs_.size());
  }
  void on_reply(std::uint32_t, const Reply& reply) override {
    if (const auto* settled = std::get_if<broker::Settled>(&reply)) {
      if (result) *result += settled->lost;
    } else if (const auto* error = std::get_if<Error>(&reply)) {
      result = fail(*error);
    } else if (const auto* refused = std::get_if<broker::Refused>(&reply)) {
      result = fail(ErrorCode::busy, refused->message);
    } else {
      result = unexpected_reply();
    }
  }

  Result<std::uint64_t> result = 0;

 private:
  struct Run {
    const Settlement* first = nullptr;
    std::size_t count = 0;
  };
  static bool alike(const Settlement& a, const Settlement& b) {
    return a.outcome == b.outcome && a.delay == b.delay && a.error == b.error &&
           a.cause == b.cause && a.result == b.result && a.replacement == nullptr &&
           b.replacement == nullptr;
  }

  const SessionId session_;
  std::vector<engine::LeaseToken> leases_;
  std::vector<Run> runs_;
};

Result<std::uint64_t> EmbeddedConsumer::settle(std::span<const Settlement> settlements) {
  SettleAll operation(session_, settlements);
  if (!backend_.operations().run(operation)) return closed();
  return operation.result;
}

class EmbeddedConsumer::ExtendAll final : public Operation {
 public:
  ExtendAll(SessionId session, std::span<Extension> extensions)
      : session_(session), extensions_(extensions) {
    prepare_parts(static_cast<std::uint32_t>(extensions.size()));
  }
  std::uint32_t start(Broker& broker) override {
    std::uint32_t index = 0;
    for (const auto& extension : extensions_) {
      if (extension.progress != nullptr)
        broker.progress(session_, tag(index), extension.lease, *extension.progress);
      else
        broker.extend(session_, tag(index), std::span(&extension.lease, 1), extension.duration);
      ++index;
    }
    return index;
  }
  void on_reply(std::uint32_t index, const Reply& reply) override {
    Extension& extension = extensions_[index];
    if (const auto* settled = std::get_if<broker::Settled>(&reply)) {
      extension.lost = settled->lost > 0;
      extension.cancelled = settled->cancelled;
      extension.deadline = settled->deadline;
    } else if (const auto* error = std::get_if<Error>(&reply)) {
      result = fail(*error);
    } else {
      result = unexpected_reply();
    }
  }

  Result<void> result{};

 private:
  const SessionId session_;
  std::span<Extension> extensions_;
};

Result<void> EmbeddedConsumer::extend(std::span<Extension> extensions) {
  if (extensions.empty()) return {};
  ExtendAll operation(session_, extensions);
  if (!backend_.operations().run(operation)) return closed();
  return operation.result;
}

void EmbeddedConsumer::stop() {
  backend_.on_broker([this](Broker& broker) {
    stopped_ = true;
    for (const auto tag : waiting_takes_) broker.cancel_take(session_, tag);
  });
}

}  // namespace

Result<std::unique_ptr<Backend>> open_embedded(const EmbeddedSettings& settings) {
  return Embedded::open(settings);
}

Result<InMemory> open_in_memory(MemorySettings settings) {
  return Embedded::open(std::move(settings));
}

}  // namespace penstock::detail
