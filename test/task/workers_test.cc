// What runs, what is told to stop, and what goes back.
#include <latch>
#include <thread>

#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

class WorkersTest : public EmbeddedTest {};

TEST_F(WorkersTest, TellTheTaskAboutItsAttempt) {
  const auto tell = task(
      "tell",
      [](Context& context, int) {
        return std::tuple(context.id(), context.attempt(), std::string(context.queue()),
                          std::string(context.name()), context.header("trace").value_or("none"),
                          context.headers().size(), context.stop_requested(),
                          context.deadline() > std::chrono::system_clock::now());
      },
      {.queue = "told"});
  app->add(tell);
  const auto workers = app->work({.queues = {"told"}});
  const auto job = app->enqueue(tell.with({.headers = {{"trace", "abc"}}}), 1);
  EXPECT_EQ(job.get(kLong), std::tuple(job.id(), 1U, std::string("told"), std::string("tell"),
                                       std::string("abc"), 1U, false, true));
}

TEST_F(WorkersTest, PassProgressOn) {
  Event go;
  const auto steps = task("steps", [&](Context& context) {
    context.progress(3, 10, "third");
    return go.wait();
  });
  app->add(steps);
  const auto workers = app->work();
  const auto job = app->enqueue(steps);
  while (job.status().progress_text.empty()) ASSERT_FALSE(job.wait(1ms));
  const auto status = job.status();
  EXPECT_EQ(status.state, JobState::running);
  EXPECT_EQ(status.progress, 3);
  EXPECT_EQ(status.progress_total, 10);
  EXPECT_EQ(status.progress_text, "third");
  go.set();
  EXPECT_TRUE(job.get(kLong));
}

TEST_F(WorkersTest, StopTheTaskThatIsCancelled) {
  Event started;
  const auto waits = task("waits", [&](Context& context) {
    started.set();
    if (wait_for_stop(context.stop_token())) throw std::runtime_error("told to stop");
  });
  app->add(waits);
  const auto workers = app->work();
  const auto job = app->enqueue(waits);
  ASSERT_TRUE(started.wait());
  EXPECT_TRUE(job.cancel());
  EXPECT_THROW(job.get(kLong), Cancelled);
  EXPECT_FALSE(job.cancel());
}

TEST_F(WorkersTest, NeverStartATaskThatWasCancelledBefore) {
  std::atomic<int> runs{0};
  const auto counts = task("counts", [&] { ++runs; });
  app->add(counts);
  const auto job = app->enqueue(counts);
  const auto other = app->enqueue(counts);
  EXPECT_TRUE(job.cancel());
  EXPECT_EQ(job.state(), JobState::cancelled);
  const auto workers = app->work();
  other.get(kLong);
  EXPECT_EQ(runs, 1);
}

// Where nobody gets to run for as long as a lease, it is lost, and the task comes again: how it is
// kept in time is AttemptTest's.
TEST_F(WorkersTest, KeepTheLeaseOfATaskThatRunsLongerThanIt) {
  const auto slow = task("slow",
                         [&](Context& context) {
                           const auto first = context.deadline();
                           while (context.deadline() <= first + 200ms) {
                             if (context.stop_requested()) throw std::runtime_error("lost");
                             std::this_thread::yield();
                           }
                         },
                         {.max_attempts = 1000, .lease = 100ms});
  app->add(slow);
  const auto workers = app->work({.threads = {2, 2}});
  app->enqueue(slow).get(kLong);
}

TEST_F(WorkersTest, LetTheTaskExtendItsLeaseItself) {
  const auto extends = task("extends", [](Context& context) {
    context.extend(1h);
    return context.deadline() > std::chrono::system_clock::now() + 59min;
  });
  app->add(extends);
  const auto workers = app->work();
  EXPECT_TRUE(app->enqueue(extends).get(kLong));
}

TEST_F(WorkersTest, StopTheTaskWhoseTimeIsUp) {
  const auto late = task("late",
                         [](Context& context) {
                           if (wait_for_stop(context.stop_token()))
                             throw std::runtime_error("gave up");
                         },
                         {.max_attempts = 1, .timeout = 5ms});
  app->add(late);
  const auto workers = app->work();
  const auto job = app->enqueue(late);
  EXPECT_THROW(job.get(kLong), TaskError);
  EXPECT_EQ(job.status().error,
            "penstock::Timeout: the task's time was up: std::runtime_error: gave up");
}

TEST_F(WorkersTest, LetRunningTasksFinishWhenTheyStop) {
  Event started, go;
  const auto waits = task("waits", [&] {
    started.set();
    return go.wait();
  });
  app->add(waits);
  auto workers = app->work();
  const auto job = app->enqueue(waits);
  ASSERT_TRUE(started.wait());
  std::thread stopper([&] { workers.stop(); });
  go.set();
  stopper.join();
  EXPECT_EQ(job.state(), JobState::done);  // settled before stop() returned
}

TEST_F(WorkersTest, GiveBackWhatHadNotStartedAndWhatGivesUpAfterTheGraceTime) {
  Event started;
  const auto waits = task("waits", [&](Context& context) {
    started.set();
    if (wait_for_stop(context.stop_token())) throw std::runtime_error("told to stop");
  });
  app->add(waits);
  std::vector<Job<void>> jobs;
  for (int n = 0; n < 5; ++n) jobs.push_back(app->enqueue(waits));
  auto workers = app->work();
  ASSERT_TRUE(started.wait());
  workers.stop(1ms);
  const auto queue = app->queue("default");
  EXPECT_EQ(queue.ready, 5U);
  EXPECT_EQ(queue.leased, 0U);
  for (const auto& job : jobs) EXPECT_EQ(job.status().attempts, 0U);  // it was no failure
}

TEST_F(WorkersTest, GiveBackShortTasksHeldReadyWhenALongOneBlocksTheThread) {
  Event blocked, go;
  std::atomic<int> runs{0};
  const auto work = task("work",
                         [&](int n) {
                           if (n == 500) {
                             blocked.set();
                             (void)go.wait();
                           }
                           ++runs;
                         },
                         {.lease = 600ms});
  app->add(work);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 1000; ++n) arguments.emplace_back(n);
  const auto jobs = app->enqueue_many(work, arguments);
  auto stuck = app->work();
  ASSERT_TRUE(blocked.wait());
  const auto free = app->work();  // a second pool, as another process would be
  for (int n = 0; n < 1000; ++n)
    if (n != 500) jobs[static_cast<std::size_t>(n)].get(kLong);
  EXPECT_EQ(jobs[500].state(), JobState::running);  // its lease was kept all the while
  go.set();
  jobs[500].get(kLong);
  EXPECT_EQ(runs, 1000);
}

TEST_F(WorkersTest, StartMoreThreadsForABacklogAndEndThemAgain) {
  std::latch together(4);
  const auto meets = task("meets", [&] { together.arrive_and_wait(); });
  app->add(meets);
  std::vector<Job<void>> jobs;
  for (int n = 0; n < 4; ++n) jobs.push_back(app->enqueue(meets));
  const auto workers = app->work({.threads = {1, 4}});
  for (const auto& job : jobs) job.get(kLong);  // only four threads can meet
  EXPECT_EQ(workers.statistics().done, 4U);
}

TEST_F(WorkersTest, CountWhatTheyDo) {
  const auto odd = task("odd",
                        [](int n) {
                          if (n % 2 == 1) throw std::runtime_error("odd");
                        },
                        {.max_attempts = 1});
  app->add(odd);
  auto workers = app->work({.threads = {2, 2}});
  std::vector<Job<void>> jobs;
  for (int n = 0; n < 10; ++n) jobs.push_back(app->enqueue(odd, n));
  for (const auto& job : jobs) EXPECT_TRUE(job.wait(kLong));
  workers.stop();
  const auto statistics = workers.statistics();
  EXPECT_EQ(statistics.done, 5U);
  EXPECT_EQ(statistics.failed, 5U);
  EXPECT_EQ(statistics.lost, 0U);
  EXPECT_EQ(statistics.threads, 0U);
  EXPECT_EQ(statistics.last_error, "");
}

TEST_F(WorkersTest, RefuseOptionsThatMakeNoSense) {
  EXPECT_THROW((void)app->work({.queues = {}}), InvalidInput);
  EXPECT_THROW((void)app->work({.queues = {""}}), InvalidInput);
  EXPECT_THROW((void)app->work({.threads = {0, 1}}), InvalidInput);
  EXPECT_THROW((void)app->work({.threads = {2, 1}}), InvalidInput);
  app->close();
  EXPECT_THROW((void)app->work(), Closed);
}

TEST_F(WorkersTest, AreStoppedByTheEndOfTheirApp) {
  const auto nothing = task("nothing", [] {});
  app->add(nothing);
  auto workers = app->work({.threads = {2, 2}});
  app->enqueue(nothing).get(kLong);
  app.reset();
  workers.join();
  EXPECT_EQ(workers.statistics().done, 1U);
}

TEST_F(WorkersTest, GiveUpAThreadAtItsHardTimeoutAndTryAgain) {
  Event go;
  const auto stuck = task("stuck",
                          [&](Context& context) {
                            if (context.attempt() == 1) (void)go.wait();
                            return context.attempt();
                          },
                          {.max_attempts = 2, .backoff = fixed(1ms), .hard_timeout = 20ms});
  app->add(stuck);
  const auto workers = app->work({.threads = {2, 2}});
  const auto job = app->enqueue(stuck);
  // Of the second attempt, on the other thread, as the first one still runs. It too may take too
  // long on a slow machine.
  EXPECT_TRUE(job.wait(kLong));
  const auto failures = job.status().failures();
  ASSERT_FALSE(failures.empty());
  EXPECT_EQ(failures[0].cause, "timed_out");
  EXPECT_EQ(failures[0].message, "its hard time-out was over");
  go.set();
}

TEST_F(WorkersTest, TellTheTaskWhyItIsToStop) {
  const auto waits = task("waits",
                          [](Context& context) {
                            (void)wait_for_stop(context.stop_token());
                            context.check();
                          },
                          {.max_attempts = 1});
  app->add(waits);
  const auto workers = app->work();
  const auto job = app->enqueue(waits.with({.timeout = 5ms}));
  EXPECT_TRUE(job.wait(kLong));
  EXPECT_EQ(job.status().failures().at(0).message,
            "the task's time was up: penstock::Stopped: the task's time is up");
  EXPECT_EQ(job.status().failures().at(0).cause, "timed_out");
}

}  // namespace
}  // namespace penstock::testing
