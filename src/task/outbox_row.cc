#include "task/outbox_row.h"

#include <algorithm>

#include "penstock/json.hpp"
#include "task/core.h"

namespace penstock::outbox {
namespace {

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
  std::optional<std::int64_t> lease, result_ttl, delay, at, expires, timeout, hard_timeout;
  std::optional<std::uint8_t> priority;
  std::optional<std::string> group;
  std::optional<Headers> headers;
};
BOOST_DESCRIBE_STRUCT(StoredOptions, (),
                      (max_attempts, backoff, lease, result_ttl, delay, at, expires, timeout,
                       hard_timeout, priority, group, headers))

// Longer ones are cut: sums with the time of day have to fit.
Duration bounded(std::int64_t time) {
  constexpr Duration kLongest = std::chrono::hours(24 * 365 * 100);
  return std::clamp(Duration(time), -kLongest, kLongest);
}

std::optional<std::int64_t> to_stored(const std::optional<Duration>& time) {
  if (!time) return {};
  return time->count();
}
std::optional<Duration> from_stored(const std::optional<std::int64_t>& time) {
  if (!time) return {};
  return bounded(*time);
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
  stored.timeout = to_stored(options.timeout);
  stored.hard_timeout = to_stored(options.hard_timeout);
  if (!options.group.empty()) stored.group = options.group;
  if (!options.headers.empty()) stored.headers = options.headers;
  return stored;
}

TaskOptions task_options(const Row& row, const StoredOptions& stored) {
  TaskOptions options;
  options.queue = row.queue;
  options.max_attempts = stored.max_attempts;
  if (const auto& backoff = stored.backoff) {
    if (backoff->kind < 0 || backoff->kind > static_cast<int>(Backoff::Kind::exponential))
      throw InvalidInput("options: there is no such kind of backoff");
    options.backoff = {static_cast<Backoff::Kind>(backoff->kind), bounded(backoff->base),
                       bounded(backoff->cap), backoff->jitter};
  }
  options.lease = from_stored(stored.lease);
  options.result_ttl = from_stored(stored.result_ttl);
  return options;
}

EnqueueOptions enqueue_options(const Row& row, const StoredOptions& stored) {
  EnqueueOptions options;
  options.key = row.id;
  options.delay = bounded(stored.delay.value_or(0));
  if (stored.at) options.at = penstock::detail::to_time_point(time_from_micros(*stored.at));
  options.expires = from_stored(stored.expires);
  options.timeout = from_stored(stored.timeout);
  options.hard_timeout = from_stored(stored.hard_timeout);
  options.priority = stored.priority;
  options.group = stored.group.value_or("");
  options.headers = stored.headers.value_or(Headers{});
  return options;
}

}  // namespace

std::string detail::stored_options(const TaskOptions& task, const EnqueueOptions& options) {
  return to_json(to_stored(task, options));
}

detail::RowOptions detail::read_row(const Row& row) {
  // What task/backend.h's arguments_of() relies on.
  if (!row.payload.starts_with("{\"args\":[") || !row.payload.ends_with("]}"))
    throw InvalidInput("payload: it is not {\"args\":[...]}");
  const auto stored = from_json<StoredOptions>(row.options, "options");
  return {task_options(row, stored), enqueue_options(row, stored)};
}

}  // namespace penstock::outbox
