// For the tests of programs that use Penstock: an App in memory, whose clock is the test's and
// whose tasks run when the test says so, on its own thread. No threads, no files, no waiting, and
// the same outcome every time.
//
//   penstock::testing::TestApp app;
//   app->add(remind);
//   sign_up(app.app(), "ann");                                       // the code under test
//   EXPECT_EQ(app.arguments_of(remind), std::vector{std::tuple(std::string("ann"))});
//   app.run_until_idle();                                            // what is due now
//   app.advance(24h);
//   EXPECT_EQ(app.run_until_idle().done, 1);                         // what became due
//
// It is the engine of a server on a disk in memory, so retries, delays, keys, groups, limits and
// dead letters are the real ones.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "penstock/app.hpp"

namespace penstock::testing {

struct TestOptions {
  // What the clock shows at first: 2026-01-01 00:00:00 UTC.
  TimePoint start{std::chrono::seconds(1'767'225'600)};
  std::uint64_t seed = 1;  // of jitter and of all else that is random
  // run_until_idle() throws after so many attempts: a task that always enqueues itself again at
  // once would never let it end.
  std::size_t attempts_max = 1'000'000;
  // enqueued() remembers so many; the oldest go.
  std::size_t enqueued_max = 1'000'000;
};

// One task that was enqueued, as its worker will get it.
struct Enqueued {
  std::uint64_t id = 0;  // app->job<R>(id)
  std::string task;
  std::string queue;
  std::string arguments;  // JSON: an array
  TimePoint at{};
  TimePoint not_before{};  // `at`, or later by its delay
  std::string key, group;
  std::uint8_t priority = 0;
  Duration expires{0};  // 0 = never
  Headers headers;

  // Throws InvalidInput when they are of other types, or of another number.
  template <class... T>
  [[nodiscard]] std::tuple<T...> arguments_as() const {
    return from_json<std::tuple<T...>>(arguments, "arguments");
  }
};

// What became of the attempts that ran.
struct Ran {
  std::size_t done = 0;
  std::size_t failed = 0;  // threw: will be tried again, or not
  // Declined, as workers do: these wait for another program that can run them.
  std::size_t unknown = 0;     // nobody has added the task
  std::size_t unreadable = 0;  // its arguments are not what the task takes
  std::size_t lost = 0;        // by kill_worker_after()

  [[nodiscard]] std::size_t attempts() const { return done + failed + unknown + unreadable + lost; }
  Ran& operator+=(const Ran& more);
  bool operator==(const Ran&) const = default;
};

// Threads:  one; all of the App's functions, too. Tasks run inside run_until_idle() and its like,
//           and may enqueue, and call advance() to let their own time pass.
// Lifetime: jobs may outlive it, and then throw Closed.
// Waits:    nothing waits, for nobody else could end the wait: Job::get() throws Timeout when the
//           job is not done yet, enqueue() throws Refused at once, receive() returns what is there.
//           App::work() throws Conflict.
// Limits:   a message has at most 1 MiB.
class TestApp {
 public:
  explicit TestApp(const TestOptions& options = {});
  ~TestApp();
  TestApp(const TestApp&) = delete;
  TestApp& operator=(const TestApp&) = delete;

  [[nodiscard]] App& app() { return app_; }
  App* operator->() { return &app_; }

  // ---- time

  [[nodiscard]] TimePoint now() const;
  // Runs nothing. Inside of a task its lease is extended meanwhile, and its time-out comes, as a
  // worker would see to it. Throws InvalidInput when `time` is negative.
  void advance(Duration time);

  // ---- running tasks; Conflict inside of a task

  // Runs tasks until none is ready, those that they enqueue included.
  Ran run_until_idle();
  // The oldest that is ready, if there is one.
  Ran run_one();
  // The same as run_until_idle(), while the clock advances by `time`, from one event to the next.
  Ran run_for(Duration time);
  // The same, until no task waits for its time or its retry any more, or until `at_most` is over.
  // Tasks of paused queues do not count, nor do those that were declined.
  Ran run_to_end(Duration at_most = std::chrono::hours(24 * 365));

  // ---- what was enqueued, in order; clear_enqueued() forgets it

  [[nodiscard]] std::vector<Enqueued> enqueued() const;
  [[nodiscard]] std::vector<Enqueued> enqueued(std::string_view task) const;
  template <class Signature>
  [[nodiscard]] std::vector<Enqueued> enqueued(const Task<Signature>& task) const {
    return enqueued(task.name());
  }
  // Only the arguments: to be compared with a vector of tuples.
  template <class R, class... Args>
  [[nodiscard]] std::vector<std::tuple<Args...>> arguments_of(const Task<R(Args...)>& task) const {
    std::vector<std::tuple<Args...>> all;
    for (const auto& one : enqueued(task.name()))
      all.push_back(one.template arguments_as<Args...>());
    return all;
  }
  void clear_enqueued();

  // ---- things that go wrong

  // The next attempts of the task throw `error` and do not call its function.
  template <class Signature, class E>
  void fail_next(const Task<Signature>& task, E error, std::size_t times = 1) {
    fail_next(task.name(), std::make_exception_ptr(std::move(error)), times);
  }
  void fail_next(std::string_view task, std::exception_ptr error, std::size_t times = 1);
  // The next attempts of the task run to their end, but their worker dies before it can say so:
  // the task is run again, which shows whether it bears that.
  template <class Signature>
  void kill_worker_after(const Task<Signature>& task, std::size_t times = 1) {
    kill_worker_after(task.name(), times);
  }
  void kill_worker_after(std::string_view task, std::size_t times = 1);
  // The next enqueues and sends, one by one or many at a time, are refused.
  void refuse_next(Refusal refusal, std::size_t times = 1);

 private:
  class State;
  std::unique_ptr<State> state_;
  App app_;
};

}  // namespace penstock::testing
