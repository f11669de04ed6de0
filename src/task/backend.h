// Where the durable queue is: in this process or behind a connection. The rest of the library does
// not know which.
//
// Threads:  any thread may call anything; a call blocks until it is answered.
// Lifetime: views and spans are read during the call only. Consumers must not outlive their
// backend. Errors:   ErrorCode::closed after close(), and when the server is gone; a refusal is a
// value.
#pragma once

#include <atomic>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "broker/reply.h"
#include "engine/command.h"
#include "engine/schedule.h"
#include "engine/task_log.h"
#include "engine/worker.h"
#include "engine/workflow.h"
#include "penstock/schedule.hpp"

namespace penstock::broker {
class Broker;
}

namespace penstock::detail {

// Nothing for the zero time.
[[nodiscard]] inline std::optional<TimePoint> moment(Time time) {
  if (time == Time{}) return {};
  return TimePoint(std::chrono::microseconds(micros(time)));
}

// What all messages of one publish have in common.
struct Publishing {
  std::string_view queue;
  std::string_view task;  // its name; empty = plain messages
  std::span<const std::pair<std::string, std::string>> headers;
  std::uint8_t priority = 0;
  Duration delay{0};
  Time at{};            // zero = by `delay`
  Duration expires{0};  // from now; 0 = as the queue says
  std::string_view key;
  // Of one part of many: their keys are "<key>/<number>", from this number on.
  std::optional<std::uint64_t> key_from{};
  std::string_view group;
  engine::KeyLimit limit;
  engine::Policy policy;
  Duration hold{0};      // how long a queue with overflow=block may hold it
  Duration patience{0};  // how long to wait for a server that is away
};

[[nodiscard]] inline std::string key_of(const Publishing& publishing, std::size_t index) {
  std::string key(publishing.key);
  if (!key.empty() && publishing.key_from)
    key.append("/").append(std::to_string(*publishing.key_from + index));
  return key;
}

// Of a task's body, {"args":[...]}, which we made: what is between those.
[[nodiscard]] inline std::string_view arguments_of(std::string_view body) {
  constexpr std::string_view kBefore = "{\"args\":", kAfter = "}";
  body.remove_prefix(kBefore.size());
  body.remove_suffix(kAfter.size());
  return body;
}

// A task that is submitted whenever its time comes.
struct Scheduling {
  std::string_view name, when, zone;
  Publishing publishing;
  std::string_view body;
  engine::Missed missed = engine::Missed::once;
  engine::Overlap overlap = engine::Overlap::allow;
  std::optional<bool> paused{};
};

using Ids = std::vector<MessageId>;
using PublishAnswer = std::expected<Ids, broker::Refused>;

// Messages and the bytes that they view.
struct Deliveries {
  std::vector<broker::Delivery> messages;
  std::vector<std::unique_ptr<std::byte[]>> storage;
};

struct Settlement {
  engine::LeaseToken lease{};
  engine::Outcome outcome = engine::Outcome::ack;
  std::optional<Duration> delay{};  // of a nack
  std::string_view error{};
  engine::Cause cause{};
  std::string_view result{};  // JSON
  // Of an ack: comes in the place of the task. Refused, it is a nack.
  const engine::WorkflowInput* replacement = nullptr;
  std::optional<Error> refused{};  // out: why it is not settled, by no fault of its lease
};

// Not the connection, and not a server that cannot just now: to say it again would not help.
[[nodiscard]] inline bool blames_what_was_said(const Error& error) {
  return error.code == ErrorCode::invalid || error.code == ErrorCode::too_large;
}

struct Extension {
  engine::LeaseToken lease{};
  Duration duration{0};
  // A word about its progress, or what it says, instead of a longer lease, when not null.
  const engine::Progress* progress = nullptr;
  const std::vector<std::string>* log = nullptr;
  bool heard = false;                    // out; else the server may not know of it
  bool lost = false, cancelled = false;  // out
  Time deadline{};                       // out; of an extension
};

// A task's status that owns what it says.
struct OwnedStatus {
  broker::TaskStatus status;
  std::string name, queue, result, error, history, workflow, declined;
};

// One taker of messages. What it holds comes back at once when it ends.
class Consumer {
 public:
  virtual ~Consumer() = default;
  // How many tasks its owner runs at once; each take says so.
  void say_slots(std::uint32_t slots) { slots_ = slots; }
  // Nothing when `wait` ran out or stop() was called.
  [[nodiscard]] virtual Result<Deliveries> take(std::span<const std::string> queues,
                                                std::uint32_t max, Duration wait,
                                                Duration lease) = 0;
  // The same for who takes without end, in one thread. Where an answer takes time to unpack,
  // `ahead` is called first: it says how many to ask for meanwhile, and 0 for none. The call after
  // that waits for those, whatever its own `max` is; who says a number has to make that call.
  [[nodiscard]] virtual Result<Deliveries> take_on(std::span<const std::string> queues,
                                                   std::uint32_t max, Duration wait,
                                                   const std::function<std::uint32_t()>& ahead) {
    (void)ahead;
    return take(queues, max, wait, Duration(0));
  }
  // Whether it ever does.
  [[nodiscard]] virtual bool asks_ahead() const { return false; }
  // Ends the takes that wait; those that follow come back empty-handed, of a pause until its end.
  virtual void stop() = 0;
  virtual void pause(bool paused) = 0;
  // Each on its own: what is refused keeps none of the others from being settled. The number of
  // those that came too late: their leases had run out. Only a lone one may have a replacement; if
  // that is refused, the answer says so.
  [[nodiscard]] virtual Result<std::uint64_t> settle(std::span<Settlement> settlements) = 0;
  [[nodiscard]] virtual Result<void> extend(std::span<Extension> extensions) = 0;
  // Who works here, and what is done; both answer what the worker is told. Error::not_found of a
  // beat: over the connection of now, nobody has announced himself.
  [[nodiscard]] virtual Result<engine::WorkerTold> announce(const engine::WorkerSpec& worker) = 0;
  [[nodiscard]] virtual Result<engine::WorkerTold> beat(const engine::WorkerBeat& beat) = 0;

 protected:
  std::atomic<std::uint32_t> slots_ = 0;
};

// What a task said, and whether that was all.
struct OwnedLog {
  std::vector<engine::LogLine> lines;
  bool ended = false;
};

// A message that was looked at, and nobody's meanwhile.
struct BrowsedTask {
  MessageId id;
  std::string name;  // empty: a plain message
  std::string body;
  bool waits = false;  // for a worker or for its time
};

struct ListedWorker {
  engine::Worker worker;    // its session is nobody's business
  engine::WorkerTold told;  // by all orders
};

class Backend {
 public:
  virtual ~Backend() = default;
  // All bodies or none; those of tasks are {"args":[...]}.
  [[nodiscard]] virtual Result<PublishAnswer> publish(const Publishing& publishing,
                                                      std::span<const std::string_view> bodies) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Consumer>> open_consumer() = 0;
  // When it has ended, or at the end of the wait.
  [[nodiscard]] virtual Result<OwnedStatus> task(MessageId id, Duration wait) = 0;
  // The lines behind number `after`: when there are some, or at the end of the task or of the wait.
  [[nodiscard]] virtual Result<OwnedLog> log(MessageId id, std::uint64_t after, Duration wait) = 0;
  // The id of the workflow.
  [[nodiscard]] virtual Result<PublishAnswer> submit(const engine::WorkflowInput& workflow,
                                                     Duration patience) = 0;
  // Error::not_found | conflict: it has not failed.
  [[nodiscard]] virtual Result<void> resume_workflow(MessageId id) = 0;
  // False or Error::not_found when it had ended, or never was.
  [[nodiscard]] virtual Result<bool> cancel(MessageId id) = 0;

  // True: it is new.
  [[nodiscard]] virtual Result<bool> put_schedule(const Scheduling& scheduling) = 0;
  [[nodiscard]] virtual Result<void> remove_schedule(std::string_view name) = 0;
  [[nodiscard]] virtual Result<void> pause_schedule(std::string_view name, bool paused) = 0;
  [[nodiscard]] virtual Result<PublishAnswer> trigger_schedule(std::string_view name) = 0;
  [[nodiscard]] virtual Result<std::vector<ScheduleStatus>> schedules() = 0;

  using Options = std::vector<std::pair<std::string, std::string>>;
  static constexpr Duration kPatienceToDeclare = std::chrono::seconds(30);
  // `patience`: how long to wait for a server that is away.
  [[nodiscard]] virtual Result<void> declare(std::string_view queue, const Options& options,
                                             Duration patience) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> remove(std::string_view queue) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> purge(std::string_view queue) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> redrive(std::string_view queue,
                                                      std::uint32_t max) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> redrive_some(std::string_view queue,
                                                           const engine::Redrive& which) = 0;
  [[nodiscard]] virtual Result<void> retry(MessageId id) = 0;
  // In the order of delivery.
  [[nodiscard]] virtual Result<std::vector<BrowsedTask>> browse(std::string_view queue,
                                                                std::uint32_t limit) = 0;
  [[nodiscard]] virtual Result<void> set_group(std::string_view queue, std::string_view group,
                                               const Options& settings) = 0;
  [[nodiscard]] virtual Result<void> reset_group(std::string_view queue,
                                                 std::string_view group) = 0;
  [[nodiscard]] virtual Result<std::vector<GroupStatus>> groups(std::string_view queue) = 0;
  [[nodiscard]] virtual Result<engine::QueueStatistics> queue(std::string_view name) = 0;
  [[nodiscard]] virtual Result<std::vector<engine::QueueStatistics>> queues() = 0;

  [[nodiscard]] virtual Result<std::vector<ListedWorker>> workers() = 0;
  [[nodiscard]] virtual Result<engine::WorkersOrdered> order_workers(
      const engine::WorkerOrderSpec& order) = 0;
  [[nodiscard]] virtual Result<std::vector<engine::WorkerOrder>> orders() = 0;
  [[nodiscard]] virtual Result<void> forget_order(std::uint64_t number) = 0;

  [[nodiscard]] virtual Time now() = 0;
  // False: on the caller's thread, where nobody else could bring what is waited for. Waits are
  // over at once there.
  [[nodiscard]] virtual bool waits() const { return true; }
  // Of one message, body and headers.
  [[nodiscard]] virtual std::uint64_t max_message_bytes() const = 0;
  // Ends every call that waits, then the backend. Called once.
  virtual void close() = 0;
};

struct EmbeddedSettings {
  std::string directory;
  std::uint64_t max_message_bytes = 0, max_results = 0;
  Duration result_ttl{0};
};
[[nodiscard]] Result<std::unique_ptr<Backend>> open_embedded(const EmbeddedSettings& settings);

// Told of every publish.
class PublishHooks {
 public:
  virtual ~PublishHooks() = default;
  // A refusal keeps it from the queue.
  [[nodiscard]] virtual std::optional<broker::Refused> before(const Publishing& publishing,
                                                              std::size_t count) = 0;
  virtual void after(const Publishing& publishing, std::span<const std::string_view> bodies,
                     const Ids& ids) = 0;
  // A schedule was put, which will publish to this queue.
  virtual void scheduled(std::string_view queue) = 0;
  // A workflow came in, by itself or in the place of a task.
  virtual void submitted(const engine::WorkflowInput& workflow) = 0;
};

// The same engine on a disk in memory, driven by the calls of one thread.
struct MemorySettings {
  std::unique_ptr<Clock> clock;
  std::unique_ptr<Random> random;
  PublishHooks* hooks = nullptr;  // may be null; outlives the backend's use
};
struct InMemory {
  std::unique_ptr<Backend> backend;
  broker::Broker* broker = nullptr;  // the backend's, until close(): for its timers
};
[[nodiscard]] Result<InMemory> open_in_memory(MemorySettings settings);

struct RemoteSettings {
  std::string url, name;
  Duration timeout{0};
};
[[nodiscard]] Result<std::unique_ptr<Backend>> connect_remote(const RemoteSettings& settings);

}  // namespace penstock::detail
