// The reporter: tells the server of this pool, and does what the orders to workers say.
#include <algorithm>
#include <utility>

#include "os/process_info.h"
#include "task/worker_pool.h"

namespace penstock::detail {
namespace {

// To a server that does not list this one (it is an old one, it has too many, or it forbids it).
constexpr Duration kAnnounceAgain = std::chrono::seconds(30);

bool may_pass(const Error& error) {
  return error.code == ErrorCode::closed || error.code == ErrorCode::timeout;
}

}  // namespace

void WorkerPool::report() {
  Duration pause = engine::kWorkerBeat;  // the first word was said before this thread began
  std::unique_lock lock(report_mutex_);
  while (true) {
    report_again_.wait_for(lock, pause, [this] { return report_now_ || reporter_ends_; });
    if (reporter_ends_) return;
    report_now_ = false;
    lock.unlock();
    pause = tell();
    lock.lock();
  }
}

void WorkerPool::report_soon() {
  const std::lock_guard lock(report_mutex_);
  report_now_ = true;
  report_again_.notify_one();
}

// When to speak again. A beat that nobody knows whose it is came over another connection than the
// one before, and says so to nobody else: then all is said again.
Duration WorkerPool::tell() {
  bool is_new = false;  // the connection
  for (bool again : {true, false}) {
    const auto version = core_->registry_version();
    if (announced_ != version) {
      const auto told = consumer_->announce(describe());
      if (!told && may_pass(told.error())) return engine::kWorkerBeat;
      if (!told) {
        note_error("announce: " + told.error().message);
        return kAnnounceAgain;
      }
      announced_ = version;
      obey(*told);
    }
    // What runs says so by itself. What does not, another may have.
    if (std::exchange(is_new, false)) {
      Time due;
      give_back_old(Time::max(), &due);
    }
    const auto told = consumer_->beat(pulse());
    if (told) {
      obey(*told);
      break;
    }
    if (told.error().code != ErrorCode::not_found) break;
    announced_.reset();
    is_new = true;
    if (!again) break;
  }
  return engine::kWorkerBeat;
}

engine::WorkerSpec WorkerPool::describe() const {
  engine::WorkerSpec worker;
  worker.id = id_;
  worker.host = host_name();
  worker.pid = process_number();
  worker.name = options_.name;
  if (worker.name.empty()) worker.name = worker.host + "-" + std::to_string(worker.pid);
  worker.program = options_.version;
  worker.library = PENSTOCK_VERSION;
  worker.started_at = started_at_;
  worker.queues = options_.queues;
  std::size_t bytes = 0;
  for (const auto& queue : worker.queues) bytes += queue.size();
  for (const auto& [name, task] : core_->registry()->tasks) {
    bytes += name.size();
    // More are known here than can be told of.
    if (worker.tasks.size() == engine::kWorkerTasksMax || bytes > engine::kWorkerBytesMax) {
      worker.any_task = true;
      break;
    }
    worker.tasks.push_back(name);
  }
  return worker;
}

engine::WorkerBeat WorkerPool::pulse() const {
  engine::WorkerBeat beat;
  beat.memory_bytes = resident_bytes();
  beat.done = done_;
  beat.failed = failed_;
  beat.declined = declined_;
  for (const auto& worker : workers()) {
    auto task = worker->attempt.running();
    if (!task) continue;
    ++beat.running_count;
    if (beat.running.size() < engine::kWorkerRunningMax) beat.running.push_back(std::move(*task));
  }
  const std::lock_guard lock(mutex_);
  beat.slots = limits_.max;
  const bool is_quiet = quiet_ && !taking_;
  beat.state = stopping_  ? engine::WorkerState::stopping
               : is_quiet ? engine::WorkerState::quiet
                          : engine::WorkerState::working;
  return beat;
}

// Only the reporter's, and the constructor's before there is one. What changed is told at once.
void WorkerPool::obey(const engine::WorkerTold& told) {
  const bool is_quieted = set_quiet(told.quiet), is_resized = set_slots(told.slots);
  // Not on this thread: who stops waits for it.
  if (told.stop && !stopper_.joinable()) stopper_ = std::thread([this] { stop(); });
  if (is_quieted || is_resized || told.stop) report_soon();
}

bool WorkerPool::set_quiet(bool quiet) {
  {
    const std::lock_guard lock(mutex_);
    if (quiet_ == quiet || stopping_) return false;
    quiet_ = quiet;
    if (quiet)
      for (const auto& batch : batches_) give_back_rest(*batch);
  }
  consumer_->pause(quiet);
  const std::lock_guard lock(mutex_);
  fetch_more_.notify_all();
  return true;
}

bool WorkerPool::set_slots(std::uint32_t slots) {
  slots = std::min(slots, kThreadsMax);
  Threads limits = options_.threads;
  if (slots != 0) limits = {std::min(limits.min, slots), slots};
  // Where nobody sizes the pool, it has as many as it may.
  if (!governed_) limits.min = limits.max;
  std::uint32_t target = 0;
  {
    const std::lock_guard lock(mutex_);
    if (limits_ == limits || stopping_) return false;
    limits_ = limits;
    consumer_->say_slots(limits_.max);
    target = target_;
    work_came_ = true;
    govern_again_.notify_one();
  }
  start_workers(target);
  const std::lock_guard lock(mutex_);
  work_arrived_.notify_all();  // for those too many to end
  return true;
}

}  // namespace penstock::detail
