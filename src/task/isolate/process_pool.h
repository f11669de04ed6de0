// Runs tasks in processes of their own, for a worker pool. A process that dies takes one attempt
// with it; another is there for the next.
//
// Threads:  run() by the pool's worker threads, each with an attempt of its own.
// Pressure: at most one process for each thread that runs an isolated task; those that wait for
//           the next task are at most as many.
// Damage:   a process that says what no process of ours would is killed.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "penstock/error.hpp"
#include "task/core.h"
#include "task/failure.h"
#include "task/isolate/frames.h"
#include "task/isolate/zygote.h"

namespace penstock::detail {

// What an isolated task threw, or what ended its process.
class IsolatedFailure final : public TaskError {
 public:
  IsolatedFailure(AttemptFailure failure, std::uint32_t attempts);
  [[nodiscard]] const AttemptFailure& failure() const { return failure_; }

 private:
  AttemptFailure failure_;
};

struct ProcessPoolStatistics {
  std::uint64_t started = 0;   // processes
  std::uint64_t died = 0;      // in the middle of a task, or were killed then
  std::uint64_t recycled = 0;  // after many tasks, or for their memory
};

class ProcessPool {
 public:
  ProcessPool(Core& core, std::shared_ptr<Zygote> zygote, const IsolationOptions& options);
  ~ProcessPool();

  // Whether it can run this task at all.
  [[nodiscard]] bool knows(const TaskDefinition& task) const {
    return zygote_->find(task).has_value();
  }
  // So many processes that wait for a task.
  void prepare(std::uint32_t count);
  // The task's result, appended. Throws IsolatedFailure.
  void run(const TaskDefinition& task, Attempt& attempt, std::string& result);
  [[nodiscard]] ProcessPoolStatistics statistics() const;

 private:
  struct Process {
    SpawnedProcess os;
    FrameReader reader;
    std::uint32_t tasks = 0;
    std::uint64_t resident_at_first = 0;
  };
  class Run;

  [[nodiscard]] std::unique_ptr<Process> take();
  [[nodiscard]] std::unique_ptr<Process> spawn();  // null when there can be none
  void give_back(std::unique_ptr<Process> process, std::uint64_t resident_bytes);
  [[nodiscard]] Result<ProcessEnd> end(Process& process);

  Core& core_;
  const std::shared_ptr<Zygote> zygote_;
  const IsolationOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Process>> idle_;  // the one used last is behind
  ProcessPoolStatistics statistics_;
};

}  // namespace penstock::detail
