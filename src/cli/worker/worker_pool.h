// Takes tasks from a server and has an Executor run them, on as many threads as the load needs.
//
//   slot threads (max of them; those beyond the target do not take)
//        take ──▶ Executor::run ──▶ settle            each waits for what it does, and for nothing
//        else
//   keeper thread     extends every running attempt's lease at a third of it, waits for no answer;
//                     a lease that is lost, or a task that was cancelled, stops its attempt
//   run()'s thread    asks for the queues' statistics and sets the target, once a second
//
// Threads:  run() once; statistics() from any thread.
// Lifetime: client and executor outlive the pool.
// Damage:   a broken connection is waited for; what was taken over it is lost and stopped, and
// comes
//           back to whoever asks first.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "cli/worker/executor.h"
#include "client/api.h"
#include "flow/sizing.h"

namespace penstock::cli {

struct WorkerPoolOptions {
  std::vector<std::string> queues;  // the first that has work is served first
  std::uint32_t threads_min = 1;
  std::uint32_t threads_max = 1;
  Duration lease = std::chrono::seconds(30);
  Duration grace = std::chrono::seconds(30);  // given to what runs when the pool is told to stop
};

struct WorkerPoolStatistics {
  std::uint64_t done = 0, failed = 0;
  std::uint64_t lost = 0;        // the lease was somebody else's when the attempt ended
  std::uint64_t cancelled = 0;   // stopped because the task was cancelled
  std::uint64_t given_back = 0;  // stopped because the grace time was over
  std::uint32_t threads = 0, running = 0;
  Duration mean_service{0};
};

// What there is to tell somebody who watches. Called from the pool's threads, any of them.
struct WorkerPoolWatcher {
  virtual ~WorkerPoolWatcher() = default;
  // An attempt ended; `settled` is false when the server did not learn of it.
  virtual void on_ending(const Work& work, const Ending& ending, bool settled) = 0;
  virtual void on_server_lost(const Error& error) = 0;
  virtual void on_server_back() = 0;
};

class WorkerPool {
 public:
  WorkerPool(client::Client& client, Executor& executor, Clock& clock, WorkerPoolOptions options,
             WorkerPoolWatcher& watcher);
  ~WorkerPool();

  // Until `stop`; then takes nothing more, lets what runs finish within the grace time, and gives
  // the rest back. An error that waiting does not cure (a wrong queue name, a server of another
  // kind) ends it early.
  [[nodiscard]] Result<void> run(const std::stop_token& stop);
  [[nodiscard]] WorkerPoolStatistics statistics() const;

 private:
  struct Attempt;
  struct Slot;

  void work(Slot& slot, const std::stop_token& stop);
  void run_one(Slot& slot, client::TakenTask task);
  [[nodiscard]] bool settle(const Attempt& attempt, const Ending& ending);
  [[nodiscard]] bool on_take_failed(const Error& error);
  void learn_service(std::int64_t us);
  void keep_leases(const std::stop_token& stop);
  void extend(const std::shared_ptr<Attempt>& attempt);
  void resize();
  void give_up(Error error);
  void stop_attempts();

  client::Client& client_;
  Executor& executor_;
  Clock& clock_;
  const WorkerPoolOptions options_;
  WorkerPoolWatcher& watcher_;

  std::vector<std::unique_ptr<Slot>> slots_;
  flow::ThreadSizer sizer_;
  std::counting_semaphore<> slots_ended_{0};
  std::stop_source taking_;            // no more takes
  std::atomic<std::uint32_t> target_;  // how many slots may take; they wait on it
  std::atomic<bool> server_lost_ = false;
  std::atomic<bool> out_of_time_ = false;
  std::atomic<bool> gave_up_ = false;
  std::optional<Error> fatal_;  // by the first that gave up; read when all slots have ended

  std::atomic<std::uint64_t> done_ = 0, failed_ = 0, lost_ = 0, cancelled_ = 0, given_back_ = 0;
  std::atomic<std::int64_t> service_us_ = 0;  // a moving average; 0 = not known yet
  std::atomic<std::uint32_t> running_ = 0;
};

}  // namespace penstock::cli
