#include "task/core.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/headers.h"
#include "flow/backoff.h"
#include "os/real_clock.h"
#include "task/failure.h"
#include "task/isolate/zygote.h"
#include "task/worker_pool.h"

namespace penstock::detail {
namespace {

// Of one publish: large enough that its cost is in the messages, small enough for one transaction.
constexpr std::size_t kBatchMessagesMax = 1024;
constexpr std::size_t kBatchBytesMax = 1u << 20;
// Between two tries of a publish that is refused.
constexpr flow::Backoff kPatienceBackoff{.kind = flow::Backoff::Kind::exponential,
                                         .base = std::chrono::milliseconds(5),
                                         .cap = std::chrono::seconds(1),
                                         .jitter = true};

constexpr std::size_t kNeededMax = 1024;
// Each of them is a frame on the stack of every enqueue and every task.
constexpr std::size_t kMiddlewareMax = 64;

// How many of `bodies` go into the next batch; at least one.
std::size_t batch_size(std::span<const std::string_view> bodies, std::size_t most) {
  std::size_t bytes = 0, count = 0;
  while (count < bodies.size() && count < most) {
    bytes += bodies[count].size();
    if (count > 0 && bytes > kBatchBytesMax) break;
    ++count;
  }
  return count;
}

}  // namespace

Core::Core(std::unique_ptr<Backend> backend) : Core(std::move(backend), make_real_random()) {}
Core::Core(std::unique_ptr<Backend> backend, std::unique_ptr<Random> random)
    : backend_(std::move(backend)), random_(std::move(random)) {}

Core::~Core() {
  close();
}

void Core::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_.exchange(true, std::memory_order_acq_rel)) return;
    closing_.notify_all();
  }
  for (const auto& pool : pools()) pool->stop();
  backend_->close();
}

void Core::add(const std::shared_ptr<const TaskDefinition>& definition) {
  if (!definition->run)
    throw InvalidInput(
        fmt::format("task {}: a remote_task has no function here", definition->name));
  if (definition->options.timeout < Duration(0) || definition->options.hard_timeout < Duration(0))
    throw InvalidInput(fmt::format("task {}: a time-out is negative", definition->name));
  // A test's own App runs everything itself.
  const bool isolated = definition->options.isolation == Isolation::process && backend_->waits();
  if (isolated && (zygote_ == nullptr || !zygote_->find(*definition)))
    throw Conflict(
        fmt::format("task {}: no process can be made for it", definition->name),
        "define isolated tasks and open the App before the program starts its first thread");
  std::unique_lock lock(mutex_);
  const auto known = registry_->tasks.find(definition->name);
  if (known != registry_->tasks.end()) {
    if (known->second == definition) return;
    throw Conflict(fmt::format("task {}: another task has that name", definition->name));
  }
  auto changed = std::make_shared<Registry>(*registry_);
  changed->tasks.emplace(definition->name, definition);
  registry_ = std::move(changed);
  registry_version_.fetch_add(1, std::memory_order_release);
  lock.unlock();
  for (const auto& pool : pools()) pool->report_soon();  // somebody may wait for that task
}

bool Core::has_isolated_tasks() const {
  return std::ranges::any_of(registry()->tasks, [](const auto& task) {
    return task.second->options.isolation == Isolation::process;
  });
}

void Core::use(Middleware middleware) {
  const std::lock_guard lock(mutex_);
  if (registry_->middleware.size() >= kMiddlewareMax)
    throw InvalidInput(fmt::format("use: at most {} middlewares", kMiddlewareMax));
  auto changed = std::make_shared<Registry>(*registry_);
  changed->middleware.push_back(std::move(middleware));
  registry_ = std::move(changed);
  registry_version_.fetch_add(1, std::memory_order_release);
  has_middleware_.store(true, std::memory_order_release);
}

std::shared_ptr<const Registry> Core::registry() const {
  const std::lock_guard lock(mutex_);
  return registry_;
}

// What cannot travel is found before the first of them does.
void Core::check_sizes(std::span<const std::string_view> bodies) const {
  const auto most = backend_->max_message_bytes();
  const auto large =
      std::ranges::find_if(bodies, [&](std::string_view body) { return body.size() > most; });
  if (large == bodies.end()) return;
  const auto which = bodies.size() > 1
                         ? fmt::format("number {} of {}", large - bodies.begin() + 1, bodies.size())
                         : std::string("the message");
  throw InvalidInput(
      fmt::format("{} has {} bytes, at most {} are taken", which, large->size(), most),
      "send a reference to the data instead");
}

std::vector<std::uint64_t> Core::publish(Publishing publishing,
                                         std::span<const std::string_view> bodies,
                                         Duration patience) {
  if (!backend_->waits()) patience = Duration(0);
  const Time start = backend_->now();
  const Time deadline = patience >= Time::max() - start ? Time::max() : start + patience;
  check_sizes(bodies);
  std::vector<std::uint64_t> ids;
  ids.reserve(bodies.size());
  std::size_t most = kBatchMessagesMax;
  std::uint32_t refusals = 0;
  while (ids.size() < bodies.size()) {
    const Time now = backend_->now();
    // A queue with overflow=block is asked to hold it, once it has refused; others refuse at once.
    publishing.hold = refusals == 0 ? Duration(0) : std::max(deadline - now, Duration(0));
    const auto rest = bodies.subspan(ids.size());
    const std::size_t count = batch_size(rest, most);
    // However it is cut into batches, each has the key that it would have in any other cut.
    if (bodies.size() > 1) publishing.key_from = ids.size();
    publishing.patience = std::max(deadline - now, Duration(0));
    auto published = backend_->publish(publishing, rest.first(count));
    if (!published && bodies.size() > 1)
      published.error().message +=
          fmt::format("; {} of {} had come in for certain", ids.size(), bodies.size());
    const auto answer = value_or_throw(std::move(published));
    if (answer) {
      for (const auto id : *answer) ids.push_back(id.value);
      most = std::min(most * 2, kBatchMessagesMax);
      refusals = 0;
      continue;
    }
    // There may be room for a part: a batch larger than the whole queue would wait for ever.
    if (count > 1) {
      most = count / 2;
      continue;
    }
    if (now >= deadline) throw Refused(to_refusal(answer.error()), ids.size());
    const Duration backoff = flow::delay_after(kPatienceBackoff, ++refusals, random());
    const Duration delay = std::max(answer.error().retry_after, backoff);
    if (!wait(std::min(delay, deadline - now))) throw Closed("the App was closed");
  }
  return ids;
}

std::uint64_t Core::submit(const engine::WorkflowInput& workflow, Duration patience) {
  if (!backend_->waits()) patience = Duration(0);
  const Time start = backend_->now();
  const Time deadline = patience >= Time::max() - start ? Time::max() : start + patience;
  for (std::uint32_t refusals = 1;; ++refusals) {
    const auto answer = value_or_throw(
        backend_->submit(workflow, std::max(deadline - backend_->now(), Duration(0))));
    if (answer) return answer->front().value;
    const Time now = backend_->now();
    if (now >= deadline) throw Refused(to_refusal(answer.error()));
    const Duration backoff = flow::delay_after(kPatienceBackoff, refusals, random());
    const Duration delay = std::max(answer.error().retry_after, backoff);
    if (!wait(std::min(delay, deadline - now))) throw Closed("the App was closed");
  }
}

std::expected<std::uint64_t, Refusal> Core::try_publish(const Publishing& publishing,
                                                        std::string_view body) {
  check_sizes(std::span(&body, 1));
  const auto answer = value_or_throw(backend_->publish(publishing, std::span(&body, 1)));
  if (!answer) return std::unexpected(to_refusal(answer.error()));
  return answer->front().value;
}

void Core::need_queue(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    if (needed_.contains(name)) return;
  }
  value_or_throw(backend_->declare(name, {}, Backend::kPatienceToDeclare));
  const std::lock_guard lock(mutex_);
  if (needed_.size() >= kNeededMax) needed_.clear();
  needed_.insert(name);
}

void Core::forget_queue(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = needed_.find(name); found != needed_.end()) needed_.erase(found);
}

Consumer& Core::receiver() {
  const std::lock_guard lock(mutex_);
  if (receiver_ == nullptr) receiver_ = value_or_throw(backend_->open_consumer());
  return *receiver_;
}

void Core::register_pool(const std::shared_ptr<WorkerPool>& pool) {
  const std::lock_guard lock(mutex_);
  if (closed()) throw Closed("the App is closed");
  std::erase_if(pools_, [](const auto& known) { return known.expired(); });
  pools_.push_back(pool);
}

std::vector<std::shared_ptr<WorkerPool>> Core::pools() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<WorkerPool>> alive;
  for (const auto& known : pools_)
    if (auto pool = known.lock()) alive.push_back(std::move(pool));
  return alive;
}

void Core::cancel_running(MessageId id) {
  for (const auto& pool : pools()) pool->cancel(id);
}

bool Core::wait(Duration time) {
  std::unique_lock lock(mutex_);
  return !closing_.wait_for(lock, time, [this] { return closed(); });
}

std::uint64_t Core::random() {
  const std::lock_guard lock(mutex_);
  return random_->next();
}

Refusal to_refusal(const broker::Refused& refused) {
  return {refused.reason, refused.queue, refused.retry_after, refused.message};
}

TimePoint to_time_point(Time time) {
  // It counts nanoseconds, which end in 2262.
  constexpr auto kLast = std::chrono::duration_cast<Duration>(TimePoint::duration::max());
  return TimePoint(std::clamp(time.time_since_epoch(), -kLast, kLast));
}

Time to_time(TimePoint time) {
  return Time(std::chrono::duration_cast<Duration>(time.time_since_epoch()));
}

Headers headers_of(ByteView headers) {
  Headers found;
  for_each_header(headers, [&](std::string_view name, std::string_view value) {
    if (name != kTaskHeader && !is_hidden_header(name)) found.emplace_back(name, value);
  });
  return found;
}

}  // namespace penstock::detail
