// The fetcher and the governor: how much work is taken, and by how many threads it is done.
#include <algorithm>

#include "flow/backoff.h"
#include "task/worker_pool.h"

namespace penstock::detail {
namespace {

constexpr Duration kTakeWait = std::chrono::seconds(10);
// Tasks are held ready for as long as this at least: short ones by the hundred, long ones not at
// all. While the server or its disk answers slowly they are held for longer: what is asked for when
// a quarter is gone must be there before the rest is.
constexpr Duration kPrefetchTime = std::chrono::milliseconds(20);
constexpr double kPrefetchTimeMaxUs = 500e3;
constexpr double kPrefetchRoundTrips = 3;
constexpr std::int64_t kTakesInTarget = 4;
constexpr std::int64_t kHeldBatches = 4;  // started and unsettled ones included, in prefetch_max
constexpr double kPrefetchBytesMax = 64.0 * (1 << 20);
constexpr Duration kGovernEvery = std::chrono::milliseconds(250);
constexpr flow::Backoff kErrorBackoff{.kind = flow::Backoff::Kind::exponential,
                                      .base = std::chrono::milliseconds(100),
                                      .cap = std::chrono::seconds(5),
                                      .jitter = false};

}  // namespace

void WorkerPool::fetch() {
  std::uint32_t errors = 0;
  for (std::uint32_t asked = 0;;) {
    if (asked == 0) {
      std::unique_lock lock(mutex_);
      fetch_more_.wait(lock, [&] { return stopping_ || (asked = wanted(0)) > 0; });
      if (stopping_) return;
      taking_ = true;
    }
    std::uint32_t next = 0;
    auto taken = consumer_->take_on(options_.queues, asked, kTakeWait, [&] {
      const std::lock_guard lock(mutex_);
      return next = stopping_ ? 0 : wanted(asked);
    });
    if (taken && !taken->messages.empty()) accept(std::move(*taken));
    asked = next;
    if (asked == 0) end_take();
    if (taken)
      errors = 0;
    else if (!pause_after_error(taken.error(), ++errors))
      return;
  }
}

// Who was told to be quiet is so only now: what came until then was taken.
void WorkerPool::end_take() {
  bool became_quiet = false;
  {
    const std::lock_guard lock(mutex_);
    taking_ = false;
    became_quiet = quiet_;
  }
  if (became_quiet) report_soon();
}

// How many more, when so many are here and not accepted yet.
std::uint32_t WorkerPool::wanted(std::uint32_t here) {
  if (quiet_) return 0;
  const std::int64_t waiting = waiting_ + here, most = options_.prefetch_max;
  std::int64_t target = idle_;
  if (const double service_us = mean_service_us_; service_us > 0) {
    const double hold_us =
        std::clamp(kPrefetchRoundTrips * round_trip_us_, static_cast<double>(kPrefetchTime.count()),
                   kPrefetchTimeMaxUs);
    const double soon = static_cast<double>(active_) * hold_us / service_us;
    target = std::max(target, static_cast<std::int64_t>(std::min(soon, 1e9)));
  }
  const double fit = kPrefetchBytesMax / std::max(mean_bytes_, 1.0);
  target = std::min({target, most, std::max<std::int64_t>(idle_, static_cast<std::int64_t>(fit))});
  const std::int64_t room = kHeldBatches * most - held_ - here;
  low_water_ = target - std::max<std::int64_t>(target / kTakesInTarget, 1);
  if (waiting > low_water_ && waiting >= std::min<std::int64_t>(idle_, most)) return 0;
  // Half of them at once, where the other half can be on its way meanwhile.
  const std::int64_t at_once =
      consumer_->asks_ahead() ? std::max<std::int64_t>((target + 1) / 2, idle_) : target;
  const std::int64_t want = std::min(target - waiting, at_once);
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(want, 0, std::max<std::int64_t>(room, 0)));
}

void WorkerPool::accept(Deliveries deliveries) {
  auto batch = std::make_shared<Batch>();
  batch->deliveries = std::move(deliveries);
  const auto& messages = batch->deliveries.messages;
  const Time current = now();
  Time earliest = Time::max();
  std::size_t bytes = 0;
  for (const auto& message : messages) {
    earliest = std::min(earliest, message.deadline);
    bytes += message.body.size();
  }
  batch->give_back_at = current + std::max(earliest - current, Duration(0)) / 3;
  waiting_ += static_cast<std::int64_t>(messages.size());
  held_ += static_cast<std::int64_t>(messages.size());
  {
    const std::lock_guard lock(mutex_);
    work_came_ = true;
    mean_bytes_ = static_cast<double>(bytes) / static_cast<double>(messages.size());
    if (stopping_ || quiet_) {
      give_back_rest(*batch);
      return;
    }
    batches_.push_back(batch);
    if (messages.size() >= idle_)
      work_arrived_.notify_all();
    else
      for (std::size_t i = 0; i < messages.size(); ++i) work_arrived_.notify_one();
    govern_again_.notify_one();
  }
  look_by(batch->give_back_at);
}

// False when there is nothing to fetch from any more.
bool WorkerPool::pause_after_error(const Error& error, std::uint32_t errors) {
  note_error(error.message);
  if (core_->closed()) return false;
  std::unique_lock lock(mutex_);
  return !fetch_more_.wait_for(lock, flow::delay_after(kErrorBackoff, errors, 0),
                               [this] { return stopping_; });
}

void WorkerPool::govern() {
  std::unique_lock lock(mutex_);
  Threads limits = limits_;
  flow::ThreadSizer sizer(limits.min, limits.max);
  while (!stopping_) {
    if (limits != limits_) {
      limits = limits_;
      sizer = flow::ThreadSizer(limits.min, limits.max);
    }
    // While nothing is held and no thread is too many, there is nothing to decide. (Not "while all
    // threads are idle": one that has been woken for a task is that, too, until it runs.)
    const bool idle = active_ <= limits.min && held_ == 0;
    if (idle)
      govern_again_.wait(lock, [this] { return stopping_ || work_came_; });
    else
      govern_again_.wait_for(lock, kGovernEvery, [this] { return stopping_; });
    work_came_ = false;
    if (stopping_) return;
    lock.unlock();
    const std::uint32_t target = sizer.update(load(), now());
    start_workers(target);
    lock.lock();
    if (active_ > target_) work_arrived_.notify_all();  // for those too many to end
  }
}

flow::WorkLoad WorkerPool::load() {
  flow::WorkLoad load;
  load.waiting = static_cast<std::uint64_t>(std::max<std::int64_t>(waiting_, 0));
  for (const auto& name : options_.queues) {
    const auto queue = core_->backend().queue(name);
    if (!queue) continue;  // it comes into being with its first message
    load.arrival_rate += queue->arrival_rate;
    load.waiting += queue->ready;
    const Duration max_wait = queue->options.max_wait;
    if (max_wait > Duration(0) && (load.max_wait == Duration(0) || max_wait < load.max_wait))
      load.max_wait = max_wait;
  }
  load.service_time =
      std::max(Duration(static_cast<std::int64_t>(mean_service_us_.load())), running_time());
  return load;
}

// What the tasks that run now will take, as far as can be said: one met at a random moment has, on
// average, as much before it as behind it. Until the first long one ends, it is all that is known.
Duration WorkerPool::running_time() const {
  const Time current = core_->backend().now();
  Duration total{0};
  std::int64_t count = 0;
  for (const auto& worker : workers()) {
    if (const auto since = worker->attempt.running_since()) {
      total += current - *since;
      ++count;
    }
  }
  return count == 0 ? Duration(0) : 2 * total / count;
}

}  // namespace penstock::detail
