// Taking from a queue behind a connection, and settling what was taken.
#include <algorithm>
#include <mutex>

#include "base/headers.h"
#include "broker/broker.h"
#include "os/real_clock.h"
#include "task/remote.h"
#include "task/worker_json.h"
#include "task/workflow.h"
#include "wire/resp/packed.h"

namespace penstock::detail {
namespace {

using broker::Broker;

Result<Deliveries> unpack(std::string_view rows) {
  Deliveries taken;
  auto storage = std::make_unique_for_overwrite<std::byte[]>(rows.size());
  std::ranges::copy(as_bytes(rows), storage.get());
  wire::resp::MessageReader reader(ByteView(storage.get(), rows.size()));
  while (const auto row = reader.next()) {
    taken.messages.push_back(
        {.id = row->lease.id,
         .lease = {row->lease.id, row->lease.delivery, row->lease.seal, row->lease.place},
         .queue = row->queue,
         .attempts = row->attempts,
         .priority = row->priority,
         .task = find_header(row->headers, kTaskHeader).has_value(),
         .enqueued_at = row->enqueued_at,
         .deadline = row->deadline,
         .expires_at = row->expires_at,
         .group = row->group,
         .headers = row->headers,
         .body = row->body});
  }
  if (reader.damaged())
    return fail(ErrorCode::unsupported, "the server's packed messages have another shape",
                "client and server are of different versions");
  taken.storage.push_back(std::move(storage));
  return taken;
}

class RemoteConsumer final : public Consumer {
 public:
  explicit RemoteConsumer(std::unique_ptr<client::Client> client) : client_(std::move(client)) {}

  Result<Deliveries> take(std::span<const std::string> queues, std::uint32_t max, Duration wait,
                          Duration lease) override {
    const auto stop = stop_token();
    if (stop.stop_requested()) return Deliveries{};
    const auto request =
        client::receive_packed(queues, {.max = max, .wait = wait, .lease = lease, .slots = slots_});
    const auto answer =
        wait > Duration(0) ? client_->call_waiting(request, stop) : client_->call(request);
    if (!answer) return failed(answer);
    return unpack(*answer);
  }
  Result<Deliveries> take_on(std::span<const std::string> queues, std::uint32_t max, Duration wait,
                             const std::function<std::uint32_t()>& ahead) override;
  [[nodiscard]] bool asks_ahead() const override { return true; }
  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    takes_end_.request_stop();
  }
  void pause(bool paused) override {
    const std::lock_guard lock(mutex_);
    if (paused)
      takes_end_.request_stop();
    else if (!stopped_)
      takes_end_ = std::stop_source();
  }

  Result<std::uint64_t> settle(std::span<Settlement> settlements) override;
  Result<void> extend(std::span<Extension> extensions) override;
  Result<engine::WorkerTold> announce(const engine::WorkerSpec& worker) override {
    return told(client_->call(client::announce_worker(to_json(worker))));
  }
  Result<engine::WorkerTold> beat(const engine::WorkerBeat& beat) override {
    return told(client_->call(client::beat_worker(to_json(beat))));
  }

 private:
  [[nodiscard]] std::stop_token stop_token() {
    const std::lock_guard lock(mutex_);
    return takes_end_.get_token();
  }
  [[nodiscard]] static Result<engine::WorkerTold> told(
      const client::Answer<client::WorkerTold>& answer) {
    if (!answer) return failed(answer);
    return engine::WorkerTold{answer->quiet, answer->stop, answer->slots};
  }
  Result<std::uint64_t> settle_acks(std::span<Settlement> settlements);
  Result<std::uint64_t> settle_by_one_command(std::span<Settlement> settlements);
  Result<std::uint64_t> settle_other(Settlement& settlement);
  Result<void> extend(Extension& extension);

  std::unique_ptr<client::Client> client_;
  // Of take_on():
  std::unique_ptr<client::Lane> lane_;
  bool begun_ = false;

  std::mutex mutex_;  // of what follows
  std::stop_source takes_end_;
  bool stopped_ = false;
};

// While one answer is unpacked and run, the server makes the next one ready. Small ones are
// unpacked sooner than another is asked for.
Result<Deliveries> RemoteConsumer::take_on(std::span<const std::string> queues, std::uint32_t max,
                                           Duration wait,
                                           const std::function<std::uint32_t()>& ahead) {
  constexpr std::size_t kLarge = 16 << 10;
  const auto request = [&](std::uint32_t most) {
    return client::receive_packed(queues, {.max = most, .wait = wait, .slots = slots_});
  };
  const auto stop = stop_token();
  if (!begun_) {
    if (stop.stop_requested()) return Deliveries{};
    if (!lane_) lane_ = client_->open_lane();
    lane_->begin(request(max));
  }
  begun_ = false;
  const auto answer = lane_->end(request(max), stop);
  if (!answer) return failed(answer);
  if (answer->size() >= kLarge && !stop.stop_requested())
    if (const auto more = ahead(); more > 0) {
      lane_->begin(request(more));
      begun_ = true;
    }
  return unpack(*answer);
}

// Runs of acks go together; the rest is rare and goes one by one.
Result<std::uint64_t> RemoteConsumer::settle(std::span<Settlement> settlements) {
  std::uint64_t lost = 0;
  while (!settlements.empty()) {
    const auto other = std::ranges::find_if(settlements, [](const Settlement& s) {
      return s.outcome != engine::Outcome::ack || s.replacement != nullptr;
    });
    const auto acks = static_cast<std::size_t>(other - settlements.begin());
    const auto answer =
        acks > 0 ? settle_acks(settlements.first(acks)) : settle_other(settlements.front());
    if (!answer) return answer;
    lost += *answer;
    settlements = settlements.subspan(std::max<std::size_t>(acks, 1));
  }
  return lost;
}

// In commands of some size: the server's limit is for the largest result.
Result<std::uint64_t> RemoteConsumer::settle_acks(std::span<Settlement> settlements) {
  constexpr std::size_t kCommandBytes = 1u << 20, kRowBytes = 32;
  std::uint64_t lost = 0;
  while (!settlements.empty()) {
    std::size_t count = 0;
    for (std::size_t bytes = 0; count < settlements.size(); ++count) {
      bytes += kRowBytes + settlements[count].result.size();
      if (count > 0 && bytes > kCommandBytes) break;
    }
    const auto answer = settle_by_one_command(settlements.first(count));
    if (!answer) return answer;
    lost += *answer;
    settlements = settlements.subspan(count);
  }
  return lost;
}

// The server takes all of a command or nothing. One of a refused command is at fault: which, is
// found by halves.
Result<std::uint64_t> RemoteConsumer::settle_by_one_command(std::span<Settlement> settlements) {
  Bytes rows;
  wire::resp::EndPacker packer(rows);
  for (const auto& settlement : settlements) {
    const auto& [id, delivery, seal, place] = settlement.lease;
    packer.add({.lease = {id, delivery, seal, place}, .result = settlement.result});
  }
  const auto answer = client_->call(client::done_packed(as_text(rows)));
  if (answer) return settlements.size() - std::min<std::uint64_t>(*answer, settlements.size());
  if (!blames_what_was_said(answer.error().error)) return failed(answer);
  if (settlements.size() == 1) {
    settlements.front().refused = answer.error().error;
    return 0;
  }
  const auto half = settlements.size() / 2;
  const auto first = settle_by_one_command(settlements.first(half));
  if (!first) return first;
  const auto second = settle_by_one_command(settlements.subspan(half));
  if (!second) return second;
  return *first + *second;
}

Result<std::uint64_t> RemoteConsumer::settle_other(Settlement& settlement) {
  const std::string lease = Broker::to_text(settlement.lease);
  const auto request = [&] {
    if (settlement.replacement != nullptr)
      return client::replace_task(lease,
                                  to_json(*settlement.replacement, make_real_clock()->now()));
    switch (settlement.outcome) {
      case engine::Outcome::nack:
        return client::nack(lease, settlement.delay, settlement.error,
                            engine::name_of(settlement.cause));
      case engine::Outcome::requeue:
        return client::nack(lease, Duration(0), settlement.error,
                            engine::name_of(settlement.cause));
      case engine::Outcome::reject:
        return client::reject(lease, settlement.error, engine::name_of(settlement.cause));
      case engine::Outcome::give_back:
        return client::give_back(lease);
      case engine::Outcome::decline:
        return client::decline_task(lease, settlement.error);
      case engine::Outcome::ack:
        break;
    }
    return client::ack(lease);
  }();
  const auto answer = client_->call(request);
  if (answer) return 0;
  const Error& error = answer.error().error;
  if (error.code == ErrorCode::conflict) return 1;
  if (settlement.replacement != nullptr || !blames_what_was_said(error)) return failed(answer);
  settlement.refused = error;
  return 0;
}

// One that is refused keeps none of the others from being told; without a connection none is.
Result<void> RemoteConsumer::extend(std::span<Extension> extensions) {
  Result<void> all{};
  for (auto& extension : extensions) {
    auto told = extend(extension);
    if (told) continue;
    const ErrorCode code = told.error().code;
    if (all) all = std::move(told);
    if (code == ErrorCode::closed || code == ErrorCode::timeout) break;
  }
  return all;
}

Result<void> RemoteConsumer::extend(Extension& extension) {
  const std::string lease = Broker::to_text(extension.lease);
  const auto note = [&](const auto& answer) -> Result<void> {
    extension.lost = !answer && answer.error().error.code == ErrorCode::conflict;
    extension.heard = answer || extension.lost;
    if (extension.heard) return {};
    return failed(answer);
  };
  if (extension.progress != nullptr) {
    const auto& progress = *extension.progress;
    const auto answer =
        client_->call(client::progress(lease, progress.value, progress.total, progress.text));
    if (answer) extension.cancelled = !*answer;
    return note(answer);
  }
  if (extension.log != nullptr) {
    const auto answer = client_->call(client::log_task(lease, *extension.log));
    if (answer) extension.cancelled = !*answer;
    return note(answer);
  }
  const auto answer = client_->call(client::extend(lease, extension.duration));
  if (answer) {
    extension.cancelled = answer->cancelled;
    extension.deadline = answer->deadline;
  }
  return note(answer);
}

}  // namespace

std::unique_ptr<Consumer> make_remote_consumer(std::unique_ptr<client::Client> client) {
  return std::make_unique<RemoteConsumer>(std::move(client));
}

}  // namespace penstock::detail
