// What penstock::testing promises to those who test with it.
#include <gtest/gtest.h>

#include <penstock/penstock.hpp>
#include <penstock/testing.hpp>
#include <stdexcept>
#include <thread>

namespace penstock::testing {
namespace {

using namespace std::chrono_literals;

TEST(TestApps, RunTasksOnTheCallingThreadUntilNoneIsReady) {
  TestApp app;
  const auto caller = std::this_thread::get_id();
  const auto count = task("count", [&](Context&, int n) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    return n * 2;
  });
  const auto start = task("start", [&](int n) {
    for (int i = 0; i < n; ++i) app->enqueue(count, i);
  });
  app->add(start, count);
  const auto job = app->enqueue(start, 3);
  EXPECT_EQ(job.state(), JobState::queued);
  EXPECT_EQ(app.run_until_idle(), Ran{.done = 4});
  EXPECT_EQ(job.state(), JobState::done);
  EXPECT_EQ(app->job<int>(app.enqueued(count)[2].id).get(), 4);
  EXPECT_EQ(app.run_until_idle(), Ran{});
}

TEST(TestApps, ShowWhatWasEnqueued) {
  TestApp app;
  const auto mail = remote_task<void(std::string, int)>("mail", {.queue = "post"});
  const auto other = remote_task<void()>("other");
  app->enqueue(mail, "ann", 1);
  app->enqueue(mail.with({.delay = 5min, .key = "k", .group = "g", .headers = {{"a", "b"}}}), "bob",
               2);
  app->enqueue(mail.with({.key = "k"}), "bob", 2);  // was there before
  app->enqueue(other);
  EXPECT_EQ(app.enqueued().size(), 3U);
  const auto mails = app.enqueued(mail);
  ASSERT_EQ(mails.size(), 2U);
  EXPECT_EQ(mails[0].arguments, R"(["ann",1])");
  EXPECT_EQ(mails[0].queue, "post");
  EXPECT_EQ(mails[0].at, app.now());
  EXPECT_EQ(mails[1].not_before, app.now() + 5min);
  EXPECT_EQ(mails[1].key, "k");
  EXPECT_EQ(mails[1].group, "g");
  EXPECT_EQ(mails[1].headers, (Headers{{"a", "b"}}));
  EXPECT_EQ(app.arguments_of(mail),
            (std::vector{std::tuple(std::string("ann"), 1), std::tuple(std::string("bob"), 2)}));
  EXPECT_THROW((void)mails[0].arguments_as<int>(), InvalidInput);
  app.clear_enqueued();
  EXPECT_TRUE(app.enqueued().empty());
}

TEST(TestApps, RetryAsTheirClockIsAdvanced) {
  TestApp app;
  int tries = 0;
  const auto flaky = task("flaky",
                          [&] {
                            if (++tries < 3) throw std::runtime_error("not yet");
                            return tries;
                          },
                          {.max_attempts = 5, .backoff = fixed(10s).without_jitter()});
  app->add(flaky);
  const auto job = app->enqueue(flaky);
  EXPECT_EQ(app.run_until_idle(), Ran{.failed = 1});
  EXPECT_EQ(job.state(), JobState::retrying);
  EXPECT_THROW((void)job.get(1h), Timeout);  // waits for nobody
  app.advance(9s);
  EXPECT_EQ(app.run_until_idle(), Ran{});
  app.advance(1s);
  EXPECT_EQ(app.run_until_idle(), Ran{.failed = 1});
  EXPECT_EQ(app.run_for(1h), Ran{.done = 1});
  EXPECT_EQ(job.get(), 3);
}

TEST(TestApps, RunToTheEndWhateverTheDelays) {
  TestApp app;
  std::vector<int> ran;
  const auto step = task("step", [&](int n) { ran.push_back(n); });
  app->add(step);
  const TimePoint start = app.now();
  app->enqueue(step.with({.delay = 24h}), 2);
  app->enqueue(step.with({.delay = 1min}), 1);
  EXPECT_EQ(app.run_to_end(), Ran{.done = 2});
  EXPECT_EQ(ran, (std::vector{1, 2}));
  EXPECT_GE(app.now(), start + 24h);
  EXPECT_LT(app.now(), start + 24h + 1s);
}

TEST(TestApps, InjectFailuresDeathsAndRefusals) {
  TestApp app;
  int runs = 0;
  const auto charge = task("charge", [&] { ++runs; }, {.backoff = immediately()});
  app->add(charge);
  app.fail_next(charge, std::runtime_error("declined"), 2);
  const auto job = app->enqueue(charge);
  EXPECT_EQ(app.run_until_idle(), (Ran{.done = 1, .failed = 2}));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(job.status().attempts, 3U);

  app.kill_worker_after(charge);
  app->enqueue(charge);
  EXPECT_EQ(app.run_until_idle(), (Ran{.done = 1, .lost = 1}));
  EXPECT_EQ(runs, 3);

  app.refuse_next({.reason = "max_wait", .retry_after = 3s, .message = "too long a wait"}, 2);
  EXPECT_EQ(app->try_enqueue(charge).error().retry_after, 3s);
  EXPECT_THROW(app->enqueue(charge), Refused);
  EXPECT_TRUE(app->try_enqueue(charge).has_value());
}

TEST(TestApps, LetTheTimeOfARunningTaskPass) {
  TestApp app;
  std::vector<std::string> seen;
  const auto slow = task("slow",
                         [&](Context& context) {
                           const std::stop_callback callback(context.stop_token(), [&] {
                             seen.emplace_back(context.stop_requested() ? "stop" : "?");
                           });
                           context.progress(1, 2, "half");
                           app.advance(40s);  // longer than its lease
                           seen.push_back(app->job<void>(context.id()).status().progress_text);
                           EXPECT_FALSE(context.stop_requested());
                           app.advance(25s);
                           EXPECT_TRUE(context.stop_requested());
                           throw std::runtime_error("gave up");
                         },
                         {.max_attempts = 1, .lease = 10s, .timeout = 60s});
  app->add(slow);
  const auto job = app->enqueue(slow);
  EXPECT_EQ(app.run_until_idle(), Ran{.failed = 1});
  EXPECT_EQ(seen, (std::vector<std::string>{"half", "stop"}));
  EXPECT_EQ(job.status().error,
            "penstock::Timeout: the task's time was up: std::runtime_error: gave up");
}

TEST(TestApps, GiveUpWhatDoesNotEndInItsTime) {
  TestApp app;
  const auto lasts = [&app](Context&) { app.advance(30s); };
  const auto hard = task("hard", lasts, {.max_attempts = 1, .lease = 10s, .hard_timeout = 20s});
  const auto soft = task("soft", lasts, {.max_attempts = 1, .lease = 10s, .timeout = 15s});
  app->add(hard);
  app->add(soft);
  for (const auto& job : {app->enqueue(hard), app->enqueue(soft)}) {
    EXPECT_EQ(app.run_one(), Ran{.failed = 1});
    const auto failures = job.status().failures();
    ASSERT_EQ(failures.size(), 1u);
    EXPECT_EQ(failures[0].cause, "timed_out");
    EXPECT_EQ(failures[0].type, "penstock::Timeout");
  }
}

TEST(TestApps, HaveTheSameOutcomeEveryTime) {
  const auto life = [](std::uint64_t seed) {
    TestApp app({.seed = seed});
    const auto fails = task("fails", [] { throw std::runtime_error("no"); },
                            {.max_attempts = 6, .backoff = exponential(1s, 60s)});
    app->add(fails);
    app->enqueue(fails);
    app.run_to_end();
    return app.now();
  };
  EXPECT_EQ(life(1), life(1));
  EXPECT_NE(life(1), life(2));
}

TEST(TestApps, SendWhatFailedForGoodToTheDeadLetters) {
  TestApp app;
  const auto fails = task("fails", [] { throw Permanent("never"); });
  app->add(fails);
  app->enqueue(fails);
  EXPECT_EQ(app.run_to_end(), Ran{.failed = 1});
  EXPECT_EQ(app->queue("default.dead").ready, 1U);
  EXPECT_EQ(app->redrive("default.dead"), 1U);
  EXPECT_EQ(app.run_until_idle(), Ran{.failed = 1});
}

TEST(TestApps, SayWhatCannotBeDoneWithThem) {
  TestApp app({.attempts_max = 10});
  EXPECT_THROW((void)app->work(), Conflict);
  EXPECT_THROW(app.advance(-1s), InvalidInput);
  const auto nested = task("nested", [&] { app.run_until_idle(); }, {.max_attempts = 1});
  app->add(nested);
  const auto job = app->enqueue(nested);
  app.run_until_idle();
  EXPECT_NE(job.status().error.find("cannot run others"), std::string::npos);
  const std::function<void()> again = [&] { app->enqueue(remote_task<void()>("again")); };
  app->add(task("again", [&] { again(); }));
  again();
  EXPECT_THROW(app.run_until_idle(), Exception);
  app->close();
  EXPECT_THROW(app.run_until_idle(), Closed);
  EXPECT_THROW(again(), Closed);
}

TEST(TestApps, LeaveAloneTasksThatNobodyAdded) {
  TestApp app;
  app->enqueue(remote_task<void()>("elsewhere"));
  EXPECT_EQ(app.run_until_idle(), Ran{.unknown = 1});
  EXPECT_EQ(app.enqueued().size(), 1U);
  EXPECT_EQ(app.run_to_end(), Ran{});  // it would wait for ever
  const auto status = app->job<void>(app.enqueued()[0].id).status();
  EXPECT_EQ(status.declined, "unknown task `elsewhere`");
  EXPECT_EQ(status.attempts, 0U);
  app->add(task("elsewhere", [] {}));
  EXPECT_EQ(app.run_until_idle(), Ran{.done = 1});  // at once: somebody is there who knows it
}

TEST(TestApps, LeaveTasksWithOtherArgumentsToAnotherBuildOfTheProgram) {
  TestApp app;
  app->add(task("resize", [](std::string, int) {}, {.max_attempts = 1}));
  const auto job = app->enqueue(remote_task<void(std::string)>("resize"), "cat.png");
  EXPECT_EQ(app.run_until_idle(), Ran{.unreadable = 1});
  const auto status = job.status();
  EXPECT_FALSE(is_final(status.state));
  EXPECT_EQ(status.declined_count, 1U);
  EXPECT_EQ(status.declined, "penstock::ArgumentError: the task takes 2 argument(s), got 1");
  // It comes again, because such a build may have been started.
  const auto more = app.run_for(1min).unreadable;
  EXPECT_GE(more, 2U);
  EXPECT_EQ(job.status().declined_count, 1 + more);
  EXPECT_EQ(job.status().attempts, 0U);
}

TEST(TestApps, KeepWhatTasksSay) {
  TestApp app;
  const auto talks = task("talks", [&](Context& context) {
    context.log("one");
    app.advance(1s);
    context.log("two\nthree");
  });
  app->add(talks);
  const auto job = app->enqueue(talks);
  app.run_until_idle();
  const auto log = job.log();
  ASSERT_EQ(log.lines.size(), 3U);
  EXPECT_EQ(log.lines[0].text, "one");
  EXPECT_EQ(log.lines[0].attempt, 1U);
  EXPECT_EQ(log.lines[2].at - log.lines[0].at, 1s);
  EXPECT_EQ(log.lines[2].text, "three");
  EXPECT_TRUE(log.ended);
  EXPECT_EQ(job.log(2).lines.size(), 1U);
}

TEST(TestApps, TakeManyTasks) {
  TestApp app;
  std::int64_t sum = 0;
  const auto add = task("add", [&](int n) { sum += n; }, {.result_ttl = 0s});
  app->add(add);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 20'000; ++n) arguments.emplace_back(n);
  EXPECT_EQ(app->enqueue_many(add, arguments).size(), 20'000U);
  EXPECT_EQ(app.run_until_idle(), Ran{.done = 20'000});
  EXPECT_EQ(sum, 199'990'000);
}

}  // namespace
}  // namespace penstock::testing
