#include "task/worker_pool.h"

#include <algorithm>

#include "base/text.h"
#include "task/failure.h"

namespace penstock::detail {
namespace {

constexpr Duration kLongestGrace = std::chrono::hours(24 * 365);

void check_options(const WorkerOptions& options) {
  if (options.queues.empty()) throw InvalidInput("workers: at least one queue is needed");
  for (const auto& queue : options.queues)
    if (auto valid = valid_name(queue, "queue name"); !valid) throw_error(valid.error());
  if (options.threads.min == 0 || options.threads.min > options.threads.max ||
      options.threads.max > kThreadsMax)
    throw InvalidInput("workers: threads must be {min, max} with 1 <= min <= max <= 4096");
  if (options.prefetch_max == 0) throw InvalidInput("workers: prefetch_max must be at least 1");
  for (const auto& [text, what] :
       {std::pair{&options.name, "workers: name"}, std::pair{&options.version, "workers: version"}})
    if (!text->empty())
      if (auto valid = valid_name(*text, what); !valid) throw_error(valid.error());
}

}  // namespace

WorkerPool::WorkerPool(std::shared_ptr<Core> core, WorkerOptions options)
    : core_(std::move(core)),
      options_(std::move(options)),
      id_(std::max<std::uint64_t>(core_->random(), 1)),
      started_at_(core_->backend().now()),
      governed_(options_.threads.min < options_.threads.max),
      limits_(options_.threads) {
  check_options(options_);
  // A take does not see a queue that comes into being while it waits.
  for (const auto& queue : options_.queues) core_->need_queue(queue);
  consumer_ = value_or_throw(core_->backend().open_consumer());
  consumer_->say_slots(limits_.max);
  keeper_wakes_us_ = micros(Time::max());
  if (core_->zygote() != nullptr) {
    processes_ = std::make_unique<ProcessPool>(*core_, core_->zygote(), options_.isolation);
    if (core_->has_isolated_tasks()) processes_->prepare(options_.threads.min);
  }
  start_workers(options_.threads.min);
  // Before anything is taken: the orders that stand may say otherwise.
  (void)tell();
  settler_ = std::thread([this] { settle_all(); });
  keeper_ = std::thread([this] { keep(); });
  fetcher_ = std::thread([this] { fetch(); });
  if (governed_) governor_ = std::thread([this] { govern(); });
  reporter_ = std::thread([this] { report(); });
}

WorkerPool::~WorkerPool() {
  stop();
  if (stopper_.joinable()) stopper_.join();
}

void WorkerPool::stop(Duration grace) {
  {
    std::unique_lock lock(stop_mutex_);
    if (stop_begun_) {
      stopped_changed_.wait(lock, [this] { return stopped_; });
      return;
    }
    stop_begun_ = true;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_arrived_.notify_all();
    fetch_more_.notify_all();
    govern_again_.notify_all();
  }
  report_soon();
  consumer_->stop();
  fetcher_.join();
  if (governor_.joinable()) governor_.join();
  {
    std::unique_lock lock(mutex_);
    for (const auto& batch : batches_) give_back_rest(*batch);
    batches_.clear();
    if (!workers_ended_.wait_for(lock, std::clamp(grace, Duration(0), kLongestGrace),
                                 [this] { return active_ == 0; })) {
      lock.unlock();
      for (const auto& worker : workers()) worker->attempt.stop(StopReason::shutdown);
    }
  }
  for (const auto& worker : workers())
    if (worker->thread.joinable()) worker->thread.join();
  settler_ends_ = true;
  finished_.fetch_add(1);
  finished_.notify_all();
  settler_.join();
  {
    const std::lock_guard lock(keeper_mutex_);
    keeper_ends_ = true;
    keeper_looks_.notify_all();
  }
  keeper_.join();
  {
    const std::lock_guard lock(report_mutex_);
    reporter_ends_ = true;
    report_again_.notify_all();
  }
  reporter_.join();
  consumer_.reset();
  const std::lock_guard lock(stop_mutex_);
  stopped_ = true;
  stopped_changed_.notify_all();
}

void WorkerPool::join() {
  std::unique_lock lock(stop_mutex_);
  stopped_changed_.wait(lock, [this] { return stopped_; });
}

void WorkerPool::cancel(MessageId id) {
  for (const auto& worker : workers()) worker->attempt.stop_if(id, StopReason::cancelled);
}

WorkerStatistics WorkerPool::statistics() const {
  WorkerStatistics now;
  now.done = done_;
  now.failed = failed_;
  now.declined = declined_;
  now.lost = lost_;
  now.given_back = returned_;
  now.log_lines_dropped = log_dropped_;
  now.threads = active_;
  for (const auto& worker : workers())
    if (worker->attempt.running_since()) ++now.running;
  now.waiting = static_cast<std::uint32_t>(std::max<std::int64_t>(waiting_, 0));
  now.mean_service = Duration(static_cast<std::int64_t>(mean_service_us_.load()));
  const std::lock_guard lock(mutex_);
  now.last_error = last_error_;
  return now;
}

void WorkerPool::note_error(const std::string& text) {
  const std::lock_guard lock(mutex_);
  last_error_ = text;
}

void WorkerPool::start_workers(std::uint32_t target) {
  const std::lock_guard lock(mutex_);
  target_ = std::clamp(target, limits_.min, limits_.max);
  for (std::uint32_t made = slots_made_; made < limits_.max; ++made) {
    slots_[made] = std::make_unique<Worker>(*this);
    slots_made_.store(made + 1, std::memory_order_release);
  }
  for (const auto& slot : workers()) {
    if (active_ >= target_ || stopping_) return;
    if (slot->active) continue;
    // Its last thread, if there was one, left after its last use of mutex_.
    if (slot->thread.joinable()) slot->thread.join();
    slot->active = true;
    ++active_;
    Worker* worker = slot.get();
    slot->thread = std::thread([this, worker] { work(*worker); });
  }
}

}  // namespace penstock::detail

namespace penstock {

Workers::Workers(std::shared_ptr<detail::WorkerPool> pool) : pool_(std::move(pool)) {}
Workers::Workers(Workers&&) noexcept = default;
Workers& Workers::operator=(Workers&& other) noexcept {
  if (this == &other) return *this;
  if (pool_ != nullptr) pool_->stop();
  pool_ = std::move(other.pool_);
  return *this;
}
Workers::~Workers() {
  if (pool_ != nullptr) pool_->stop();
}
void Workers::stop() {
  pool_->stop();
}
void Workers::stop(Duration grace) {
  pool_->stop(grace);
}
void Workers::join() {
  pool_->join();
}
WorkerStatistics Workers::statistics() const {
  return pool_->statistics();
}

}  // namespace penstock
