// The part of the outbox that knows no database.
#include "penstock/outbox.hpp"

#include <condition_variable>
#include <mutex>

#include "task/core.h"

namespace penstock::outbox {
namespace {

constexpr std::size_t kDeclaredMax = 1024;

// What a row says besides name, queue and payload; microseconds.
struct StoredBackoff {
  int kind = 0;
  std::int64_t base = 0, cap = 0;
  bool jitter = true;
};
BOOST_DESCRIBE_STRUCT(StoredBackoff, (), (kind, base, cap, jitter))

struct StoredOptions {
  std::optional<std::uint32_t> max_attempts;
  std::optional<StoredBackoff> backoff;
  std::optional<std::int64_t> lease, result_ttl, delay, at, expires;
  std::optional<std::uint8_t> priority;
  std::optional<std::string> group;
  std::optional<Headers> headers;
};
BOOST_DESCRIBE_STRUCT(StoredOptions, (),
                      (max_attempts, backoff, lease, result_ttl, delay, at, expires, priority,
                       group, headers))

std::optional<std::int64_t> to_stored(const std::optional<Duration>& time) {
  if (!time) return {};
  return time->count();
}
std::optional<Duration> from_stored(const std::optional<std::int64_t>& time) {
  if (!time) return {};
  return Duration(*time);
}

StoredOptions to_stored(const TaskOptions& task, const EnqueueOptions& options) {
  if (options.unique || options.debounce || options.throttle)
    throw InvalidInput("what goes through the outbox is not unique, debounced or throttled");
  StoredOptions stored;
  stored.max_attempts = task.max_attempts;
  if (const auto& backoff = task.backoff)
    stored.backoff = {static_cast<int>(backoff->kind), backoff->base.count(), backoff->cap.count(),
                      backoff->jitter};
  stored.lease = to_stored(task.lease);
  stored.result_ttl = to_stored(task.result_ttl);
  stored.priority = options.priority.value_or(task.priority);
  if (options.delay > Duration(0)) stored.delay = options.delay.count();
  if (options.at) stored.at = micros(penstock::detail::to_time(*options.at));
  stored.expires = to_stored(options.expires);
  if (!options.group.empty()) stored.group = options.group;
  if (!options.headers.empty()) stored.headers = options.headers;
  return stored;
}

TaskOptions task_options(const Row& row, const StoredOptions& stored) {
  TaskOptions options;
  options.queue = row.queue;
  options.max_attempts = stored.max_attempts;
  if (const auto& backoff = stored.backoff)
    options.backoff = {static_cast<Backoff::Kind>(backoff->kind), Duration(backoff->base),
                       Duration(backoff->cap), backoff->jitter};
  options.lease = from_stored(stored.lease);
  options.result_ttl = from_stored(stored.result_ttl);
  return options;
}

EnqueueOptions enqueue_options(const Row& row, const StoredOptions& stored) {
  EnqueueOptions options;
  options.key = row.id;
  options.delay = Duration(stored.delay.value_or(0));
  if (stored.at) options.at = penstock::detail::to_time_point(time_from_micros(*stored.at));
  options.expires = from_stored(stored.expires);
  options.priority = stored.priority;
  options.group = stored.group.value_or("");
  options.headers = stored.headers.value_or(Headers{});
  return options;
}

}  // namespace

std::string detail::insert(Table& table, const penstock::detail::TaskDefinition& task,
                           const EnqueueOptions& options, std::string payload) {
  return table.insert({.task = task.name,
                       .queue = options.queue.empty() ? task.options.queue : options.queue,
                       .payload = std::move(payload),
                       .options = to_json(to_stored(task.options, options))});
}

Drainer::Drainer(App& app, Table& table, const DrainOptions& options)
    : app_(app), table_(table), options_(options) {}

void Drainer::publish(const Row& row) {
  const auto stored = from_json<StoredOptions>(row.options, "options");
  const auto task = penstock::detail::define_task(row.task, task_options(row, stored), {});
  if (options_.dedup_window > Duration(0) && !declared_.contains(row.queue)) {
    app_.declare(row.queue, {.dedup_window = options_.dedup_window});
    if (declared_.size() >= kDeclaredMax) declared_.clear();
    declared_.insert(row.queue);
  }
  penstock::detail::Payloads payload{.text = row.payload, .ends = {}};
  payload.close();
  (void)penstock::detail::enqueue(*app_.core_, *task, enqueue_options(row, stored), payload);
}

std::size_t Drainer::drain(std::size_t max) {
  std::size_t published = 0;
  for (const auto& row : table_.oldest(max)) {
    try {
      publish(row);
    } catch (const InvalidInput& wrong) {
      table_.set_aside(row.id, wrong.what());
      continue;
    }
    table_.remove(row.id);
    ++published;
  }
  return published;
}

void Drainer::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  while (!stop.stop_requested()) {
    if (drain() > 0) continue;
    std::unique_lock lock(mutex);
    (void)stopped.wait_for(lock, stop, options_.every, [] { return false; });
  }
}

}  // namespace penstock::outbox
