#include "cli/worker/worker_pool.h"

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "base/trace_context.h"
#include "cli/interrupt.h"
#include "task/timeout_headers.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTakeWait = 20s;
constexpr Duration kRetryFirst = 100ms;
constexpr Duration kRetryLast = 2s;
constexpr Duration kResizeEvery = 1s;

// Connections come and go; everything else will be the same at the next try.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::closed || code == ErrorCode::timeout || code == ErrorCode::busy ||
         code == ErrorCode::io;
}

void read_trace(const std::vector<client::Header>& headers, Work& work) {
  for (const auto& [name, value] : headers) {
    if (name == kTraceParentHeader && parse_traceparent(value)) work.traceparent = value;
    if (name == kTraceStateHeader && is_valid_tracestate(value)) work.tracestate = value;
  }
  if (work.traceparent.empty()) work.tracestate.clear();
}

// A program can be ended at any time, so both are the same to it.
void read_timeouts(const std::vector<client::Header>& headers, Work& work) {
  for (const auto& [name, value] : headers) {
    if (name != kTimeoutHeader && name != kHardTimeoutHeader) continue;
    const auto timeout = parse_duration(value).value_or(Duration(0));
    if (timeout.count() <= 0) continue;
    work.timeout = work.timeout.count() > 0 ? std::min(work.timeout, timeout) : timeout;
  }
}

}  // namespace

// One task that is being worked on. Shared with the keeper and with answers on their way.
struct WorkerPool::Attempt {
  enum class Stopped : std::uint8_t { no, lost, cancelled, out_of_time };

  client::TakenTask task;
  std::atomic<Time> extend_at;
  std::atomic<Stopped> why = Stopped::no;
  std::stop_source stop;

  void end(Stopped reason) {
    Stopped none = Stopped::no;
    why.compare_exchange_strong(none, reason);
    stop.request_stop();
  }
};

struct WorkerPool::Slot {
  std::uint32_t index = 0;
  std::jthread thread;

  void set(std::shared_ptr<Attempt> attempt) {
    const std::lock_guard lock(mutex_);
    attempt_.swap(attempt);
  }
  // What it works on now; null when it waits for work.
  [[nodiscard]] std::shared_ptr<Attempt> attempt() const {
    const std::lock_guard lock(mutex_);
    return attempt_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Attempt> attempt_;
};

WorkerPool::WorkerPool(client::Client& client, Executor& executor, Clock& clock,
                       WorkerPoolOptions options, WorkerPoolWatcher& watcher)
    : client_(client),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      watcher_(watcher),
      sizer_(options_.threads_min, options_.threads_max),
      target_(options_.threads_min) {}

WorkerPool::~WorkerPool() = default;

Result<void> WorkerPool::run(const std::stop_token& stop) {
  const std::stop_callback stop_taking(stop, [this] { taking_.request_stop(); });
  for (std::uint32_t i = 0; i < options_.threads_max; ++i) {
    Slot& slot = *slots_.emplace_back(std::make_unique<Slot>());
    slot.index = i;
  }
  for (auto& slot : slots_) {
    slot->thread = std::jthread([this, s = slot.get()] {
      work(*s, taking_.get_token());
      slots_ended_.release();
    });
  }
  std::jthread keeper([this](const std::stop_token& over) { keep_leases(over); });

  while (wait_for(taking_.get_token(), kResizeEvery)) resize();
  // Those that wait for a higher target see that there will be none.
  target_ = options_.threads_max;
  target_.notify_all();

  const Time until = clock_.now() + options_.grace;
  for (std::size_t ended = 0; ended < slots_.size(); ++ended) {
    if (slots_ended_.try_acquire_for(std::max(until - clock_.now(), Duration(0)))) continue;
    stop_attempts();
    slots_ended_.acquire();
  }
  keeper.request_stop();
  keeper.join();
  slots_.clear();
  if (fatal_) return fail(std::move(*fatal_));
  return {};
}

void WorkerPool::work(Slot& slot, const std::stop_token& stop) {
  Duration pause = kRetryFirst;
  while (!stop.stop_requested()) {
    if (const auto target = target_.load(); slot.index >= target) {
      target_.wait(target);
      continue;
    }
    auto taken = client_.call_waiting(
        client::take_tasks(options_.queues, {.max = 1, .wait = kTakeWait, .lease = options_.lease}),
        stop);
    if (!taken) {
      if (stop.stop_requested() || !on_take_failed(taken.error().error)) return;
      wait_for(stop, pause);
      pause = std::min(pause * 2, kRetryLast);
      continue;
    }
    pause = kRetryFirst;
    if (server_lost_.exchange(false)) watcher_.on_server_back();
    for (auto& task : *taken) run_one(slot, std::move(task));
  }
}

bool WorkerPool::on_take_failed(const Error& error) {
  if (!may_pass(error.code)) {
    give_up(error);
    return false;
  }
  if (!server_lost_.exchange(true)) watcher_.on_server_lost(error);
  return true;
}

void WorkerPool::run_one(Slot& slot, client::TakenTask task) {
  const auto attempt = std::make_shared<Attempt>();
  attempt->task = std::move(task);
  attempt->extend_at = clock_.now() + options_.lease / 3;
  slot.set(attempt);
  // Whoever sets it looks for attempts afterwards, so that none falls between.
  if (out_of_time_) attempt->end(Attempt::Stopped::out_of_time);
  running_.fetch_add(1);

  Work work{.id = std::to_string(attempt->task.id.value),
            .queue = attempt->task.queue,
            .name = attempt->task.name,
            .attempt = attempt->task.attempts,
            .payload = std::move(attempt->task.payload)};
  read_trace(attempt->task.headers, work);
  read_timeouts(attempt->task.headers, work);
  const Time started = clock_.now();
  const Ending ending = executor_.run(work, attempt->stop.get_token());
  if (ending.kind != Ending::Kind::stopped) learn_service((clock_.now() - started).count());
  const bool settled = settle(*attempt, ending);

  running_.fetch_sub(1);
  slot.set(nullptr);
  watcher_.on_ending(work, ending, settled);
}

void WorkerPool::learn_service(std::int64_t us) {
  std::int64_t known = service_us_.load();
  std::int64_t learned = 0;
  do {
    learned = known == 0 ? us : known + (us - known) / 16;
  } while (!service_us_.compare_exchange_weak(known, std::max<std::int64_t>(learned, 1)));
}

// The server learns what became of the attempt. While it cannot be reached this is said again, for
// as long as the lease may still be ours.
bool WorkerPool::settle(const Attempt& attempt, const Ending& ending) {
  using Stopped = Attempt::Stopped;
  const Stopped why = attempt.why.load();
  if (ending.kind == Ending::Kind::stopped && why == Stopped::lost) return ++lost_, false;

  const std::string& lease = attempt.task.lease;
  auto request = client::done(lease, ending.result);
  auto* counter = &done_;
  if (ending.kind == Ending::Kind::failed) {
    request = client::fail_task(lease, ending.error, ending.retry, ending.delay,
                                engine::name_of(ending.cause));
    counter = &failed_;
  } else if (ending.kind == Ending::Kind::stopped && why == Stopped::cancelled) {
    // The server knows of the cancel: a failed attempt is then the last one.
    request = client::fail_task(lease, "cancelled: stopped by its worker", true, Duration(0));
    counter = &cancelled_;
  } else if (ending.kind == Ending::Kind::stopped) {
    request = client::give_back(lease);
    counter = &given_back_;
  }
  const Time until = clock_.now() + options_.lease;
  for (Duration pause = kRetryFirst; clock_.now() < until;
       pause = std::min(pause * 2, kRetryLast)) {
    const auto answer = client_.call(request);
    if (answer) {
      ++*counter;
      return true;
    }
    // What is only given back comes back by itself when the connection ends.
    if (out_of_time_ || !may_pass(answer.error().error.code)) break;
    wait_for({}, pause);
  }
  ++lost_;
  return false;
}

void WorkerPool::keep_leases(const std::stop_token& stop) {
  const Duration tick = std::clamp<Duration>(options_.lease / 20, 10ms, 1s);
  while (wait_for(stop, tick)) {
    const Time now = clock_.now();
    for (const auto& slot : slots_) {
      const auto attempt = slot->attempt();
      if (attempt == nullptr || now < attempt->extend_at.load()) continue;
      extend(attempt);
    }
  }
}

void WorkerPool::extend(const std::shared_ptr<Attempt>& attempt) {
  // One answer lost costs a third of the lease, and there is still time for another.
  const auto started = client_.start(client::extend(attempt->task.lease, options_.lease),
                                     [attempt](client::Answer<client::Extended> answer) {
                                       using Stopped = Attempt::Stopped;
                                       if (!answer) {
                                         const ErrorCode code = answer.error().error.code;
                                         const bool gone = code == ErrorCode::conflict ||
                                                           code == ErrorCode::not_found;
                                         if (gone) attempt->end(Stopped::lost);
                                       } else if (answer->cancelled) {
                                         attempt->end(Stopped::cancelled);
                                       }
                                     });
  if (started == client::Started::taken) attempt->extend_at = clock_.now() + options_.lease / 3;
}

void WorkerPool::resize() {
  if (options_.threads_min == options_.threads_max) return;
  flow::WorkLoad load{.service_time = statistics().mean_service};
  for (const auto& name : options_.queues) {
    const auto queue = client_.call(client::queue_statistics(name), 1s);
    if (!queue) return;  // not known now: as many as before
    load.arrival_rate += queue->arrival_rate;
    load.waiting += queue->ready;
    for (const auto& [option, value] : queue->options) {
      if (option != "max_wait") continue;
      const Duration bound = parse_duration(value).value_or(Duration(0));
      const bool tighter = load.max_wait.count() == 0 || bound < load.max_wait;
      if (bound.count() > 0 && tighter) load.max_wait = bound;
    }
  }
  target_ = sizer_.update(load, clock_.now());
  target_.notify_all();
}

void WorkerPool::give_up(Error error) {
  if (!gave_up_.exchange(true)) fatal_ = std::move(error);
  taking_.request_stop();
}

void WorkerPool::stop_attempts() {
  out_of_time_ = true;
  for (const auto& slot : slots_) {
    if (const auto attempt = slot->attempt()) attempt->end(Attempt::Stopped::out_of_time);
  }
}

WorkerPoolStatistics WorkerPool::statistics() const {
  return {.done = done_,
          .failed = failed_,
          .lost = lost_,
          .cancelled = cancelled_,
          .given_back = given_back_,
          .threads = target_,
          .running = running_,
          .mean_service = Duration(service_us_)};
}

}  // namespace penstock::cli
