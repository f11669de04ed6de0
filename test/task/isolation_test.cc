// Tasks in processes of their own: what kills one costs an attempt, and nothing else.
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <vector>

#include "penstock/trace.hpp"
#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

TaskOptions isolated(TaskOptions options = {}) {
  options.isolation = Isolation::process;
  if (!options.max_attempts) options.max_attempts = 1;
  return options;
}

// The tasks are defined before the App is opened: its processes know those.
class IsolationTest : public ::testing::Test {
 protected:
  template <class... Tasks>
  void open(const Tasks&... tasks) {
    app.emplace(App::embedded(directory_.path()));
    (app->add(tasks), ...);
  }
  void TearDown() override { app.reset(); }

  template <class R>
  static Failure last_failure(const Job<R>& job) {
    EXPECT_TRUE(job.wait(kLong));
    const auto failures = job.status().failures();
    return failures.empty() ? Failure{} : failures.back();
  }

  TemporaryDirectory directory_;
  std::optional<App> app;
};

TEST_F(IsolationTest, ATaskRunsInAnotherProcessAndReturnsItsResult) {
  const auto where = task(
      "where",
      [](Context& context, std::string text) {
        return std::tuple(::getpid(), text + context.header("h").value_or(""), context.attempt(),
                          context.id());
      },
      isolated());
  open(where);
  const auto workers = app->work();
  const auto job = app->enqueue(where.with({.headers = {{"h", "!"}}}), "x");
  const auto [pid, text, attempt, id] = job.get(kLong);
  EXPECT_NE(pid, ::getpid());
  EXPECT_EQ(text, "x!");
  EXPECT_EQ(attempt, 1u);
  EXPECT_EQ(id, job.id());
  EXPECT_EQ(std::get<0>(app->enqueue(where, "y").get(kLong)), pid) << "it is used again";
}

TEST_F(IsolationTest, WhatItThrowsArrivesAsItIs) {
  const auto fails = task(
      "fails", [](int) -> int { throw std::out_of_range("beyond"); }, isolated());
  const auto permanent = task(
      "permanent", [] { throw Permanent("never"); }, isolated({.max_attempts = 5}));
  open(fails, permanent);
  const auto workers = app->work();
  EXPECT_THROW(app->enqueue(fails, 1).get(kLong), std::out_of_range);
  const auto job = app->enqueue(permanent);
  EXPECT_EQ(last_failure(job).cause, "raised");
  EXPECT_EQ(job.status().attempts, 1u);
}

TEST_F(IsolationTest, WhatItCannotReadIsLeftToAnotherWorker) {
  const auto takes_two = task(
      "takes two", [](int, int) {}, isolated());
  open(takes_two);
  const auto workers = app->work();
  const auto job = app->enqueue(remote_task<void(int)>("takes two"), 1);
  while (job.status().declined_count == 0) ASSERT_FALSE(job.wait(1ms));
  EXPECT_EQ(job.status().declined, "penstock::ArgumentError: the task takes 2 argument(s), got 1");
  EXPECT_EQ(app->queue("default").raised, 0u);
}

TEST_F(IsolationTest, WhatItSaysArrivesInOrder) {
  const auto talks = task(
      "talks",
      [](Context& context) {
        for (int n = 0; n < 100; ++n) context.log(std::to_string(n));
      },
      isolated());
  open(talks);
  const auto workers = app->work();
  const auto job = app->enqueue(talks);
  job.get(kLong);
  const auto log = job.log();
  ASSERT_EQ(log.lines.size(), 100u);
  for (std::size_t n = 0; n < 100; ++n) EXPECT_EQ(log.lines[n].text, std::to_string(n));
  EXPECT_EQ(workers.statistics().log_lines_dropped, 0u);
}

TEST_F(IsolationTest, ASegfaultCostsOneAttempt) {
  const auto crash = task(
      "crash",
      [](Context& context) {
        if (context.attempt() == 1) ::raise(SIGSEGV);
        return context.attempt();
      },
      isolated({.max_attempts = 3, .backoff = fixed(1ms)}));
  open(crash);
  const auto workers = app->work();
  const auto job = app->enqueue(crash);
  EXPECT_EQ(job.get(kLong), 2u);
  EXPECT_EQ(app->queue("default").killed, 1u);
}

TEST_F(IsolationTest, EveryWayToDieHasItsCause) {
  const auto dies = task(
      "dies",
      [](std::string how) {
        if (how == "abort") std::abort();
        if (how == "exit") std::exit(0);
        if (how == "_exit") ::_exit(3);
        if (how == "terminate") std::terminate();
        if (how == "kill") ::kill(::getpid(), SIGKILL);
        if (how == "close")
          for (int fd = 3; fd < 64; ++fd) ::shutdown(fd, SHUT_RDWR);
        if (how == "write")
          for (int fd = 3; fd < 64; ++fd) (void)!::write(fd, "nonsense, and more", 18);
      },
      isolated());
  open(dies);
  const auto workers = app->work({.threads = {2, 2}});
  const std::tuple<const char*, const char*, const char*> expected[] = {
      {"abort", "killed", "signal: SIGABRT"},
      {"exit", "killed", "exit: 0, in the middle of the task"},
      {"_exit", "killed", "exit: 3, in the middle of the task"},
      {"terminate", "killed", "signal: SIGABRT"},
      {"kill", "out_of_memory",
       "SIGKILL, and not from its worker: as the system does when memory "
       "runs out"},
      {"write", "killed", "it wrote what is not a frame to its worker"},
  };
  for (const auto& [how, cause, message] : expected) {
    const auto failure = last_failure(app->enqueue(dies, how));
    EXPECT_EQ(failure.cause, cause) << how;
    EXPECT_EQ(failure.message, message) << how;
  }
  EXPECT_EQ(last_failure(app->enqueue(dies, "close")).cause, "killed");
  app->enqueue(dies, "not at all").get(kLong);
}

TEST_F(IsolationTest, MemoryHasALimitThatIsTheAttemptsOwn) {
  const auto hungry = task(
      "hungry",
      [](std::size_t megabytes) {
        std::vector<char> taken(megabytes << 20, 1);
        return taken.size() >> 20;
      },
      isolated({.limits = {.memory_bytes = 64u << 20}}));
  open(hungry);
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(hungry, 16u).get(kLong), 16u);
  const auto job = app->enqueue(hungry, 512u);
  EXPECT_EQ(last_failure(job).cause, "out_of_memory");
  EXPECT_THROW(job.get(kLong), std::bad_alloc);
  EXPECT_EQ(app->enqueue(hungry, 16u).get(kLong), 16u);
}

TEST_F(IsolationTest, AnEndlessLoopIsKilledAtItsHardTimeout) {
  const auto loops = task(
      "loops",
      [] {
        for (volatile bool on = true; on;) {
        }
      },
      isolated({.hard_timeout = 50ms}));
  open(loops);
  const auto workers = app->work();
  EXPECT_EQ(last_failure(app->enqueue(loops)).cause, "timed_out");
  // Of one enqueue.
  EXPECT_EQ(last_failure(app->enqueue(loops.with({.hard_timeout = 1ms}))).message,
            "killed after 1 ms");
  EXPECT_EQ(app->queue("default").timed_out, 2u);
}

TEST_F(IsolationTest, ASoftTimeoutIsAStopTokenAndATypedError) {
  const auto waits = task(
      "waits",
      [](Context& context) {
        (void)wait_for_stop(context.stop_token());
        context.check();
      },
      isolated({.timeout = 20ms}));
  open(waits);
  const auto workers = app->work();
  const auto failure = last_failure(app->enqueue(waits));
  EXPECT_EQ(failure.cause, "timed_out");
  EXPECT_NE(failure.message.find("penstock::Stopped: the task's time is up"), std::string::npos)
      << failure.message;
}

TEST_F(IsolationTest, WhoDoesNotStopIsKilledAfterTheGrace) {
  const auto stubborn = task(
      "stubborn",
      [](Context& context) {
        context.progress(1, 2, "begun");
        for (volatile bool on = true; on;) {
        }
      },
      isolated({.limits = {.grace = 10ms}}));
  open(stubborn);
  const auto workers = app->work();
  const auto job = app->enqueue(stubborn);
  while (job.status().progress_text != "begun") ASSERT_FALSE(job.wait(1ms));
  EXPECT_TRUE(job.cancel());
  EXPECT_THROW(job.get(kLong), Cancelled);
}

TEST_F(IsolationTest, ItsContextReachesTheWorker) {
  const auto child = task("child", [](int n) { return n + 1; });
  const auto parent = task(
      "parent",
      [child](Context& context) {
        context.extend(60s);
        return context.enqueue(child.with({.expires = 1h}), 41);
      },
      isolated());
  open(child, parent);
  const auto workers = app->work({.threads = {2, 2}});
  const auto id = app->enqueue(parent).get(kLong);
  EXPECT_EQ(app->job<int>(id).get(kLong), 42);
}

// They were left behind on the way to the worker, and both came in.
TEST_F(IsolationTest, WhatItEnqueuesIsUniqueIfItSaysSo) {
  const auto child = task("child", [](int n) { return n + 1; });
  const auto parent = task(
      "parent",
      [child](Context& context) {
        const Unique unique{.key = "k", .time = 1h, .on_conflict = OnConflict::return_known};
        const auto options = EnqueueOptions{.unique = unique, .timeout = 1min};
        const auto first = context.enqueue(child.with(options), 1);
        return first == context.enqueue(child.with(options), 2);
      },
      isolated());
  open(child, parent);
  const auto workers = app->work();
  EXPECT_TRUE(app->enqueue(parent).get(kLong));
}

TEST_F(IsolationTest, AProcessIsReplacedAfterItsTasks) {
  const auto where = task(
      "where", [] { return ::getpid(); }, isolated());
  open(where);
  const auto workers = app->work({.isolation = {.recycle_after = 2}});
  const auto first = app->enqueue(where).get(kLong);
  EXPECT_EQ(app->enqueue(where).get(kLong), first);
  EXPECT_NE(app->enqueue(where).get(kLong), first);
}

TEST_F(IsolationTest, AHundredCrashesInARowLoseNothing) {
  const auto often = task(
      "often",
      [](Context& context, int n) {
        if (context.attempt() == 1) ::raise(n % 2 == 0 ? SIGSEGV : SIGBUS);
        return n;
      },
      isolated({.max_attempts = 2, .backoff = fixed(1ms)}));
  open(often);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 100; ++n) arguments.emplace_back(n);
  const auto jobs = app->enqueue_many(often, arguments);
  const auto workers = app->work({.threads = {2, 2}});
  for (int n = 0; n < 100; ++n) EXPECT_EQ(jobs[static_cast<std::size_t>(n)].get(kLong), n);
  EXPECT_EQ(app->queue("default").killed, 100u);
  EXPECT_EQ(app->queue("default").acked, 100u);
}

TEST_F(IsolationTest, AFloodOfProgressAndOutputHoldsUpNobody) {
  const auto floods = task(
      "floods",
      [](Context& context) {
        const std::string text(500, 'x');
        for (int n = 0; n < 100'000; ++n) context.progress(n, 100'000, text);
        return context.stop_requested();
      },
      isolated());
  open(floods);
  const auto workers = app->work();
  EXPECT_FALSE(app->enqueue(floods).get(kLong));
}

TEST_F(IsolationTest, LargeArgumentsAndResultsGoThrough) {
  const auto twice = task(
      "twice", [](std::string text) { return text + text; }, isolated());
  open(twice);
  const auto workers = app->work();
  const std::string text(3u << 20, 'x');
  EXPECT_EQ(app->enqueue(twice, text).get(kLong), text + text);
}

TEST_F(IsolationTest, MiddlewareRunsInTheWorker) {
  const auto where = task(
      "where", [] { return ::getpid(); }, isolated());
  open(where);
  std::atomic<int> seen{0};
  app->use({.execute = [&](Context&, const Next& next) {
    next();
    ++seen;
  }});
  const auto workers = app->work();
  EXPECT_NE(app->enqueue(where).get(kLong), ::getpid());
  EXPECT_EQ(seen, 1);
}

TEST_F(IsolationTest, ATaskThatIsDefinedTooLateIsRefused) {
  open();
  const auto late = task(
      "late", [] {}, isolated());
  EXPECT_THROW(app->add(late), Conflict);
}

TEST_F(IsolationTest, StoppingGivesBackWhatDoesNotEnd) {
  const auto stubborn = task(
      "stubborn",
      [](Context& context) {
        context.progress(1);
        for (volatile bool on = true; on;) {
        }
      },
      isolated({.limits = {.grace = 1ms}}));
  open(stubborn);
  auto workers = app->work();
  const auto job = app->enqueue(stubborn);
  while (job.status().progress == 0) ASSERT_FALSE(job.wait(1ms));
  workers.stop(0s);
  EXPECT_EQ(job.state(), JobState::queued);
  EXPECT_TRUE(job.status().failures().empty());
}

// ---- workflows in the place of isolated tasks

const auto add = task("add", [](int a, int b) { return a + b; });
const auto sum = task("sum", [](std::vector<int> all) {
  int total = 0;
  for (const int one : all) total += one;
  return total;
});

TEST_F(IsolationTest, ATaskMayPutAWorkflowInItsPlace) {
  const auto crawl = task(
      "crawl",
      [](int pages) -> Flow<int> {
        std::vector<std::tuple<int, int>> each;
        for (int n = 0; n < pages; ++n) each.emplace_back(n, 1);
        return chain(map(add.with({.queue = "pages", .headers = {{"h", "1"}}}), each), step(sum),
                     step(add, 100));
      },
      isolated());
  open(crawl, add, sum);
  const auto workers = app->work({.queues = {"default", "pages"}});
  EXPECT_EQ(app->enqueue(crawl, 5).get(kLong), 115);
  EXPECT_EQ(app->queue("pages").acked, 5u);
}

TEST_F(IsolationTest, AllThatAWorkflowHasComesThroughItsSocket) {
  const auto note = task("note", [](StepFailure failure) { return failure.error.message; });
  const auto kinds = task(
      "kinds",
      [note](std::string) -> Flow<int> {
        const std::vector<std::tuple<int, int>> pairs{{1, 2}, {3, 4}, {5, 6}};
        return chain(group(chain(step(add, 1, 1), step(add, 2)), step(add, 3, 3))
                         .on_success(step(sum)),
                     step(sum), chunks(add, pairs, 2),
                     step(remote_task<int(std::vector<std::vector<int>>)>("flat")))
            .on_error(step(note));
      },
      isolated());
  const auto flat = task("flat", [](std::vector<std::vector<int>> lists) {
    int total = 0;
    for (const auto& list : lists)
      for (const int one : list) total += one;
    return total;
  });
  const auto nested = task(
      "nested", [kinds](int n) -> Flow<int> { return step(kinds, std::to_string(n)); }, isolated());
  open(kinds, nested, add, sum, flat, note);
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(kinds, "x").get(kLong), 21);
  EXPECT_EQ(app->enqueue(nested, 1).get(kLong), 21) << "one of the steps is isolated again";
}

TEST_F(IsolationTest, TheStepsOfItsWorkflowPassTheMiddlewareOfTheWorker) {
  const auto twice = task(
      "twice", [](int n) -> Flow<int> { return step(add, n, n); }, isolated());
  open(twice, add);
  app->use({.enqueue = [](EnqueueCall& call, const Next& next) {
    if (call.is_step) call.options.headers.emplace_back("tenant", "blue");
    next();
  }});
  std::string tenant;
  app->use({.execute = [&](Context& context, const Next& next) {
    if (context.name() == "add") tenant = context.header("tenant").value_or("none");
    next();
  }});
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(twice, 21).get(kLong), 42);
  EXPECT_EQ(tenant, "blue");
}

TEST_F(IsolationTest, AWorkflowThatIsTooLargeForItFailsTheTaskAndNotItsProcess) {
  const auto many = task(
      "many",
      [](int count) -> Flow<std::vector<int>> {
        std::vector<Flow<int>> members;
        for (int n = 0; n < count; ++n) members.push_back(step(add, n, 1));
        return group(members);
      },
      isolated());
  open(many, add);
  const auto workers = app->work();
  EXPECT_EQ(last_failure(app->enqueue(many, 10'000)).message,
            "the workflow in the task's place is too large for isolation");
  EXPECT_EQ(app->enqueue(many, 100).get(kLong).size(), 100u);
  EXPECT_EQ(app->queue("default").killed, 0u);
}

}  // namespace
}  // namespace penstock::testing
