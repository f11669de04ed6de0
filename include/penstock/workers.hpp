// Threads that take tasks from queues and run them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  std::uint64_t log_lines_dropped = 0;  // of Context::log(): too many at once, or nobody to tell
  std::uint32_t threads = 0, running = 0, waiting = 0;  // now; waiting = held and not yet started
  Duration mean_service{0};
  std::string last_error;  // of fetching, settling or telling the server, if there was one
};

// ---- those of all programs, as a server lists them

enum class WorkerState : std::uint8_t { working, quiet, stopping };
[[nodiscard]] std::string_view name_of(WorkerState state);

struct RunningTask {
  std::uint64_t id = 0;
  std::string name;
  TimePoint since{};
};

// One worker, as it told of itself last: the Workers of an App, a `penstock worker`, or whatever
// announces itself over the native protocol or HTTP.
struct WorkerInfo {
  std::uint64_t id = 0;  // a random number that it chose when it started
  std::string name, host;
  std::uint32_t pid = 0;
  std::string version, library;  // of its program, and of Penstock's library
  TimePoint started_at{}, announced_at{}, seen_at{};
  std::vector<std::string> queues;
  std::vector<std::string> tasks;  // the names that it knows
  bool any_task = false;           // it takes tasks of all names
  WorkerState state = WorkerState::working;
  std::uint32_t slots = 0;  // tasks at once, at most
  std::uint64_t memory_bytes = 0;
  std::uint64_t done = 0, failed = 0, declined = 0;
  std::uint64_t running_count = 0;
  std::vector<RunningTask> running;  // at most 256 of them
  // What all orders together tell it; it may not have heard yet.
  bool told_quiet = false, told_stop = false;
  std::uint32_t told_slots = 0;  // 0: as it likes
};

// Takes nothing more, until it is told to resume; finishes, gives the rest back and ends; has so
// many slots from now on.
enum class Order : std::uint8_t { quiet, resume, stop, resize };
[[nodiscard]] std::string_view name_of(Order order);

// To all workers that fit. `quiet`, `resume` and `resize` hold for those that come later, too,
// until another order takes their place or App::forget_order() ends them; `stop` is for those that
// are there.
//
//   app.order_workers({.order = Order::quiet, .queue = "video", .version = "2.*"});
struct WorkerOrder {
  Order order = Order::quiet;
  std::uint32_t slots = 0;  // of a resize
  // Patterns with * and ?; an empty one fits all. A queue is one of the worker's, a version that of
  // its program or its library.
  std::string name = {}, queue = {}, version = {};
};

struct StandingOrder {
  std::uint64_t number = 0;
  WorkerOrder order;
  TimePoint at{};
  std::vector<std::uint64_t> workers;  // of a stop: the ids of those that it went to
};

struct OrderedWorkers {
  std::uint64_t number = 0;   // of the order; 0: a stop that nobody was there for, and is not kept
  std::uint64_t workers = 0;  // how many are there that it goes to
};

// ---- those of this App

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
  // Waits until somebody has stopped them: stop(), the App's end, or an order to workers.
  void join();
  [[nodiscard]] WorkerStatistics statistics() const;

 private:
  std::shared_ptr<detail::WorkerPool> pool_;
};

}  // namespace penstock
