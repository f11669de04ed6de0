// Threads that take tasks from queues and run them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "penstock/options.hpp"

namespace penstock {

namespace detail {
class WorkerPool;
}

struct WorkerStatistics {
  std::uint64_t done = 0;    // returned
  std::uint64_t failed = 0;  // threw; will be tried again, or not
  // Left to other workers: nobody has added the task here, or its arguments are not what it takes.
  std::uint64_t declined = 0;
  std::uint64_t lost = 0;  // ended after the lease had gone to someone else
  std::uint64_t given_back = 0;
  std::uint32_t threads = 0, running = 0, waiting = 0;  // now; waiting = held and not yet started
  Duration mean_service{0};
  std::string last_error;  // of fetching and settling, if there was one
};

// Runs until stop() or its destructor. Threads: any may call any function.
class Workers {
 public:
  explicit Workers(std::shared_ptr<detail::WorkerPool> pool);
  Workers(Workers&&) noexcept;
  Workers& operator=(Workers&&) noexcept;
  ~Workers();

  // Takes nothing more, gives back at once what had not started, lets what runs finish for as long
  // as the grace time, then sets its stop tokens, and returns when the last task has returned. A
  // task that throws then is given back without its attempt counting.
  void stop();
  void stop(Duration grace);
  // Waits until somebody has stopped them.
  void join();
  [[nodiscard]] WorkerStatistics statistics() const;

 private:
  std::shared_ptr<detail::WorkerPool> pool_;
};

}  // namespace penstock
