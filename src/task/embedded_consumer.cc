// Taking from a queue in this process, and settling what was taken.
#include "task/embedded.h"

namespace penstock::detail {
namespace {

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

class EmbeddedConsumer final : public Consumer {
 public:
  EmbeddedConsumer(Embedded& backend, SessionId session) : backend_(backend), session_(session) {}
  ~EmbeddedConsumer() override;
  Result<Deliveries> take(std::span<const std::string> queues, std::uint32_t max, Duration wait,
                          Duration lease) override;
  void stop() override { end_takes(stopped_, true); }
  void pause(bool paused) override { end_takes(paused_, paused); }
  Result<std::uint64_t> settle(std::span<Settlement> settlements) override;
  Result<void> extend(std::span<Extension> extensions) override;
  Result<engine::WorkerTold> announce(const engine::WorkerSpec& worker) override;
  Result<engine::WorkerTold> beat(const engine::WorkerBeat& beat) override;

 private:
  void end_takes(bool& flag, bool value);

  class Take;
  class SettleAll;
  class ExtendAll;

  Embedded& backend_;
  const SessionId session_;
  // Broker's thread:
  bool stopped_ = false, paused_ = false;
  std::vector<broker::Tag> waiting_takes_;
};

EmbeddedConsumer::~EmbeddedConsumer() {
  backend_.on_broker([this](Broker& broker) { broker.close_session(session_); });
}

class EmbeddedConsumer::Take final : public Operation {
 public:
  Take(EmbeddedConsumer& consumer, engine::Take take)
      : consumer_(consumer), take_(std::move(take)) {}
  std::uint32_t start(Broker& broker) override {
    if (consumer_.stopped_ || consumer_.paused_) return 0;
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
  take.slots = slots_;
  if (wait > Duration(0) && backend_.waits()) take.wait_until = after(backend_.now(), wait);
  Take operation(*this, std::move(take));
  if (!backend_.operations().run(operation)) return closed();
  return std::move(operation.result);
}

// Leases that end alike are settled by one command.
class EmbeddedConsumer::SettleAll final : public Operation {
 public:
  SettleAll(SessionId session, std::span<Settlement> settlements) : session_(session) {
    leases_.reserve(settlements.size());
    for (auto& settlement : settlements) {
      leases_.push_back(settlement.lease);
      if (!runs_.empty() && alike(runs_.back().front(), settlement))
        runs_.back() = {runs_.back().data(), runs_.back().size() + 1};
      else
        runs_.emplace_back(&settlement, 1);
    }
    prepare_parts(static_cast<std::uint32_t>(runs_.size()));
  }
  std::uint32_t start(Broker& broker) override {
    std::size_t at = 0;
    for (std::uint32_t n = 0; n < runs_.size(); ++n) {
      const auto& first = runs_[n].front();
      engine::Settle settle;
      settle.leases = std::span(leases_).subspan(at, runs_[n].size());
      settle.outcome = first.outcome;
      settle.delay = first.delay;
      settle.error = first.error;
      settle.cause = first.cause;
      settle.result = as_bytes(first.result);
      settle.replacement = first.replacement;
      broker.settle(session_, tag(n), settle);
      at += runs_[n].size();
    }
    return static_cast<std::uint32_t>(runs_.size());
  }
  void on_reply(std::uint32_t index, const Reply& reply) override {
    const auto run = runs_[index];
    if (const auto* settled = std::get_if<broker::Settled>(&reply)) {
      if (result) *result += settled->lost;
    } else if (const auto* error = std::get_if<Error>(&reply)) {
      if (run.front().replacement != nullptr || !blames_what_was_said(*error))
        result = fail(*error);
      else
        for (auto& one : run) one.refused = *error;
    } else if (const auto* refused = std::get_if<broker::Refused>(&reply)) {
      result = fail(ErrorCode::busy, refused->message);
    } else {
      result = unexpected_reply();
    }
  }

  Result<std::uint64_t> result = 0;

 private:
  static bool alike(const Settlement& a, const Settlement& b) {
    return a.outcome == b.outcome && a.delay == b.delay && a.error == b.error &&
           a.cause == b.cause && a.result == b.result && a.replacement == nullptr &&
           b.replacement == nullptr;
  }

  const SessionId session_;
  std::vector<engine::LeaseToken> leases_;
  std::vector<std::span<Settlement>> runs_;
};

Result<std::uint64_t> EmbeddedConsumer::settle(std::span<Settlement> settlements) {
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
      else if (extension.log != nullptr)
        broker.log_task(
            session_, tag(index), extension.lease,
            std::vector<std::string_view>(extension.log->begin(), extension.log->end()));
      else
        broker.extend(session_, tag(index), std::span(&extension.lease, 1), extension.duration);
      ++index;
    }
    return index;
  }
  void on_reply(std::uint32_t index, const Reply& reply) override {
    Extension& extension = extensions_[index];
    if (const auto* settled = std::get_if<broker::Settled>(&reply)) {
      extension.heard = true;
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

void EmbeddedConsumer::end_takes(bool& flag, bool value) {
  backend_.on_broker([&, this](Broker& broker) {
    flag = value;
    if (!value) return;
    for (const auto tag : waiting_takes_) broker.cancel_take(session_, tag);
  });
}

Result<engine::WorkerTold> EmbeddedConsumer::announce(const engine::WorkerSpec& worker) {
  return backend_.ask_for<engine::WorkerTold, engine::WorkerTold>(
      [&](Broker& broker, broker::Tag tag) { broker.announce_worker(session_, tag, worker); },
      [](const engine::WorkerTold& told) { return told; });
}

Result<engine::WorkerTold> EmbeddedConsumer::beat(const engine::WorkerBeat& beat) {
  return backend_.ask_for<engine::WorkerTold, engine::WorkerTold>(
      [&](Broker& broker, broker::Tag tag) { broker.beat_worker(session_, tag, beat); },
      [](const engine::WorkerTold& told) { return told; });
}

}  // namespace

std::unique_ptr<Consumer> make_embedded_consumer(Embedded& backend, SessionId session) {
  return std::make_unique<EmbeddedConsumer>(backend, session);
}

}  // namespace penstock::detail
