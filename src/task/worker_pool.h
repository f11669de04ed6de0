// The threads behind penstock::Workers.
//
//   fetcher  takes tasks from the queues, as many as will soon be started
//   workers  min..max threads that run them; each claims one task at a time from the batch in front
//   settler  settles what ended, many at a time: while one settle becomes durable, the next
//   gathers;
//            a worker without more to do spares its wake-up, and settles by itself
//   keeper   extends the leases of what runs, sends progress, learns of cancels, sees time-outs
//   governor sizes the pool by Little's law (flow/sizing.h), when min < max
//   reporter tells the server of the pool, once a second, and does what workers are ordered to do
//
// User code runs on worker threads, and its stop callbacks on the courier's; nothing of ours waits
// for either, so a task that blocks loses neither its own lease nor anyone else's. Held tasks are
// bounded: at most `prefetch_max` wait here, and what is neither started nor settled never exceeds
// a few times that; what has waited for a third of its lease is given back.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "flow/sizing.h"
#include "penstock/workers.hpp"
#include "task/attempt.h"
#include "task/core.h"
#include "task/isolate/process_pool.h"
#include "task/stop_courier.h"
#include "task/workflow.h"

namespace penstock::detail {

inline constexpr std::uint32_t kThreadsMax = 4096;

class WorkerPool final : public AttemptHost {
 public:
  // Throws InvalidInput, Closed.
  WorkerPool(std::shared_ptr<Core> core, WorkerOptions options);
  ~WorkerPool() override;

  // Not from a task.
  void stop() { stop(options_.grace); }
  void stop(Duration grace);
  void join();
  [[nodiscard]] WorkerStatistics statistics() const;
  void cancel(MessageId id);
  // Something has changed that the server should know.
  void report_soon();

 private:
  // What one take brought; each task is claimed by the thread whose fetch_add gave its index.
  struct Batch {
    Deliveries deliveries;
    Time give_back_at{};
    std::atomic<std::uint32_t> next{0};

    [[nodiscard]] const broker::Delivery* claim();
    [[nodiscard]] bool spent() const { return next.load() >= deliveries.messages.size(); }
  };
  // An attempt that ended, on its way to the settler.
  struct Finished {
    engine::LeaseToken lease;
    engine::Outcome outcome = engine::Outcome::ack;
    bool lost = false;     // nothing to settle any more
    bool runs_on = false;  // its thread is still at it, and will say again that it ended
    std::optional<Duration> delay{};
    engine::Cause cause{};  // of a nack or reject
    std::string text{};     // the result of an ack, else the error
    std::shared_ptr<const FlatWorkflow> replacement{};
    Attempt::LastWords words{};
  };
  // Lines are told until they are heard: as surely as the settle that follows them.
  struct Unheard {
    engine::LeaseToken lease;
    LogLines lines{};
    Attempt* attempt = nullptr;  // who is told of the answer, when there is one
    std::uint64_t serial = 0;
  };
  struct Worker {
    explicit Worker(AttemptHost& host) : attempt(host) {}

    std::thread thread;
    std::atomic<bool> active{false};
    Attempt attempt;
    // Its own thread's:
    std::shared_ptr<Batch> batch;
    std::shared_ptr<const Registry> registry;
    std::uint64_t registry_version = 0;
    Time at{};  // the end of the task before, while it is this one's start
    // Shared with the settler:
    std::mutex mutex;
    std::vector<Finished> finished;
    Duration busy{0};
    std::uint64_t ran = 0;
  };

  // AttemptHost
  Time now() override { return core_->backend().now(); }
  void look_by(Time when) override;
  Result<void> extend_now(Extension& extension) override;
  void deliver_stop(std::stop_source source) override { courier_.deliver(std::move(source)); }
  std::uint64_t enqueue(const TaskDefinition& task, const EnqueueOptions& options,
                        std::string payload) override;

  void fetch();
  void end_take();
  [[nodiscard]] std::uint32_t wanted(std::uint32_t here);  // under mutex_
  void accept(Deliveries deliveries);
  [[nodiscard]] bool pause_after_error(const Error& error, std::uint32_t errors);
  void note_error(const std::string& text);

  // Those made so far; their number only grows.
  [[nodiscard]] std::span<const std::unique_ptr<Worker>> workers() const {
    return std::span(slots_).first(slots_made_.load(std::memory_order_acquire));
  }
  void start_workers(std::uint32_t target);
  void work(Worker& worker);
  [[nodiscard]] const broker::Delivery* claim(Worker& worker);
  void run(Worker& worker, const broker::Delivery& delivery);
  [[nodiscard]] const TaskDefinition* find_task(Worker& worker, std::string_view name);
  void hand_over(Worker& worker, Finished finished, Duration busy);

  void measure(Duration busy, std::uint64_t ran);
  void settle_all();
  void settle_soon();
  [[nodiscard]] bool another_is_idle() const;
  // The two that follow under settling_mutex_.
  bool settle_ended();
  [[nodiscard]] std::vector<Finished> collect();
  void settle(const std::vector<Finished>& finished);
  void tell_last_words(const std::vector<Finished>& finished);
  // The four that follow under telling_mutex_. Those of a lease, to add to:
  [[nodiscard]] Unheard& unheard(const engine::LeaseToken& lease);
  void forget_heard(std::span<const Extension> extensions);
  [[nodiscard]] Result<void> tell_unheard(const std::vector<Finished>& finished);
  void drop_unheard(Unheard& said);
  // Waits before the next of so many tries; false: what went wrong will not pass, or not in time.
  [[nodiscard]] bool may_try_again(const Error& error, std::uint32_t tries);
  // How many came too late, or could not be told.
  [[nodiscard]] std::uint64_t settle_surely(std::span<Settlement> settlements);
  [[nodiscard]] std::uint64_t fail_refused(std::span<const Settlement> settlements);
  // Of a task that left a workflow in its place; what cannot come in now is tried again with it.
  [[nodiscard]] std::uint64_t settle_replaced(const Finished& finished);
  void count(const Finished& finished);

  void keep();
  void keep_once(Time now, Time* due);
  void give_up(const Attempt::Word& word);
  void give_back_old(Time now, Time* due);
  void give_back_rest(Batch& batch);

  void govern();
  [[nodiscard]] flow::WorkLoad load();
  [[nodiscard]] Duration running_time() const;

  void report();
  [[nodiscard]] Duration tell();
  [[nodiscard]] engine::WorkerSpec describe() const;
  [[nodiscard]] engine::WorkerBeat pulse() const;
  void obey(const engine::WorkerTold& told);
  // True when that changed something.
  bool set_quiet(bool quiet);
  bool set_slots(std::uint32_t slots);

  const std::shared_ptr<Core> core_;
  const WorkerOptions options_;
  const std::uint64_t id_;
  const Time started_at_;
  const bool governed_;
  std::unique_ptr<Consumer> consumer_;
  StopCourier courier_;
  std::unique_ptr<ProcessPool> processes_;  // null: no isolated task is known

  mutable std::mutex mutex_;
  std::condition_variable work_arrived_;   // for workers
  std::condition_variable fetch_more_;     // for the fetcher
  std::condition_variable govern_again_;   // for the governor
  std::condition_variable workers_ended_;  // for stop()
  std::condition_variable settle_again_;   // between two tries of the settler; nobody notifies it
  std::deque<std::shared_ptr<Batch>> batches_;
  std::uint32_t idle_ = 0;  // workers that wait for a task
  std::uint32_t target_ = 0;
  double mean_bytes_ = 0;  // of the last batch's bodies
  Threads limits_;         // as it was told last
  bool quiet_ = false;     // takes nothing, until it is told otherwise
  bool taking_ = false;    // a take is under way, although it may have been told to end
  bool stopping_ = false;
  bool work_came_ = false;
  std::string last_error_;

  // A slot whose thread has ended may start another. Those beyond slots_made_ are empty.
  std::vector<std::unique_ptr<Worker>> slots_ = std::vector<std::unique_ptr<Worker>>(kThreadsMax);
  std::atomic<std::uint32_t> slots_made_{0};
  std::atomic<std::uint32_t> active_{0};
  std::atomic<std::int64_t> waiting_{0};    // taken and not yet claimed
  std::atomic<std::int64_t> low_water_{0};  // the fetcher wants to know when so few wait
  std::atomic<std::int64_t> held_{0};       // taken and not yet settled
  std::atomic<double> mean_service_us_{0};  // 0 = not known yet
  std::atomic<double> round_trip_us_{0};    // of a settle; slow ones are remembered for a while

  std::atomic<std::uint32_t> finished_{0};  // a change wakes the settler
  std::atomic<bool> settler_ends_{false};
  std::mutex settling_mutex_;  // held by whoever settles
  std::mutex given_back_mutex_;
  std::vector<Finished> given_back_;

  std::mutex keeper_mutex_;
  std::condition_variable keeper_looks_;
  std::atomic<std::int64_t> keeper_wakes_us_{0};
  bool keeper_ends_ = false;
  std::mutex telling_mutex_;                            // held while somebody tells what tasks say
  std::unordered_map<std::uint64_t, Unheard> unheard_;  // by message; only what is held

  std::atomic<std::uint64_t> done_{0}, failed_{0}, declined_{0}, lost_{0}, returned_{0},
      log_dropped_{0};

  std::mutex report_mutex_;
  std::condition_variable report_again_;
  bool report_now_ = false, reporter_ends_ = false;
  std::optional<std::uint64_t> announced_;  // the reporter's: the version of the registry

  std::thread fetcher_, settler_, keeper_, governor_, reporter_;
  std::thread stopper_;  // when it is ordered to stop

  mutable std::mutex stop_mutex_;
  std::condition_variable stopped_changed_;
  bool stop_begun_ = false, stopped_ = false;
};

}  // namespace penstock::detail
