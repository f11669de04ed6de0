// What an App and everything got from it share: the backend, the tasks that are known, the workers.
//
// Threads:  any.
// Lifetime: kept by the App and by its jobs, messages and workers; the App's end closes it, and all
//           later calls answer Closed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "penstock/job.hpp"
#include "penstock/options.hpp"
#include "penstock/task.hpp"
#include "task/backend.h"
#include "task/middleware.h"

namespace penstock::detail {

class WorkerPool;
class Zygote;

// What is known of how to run tasks, at one moment.
struct Registry {
  std::map<std::string, std::shared_ptr<const TaskDefinition>, std::less<>> tasks;
  Chain middleware;  // at most kMiddlewareMax

  // Null when nobody has added it.
  [[nodiscard]] const TaskDefinition* find(std::string_view name) const {
    const auto found = tasks.find(name);
    return found == tasks.end() ? nullptr : found->second.get();
  }
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(std::unique_ptr<Backend> backend);
  Core(std::unique_ptr<Backend> backend, std::unique_ptr<Random> random);
  ~Core();

  [[nodiscard]] Backend& backend() { return *backend_; }
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_acquire); }
  // Stops all workers, then the backend. Only the first call does anything.
  void close();

  // Where the processes of isolated tasks come from; null: there are none.
  void isolate_by(std::shared_ptr<Zygote> zygote) { zygote_ = std::move(zygote); }
  [[nodiscard]] const std::shared_ptr<Zygote>& zygote() const { return zygote_; }
  [[nodiscard]] bool has_isolated_tasks() const;

  // Throws Conflict when the name means another task, or it is isolated and no process knows it;
  // InvalidInput when it has no function.
  void add(const std::shared_ptr<const TaskDefinition>& definition);
  // Throws InvalidInput when there are too many.
  void use(Middleware middleware);
  [[nodiscard]] bool has_middleware() const {
    return has_middleware_.load(std::memory_order_acquire);
  }
  // A new one for each add() and use(); `version` says whether there is one.
  [[nodiscard]] std::shared_ptr<const Registry> registry() const;
  [[nodiscard]] std::uint64_t registry_version() const {
    return registry_version_.load(std::memory_order_acquire);
  }

  // All bodies, in batches that come in as a whole. Waits while refused, up to `patience`, then
  // throws Refused. The hold of `publishing` is set here.
  [[nodiscard]] std::vector<std::uint64_t> publish(Publishing publishing,
                                                   std::span<const std::string_view> bodies,
                                                   Duration patience);
  // The id of the workflow; waits and throws as publish() does.
  [[nodiscard]] std::uint64_t submit(const engine::WorkflowInput& workflow, Duration patience);
  [[nodiscard]] std::expected<std::uint64_t, Refusal> try_publish(const Publishing& publishing,
                                                                  std::string_view body);

  // Makes the queue with the defaults when it is not there.
  void need_queue(const std::string& name);
  void forget_queue(std::string_view name);
  // Of plain messages.
  [[nodiscard]] Consumer& receiver();

  [[nodiscard]] std::uint64_t random();

  void register_pool(const std::shared_ptr<WorkerPool>& pool);
  // Sets the stop token of the task, if it runs here.
  void cancel_running(MessageId id);
  // False when closed meanwhile.
  [[nodiscard]] bool wait(Duration time);

 private:
  // Throws InvalidInput.
  void check_sizes(std::span<const std::string_view> bodies) const;
  [[nodiscard]] std::vector<std::shared_ptr<WorkerPool>> pools();

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Random> random_;
  std::shared_ptr<Zygote> zygote_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> has_middleware_{false};
  std::atomic<std::uint64_t> registry_version_{0};

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable closing_;
  std::shared_ptr<const Registry> registry_ = std::make_shared<const Registry>();
  std::vector<std::weak_ptr<WorkerPool>> pools_;
  std::unique_ptr<Consumer> receiver_;
  std::set<std::string, std::less<>> needed_;  // at most kNeededMax queues known to be there
};

[[nodiscard]] JobState to_job_state(engine::TaskState state);
[[nodiscard]] Publishing to_publishing(const TaskDefinition& task, const EnqueueOptions& options);
[[nodiscard]] Refusal to_refusal(const broker::Refused& refused);
[[nodiscard]] TimePoint to_time_point(Time time);
[[nodiscard]] Time to_time(TimePoint time);
// The lease or message headers of a delivery, without Penstock's own.
[[nodiscard]] Headers headers_of(ByteView headers);

}  // namespace penstock::detail
