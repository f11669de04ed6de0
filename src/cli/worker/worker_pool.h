// Takes tasks from a server and has an Executor run them, on as many threads as the load needs.
//
//   taker thread      takes as many tasks as there are free slots, over a connection of its own
//   slot threads      Executor::run ──▶ settle, each for what it does
//   keeper thread     extends every lease at a third of it, waits for no answer; a lease that is
//                     lost, or a task that was cancelled, stops its attempt
//   run()'s thread    once a second tells the server of this worker, stops what was cancelled, does
//                     what orders say, asks for the queues' statistics and sets how many slots
//                     there are
//
// Threads:  run() once; statistics() from any thread.
// Lifetime: client and executor outlive the pool.
// Damage:   a broken connection is waited for; what was taken over it is lost and stopped, and
//           comes back to whoever asks first.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "cli/worker/executor.h"
#include "cli/worker/presence.h"
#include "cli/worker/slots.h"
#include "flow/sizing.h"

namespace penstock::cli {

inline constexpr std::uint32_t kWorkerThreadsMax = 1024;

struct WorkerPoolOptions {
  // Of its queues the first that has work is served first. Tasks that it does not know it leaves
  // to other workers.
  engine::WorkerSpec worker;
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
  std::uint64_t declined = 0;    // left to other workers
  std::uint32_t threads = 0, running = 0;
  Duration mean_service{0};
};

// What there is to tell somebody who watches. Called from the pool's threads, any of them.
struct WorkerPoolWatcher {
  virtual ~WorkerPoolWatcher() = default;
  // It has told the server of itself, and begins.
  virtual void on_started() {}
  // It works, but it cannot be seen and steered.
  virtual void on_unlisted(const Error&) {}
  virtual void on_told(const client::WorkerTold&) {}
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

  // Until `stop`, or an order to stop; then takes nothing more, lets what runs finish within the
  // grace time, and gives the rest back. An error that waiting does not cure (a wrong queue name, a
  // server of another kind) ends it early.
  [[nodiscard]] Result<void> run(const std::stop_token& stop);
  [[nodiscard]] WorkerPoolStatistics statistics() const;

 private:
  struct Limits {
    std::uint32_t min = 1, max = 1;
    bool operator==(const Limits&) const = default;
  };

  // ---- the taker's thread
  void take_tasks(const std::stop_token& stop);
  [[nodiscard]] bool on_take_failed(const Error& error);
  void bring_in(std::vector<client::TakenTask> tasks);

  // ---- the slots' threads
  void work();
  void run_one(const SharedAttempt& attempt);
  [[nodiscard]] Ending run_attempt(const Work& work, const Attempt& attempt);
  [[nodiscard]] bool settle(const Attempt& attempt, const Ending& ending);
  void learn_service(std::int64_t us);

  // ---- the keeper's
  void keep_leases(const std::stop_token& stop);
  void extend(const SharedAttempt& attempt);

  // ---- run()'s
  void report(engine::WorkerState state);
  [[nodiscard]] engine::WorkerBeat beat_of(engine::WorkerState state);
  void obey(const client::WorkerTold& told);
  [[nodiscard]] Limits limits_for(std::uint32_t slots) const;
  void resize();
  void set_slots();
  void drain();
  void stop_attempts();

  // ---- anybody's
  void on_server_silent(const Error& error);
  void on_server_answered();
  void give_up(Error error);
  void stop_taking();

  client::Client& client_;
  Executor& executor_;
  Clock& clock_;
  const WorkerPoolOptions options_;
  WorkerPoolWatcher& watcher_;

  Slots slots_{0};
  std::unique_ptr<client::Lane> lane_;  // what was taken is ours for as long as it stands
  std::stop_source taking_;             // no more takes
  std::atomic<bool> server_lost_ = false;
  std::atomic<bool> out_of_time_ = false;
  std::atomic<bool> gave_up_ = false;
  std::optional<Error> fatal_;  // by the first that gave up; read when all threads have ended

  // Of run()'s thread.
  Presence presence_;
  bool unlisted_ = false;
  std::size_t told_of_ = 0;  // where the next beat goes on, when one does not hold all tasks
  client::WorkerTold told_;
  Limits limits_;
  flow::ThreadSizer sizer_;
  std::vector<std::jthread> threads_;  // at most kWorkerThreadsMax
  std::counting_semaphore<> threads_ended_{0};

  std::atomic<std::uint32_t> target_;  // how many slots there are
  std::atomic<std::uint64_t> done_ = 0, failed_ = 0, lost_ = 0, cancelled_ = 0, given_back_ = 0,
                             declined_ = 0;
  std::atomic<std::int64_t> service_us_ = 0;  // a moving average; 0 = not known yet
};

}  // namespace penstock::cli
