// The library against a server: what its users see is the same as embedded.
#include <future>
#include <stdexcept>
#include <thread>

#include "test/task/server_fixture.h"

namespace penstock::testing {
namespace {

using Remote = ServerTest;

TEST_F(Remote, TasksRunAndReturnTheirResult) {
  const auto resize = task("resize", [](Context& context, std::string path, int width) {
    return path + "@" + std::to_string(width) + "#" + std::to_string(context.attempt()) +
           context.header("trace").value_or("");
  });
  app_->add(resize);
  const auto workers = app_->work({.threads = {1, 4}});
  auto elsewhere = App::connect(url());
  const auto job =
      elsewhere.enqueue(resize.with({.priority = 3, .headers = {{"trace", "!"}}}), "cat.png", 320);
  EXPECT_EQ(job.get(kLong), "cat.png@320#1!");
  EXPECT_EQ(app_->job<std::string>(job.id()).state(), JobState::done);
}

TEST_F(Remote, TasksComeInManyAtATime) {
  const auto square = task("square", [](int n) { return n * n; });
  app_->add(square);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 3000; ++n) arguments.emplace_back(n);
  const auto jobs = app_->enqueue_many(square, arguments);
  const auto workers = app_->work({.threads = {2, 2}});
  ASSERT_EQ(jobs.size(), 3000U);
  for (int n = 0; n < 3000; ++n) ASSERT_EQ(jobs[static_cast<std::size_t>(n)].get(kLong), n * n);
}

TEST_F(Remote, ManyTasksOfAKeyCanBeRepeated) {
  constexpr std::size_t kHalf = 1500;  // no multiple of a slice
  const auto square = remote_task<int(int)>("square");
  std::vector<std::tuple<int>> arguments(2 * kHalf);
  const auto half = std::span(arguments).first(kHalf);
  const auto once = app_->enqueue_many(square.with({.key = "k"}), half);
  const auto again = app_->enqueue_many(square.with({.key = "k"}), arguments);
  EXPECT_EQ(app_->queue("default").ready, 2 * kHalf);
  for (std::size_t n = 0; n < kHalf; ++n) ASSERT_EQ(once[n].id(), again[n].id());
}

TEST_F(Remote, TasksFailWithTheirOwnTypeAfterTheirRetries) {
  const auto fails = task("fails",
                          [](Context& context) {
                            if (context.attempt() == 1) throw RetryAfter(1ms);
                            throw std::out_of_range("no such page");
                          },
                          {.max_attempts = 3, .backoff = fixed(1ms)});
  const auto hopeless = task("hopeless", [] { throw Permanent("no such user"); });
  app_->add(fails, hopeless);
  const auto workers = app_->work();
  const auto job = app_->enqueue(fails);
  EXPECT_THROW(job.get(kLong), std::out_of_range);
  EXPECT_EQ(job.status().attempts, 3U);
  EXPECT_THROW(app_->enqueue(hopeless).get(kLong), TaskError);
}

TEST_F(Remote, ProgressAndCancelReachTheOtherSide) {
  const auto waits = task("waits", [&](Context& context) {
    context.progress(1, 2, "half");
    if (wait_for_stop(context.stop_token())) throw std::runtime_error("told to stop");
  });
  app_->add(waits);
  const auto workers = app_->work();
  auto elsewhere = App::connect(url());
  const auto job = elsewhere.enqueue(waits);
  while (job.status().progress_text != "half") ASSERT_FALSE(job.wait(1ms));
  EXPECT_TRUE(job.cancel());  // the worker is another App: it learns of it from the server
  EXPECT_THROW(job.get(kLong), Cancelled);
}

TEST_F(Remote, ARefusalHasItsReasonAndATime) {
  const auto same = task("same", [](int n) { return n; });
  app_->declare("default", {.max_length = 1});
  app_->enqueue(same, 1);
  const auto refused = app_->try_enqueue(same, 2);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "max_length");
  EXPECT_EQ(refused.error().queue, "default");
  EXPECT_GT(refused.error().retry_after, 0us);
  EXPECT_THROW(app_->enqueue(same.with({.patience = 5ms}), 2), Refused);
  app_->add(same);
  const auto workers = app_->work();
  EXPECT_EQ(app_->enqueue(same, 3).get(kLong), 3);
}

TEST_F(Remote, StoppedWorkersGiveBackWhatTheyHold) {
  Event started;
  const auto waits = task("waits", [&](Context& context) {
    started.set();
    if (wait_for_stop(context.stop_token())) throw std::runtime_error("told to stop");
  });
  app_->add(waits);
  for (int n = 0; n < 3; ++n) app_->enqueue(waits);
  auto workers = app_->work();
  ASSERT_TRUE(started.wait());
  workers.stop(1ms);
  const auto queue = app_->queue("default");
  EXPECT_EQ(queue.ready, 3U);
  EXPECT_EQ(queue.leased, 0U);
}

TEST_F(Remote, MessagesAreSentTakenAndSettled) {
  const auto id = app_->send("mail", std::string("bin\0ary", 7), {.headers = {{"to", "you"}}});
  {
    auto messages = app_->receive("mail", {.wait = kLong});
    ASSERT_EQ(messages.size(), 1U);
    EXPECT_EQ(messages[0].id(), id);
    EXPECT_EQ(messages[0].body(), std::string_view("bin\0ary", 7));
    EXPECT_EQ(messages[0].header("to"), "you");
    messages[0].extend(1h);
    EXPECT_GT(messages[0].deadline(), std::chrono::system_clock::now() + 59min);
  }
  auto again = app_->receive("mail", {.wait = kLong});  // its handle gave it back
  ASSERT_EQ(again.size(), 1U);
  again[0].nack("no", 0ms);
  auto third = app_->receive("mail", {.wait = kLong});
  ASSERT_EQ(third.size(), 1U);
  EXPECT_EQ(third[0].attempts(), 2U);
  third[0].ack();
  EXPECT_THROW(third[0].ack(), LeaseLost);
  EXPECT_EQ(app_->queue("mail").in_system, 0);
}

TEST_F(Remote, QueuesArePausedPurgedAndRemoved) {
  app_->declare("q", {.max_wait = 2s, .backoff = fixed(2s)});
  app_->declare("q");
  EXPECT_EQ(app_->queue("q").max_wait, 2s);
  app_->send("q", "a");
  app_->pause("q");
  EXPECT_TRUE(app_->receive("q").empty());
  EXPECT_TRUE(app_->queue("q").paused);
  EXPECT_EQ(app_->purge("q"), 1U);
  EXPECT_EQ(app_->queue("q").published, 1U);
  EXPECT_EQ(app_->remove("q"), 0U);
  EXPECT_THROW((void)app_->queue("q"), NotFound);
}

TEST_F(Remote, AJobThatNeverWasIsNotFound) {
  EXPECT_EQ(app_->job<int>(999).state(), JobState::unknown);
  EXPECT_THROW((void)app_->job<int>(999).get(kLong), NotFound);
  EXPECT_FALSE(app_->job<int>(999).cancel());
}

TEST_F(Remote, ClosingEndsWhatWaits) {
  const auto never = task("never", [] {});
  const auto job = app_->enqueue(never);
  auto waiting = std::async(std::launch::async, [&] { job.get(); });
  app_->close();
  EXPECT_THROW(waiting.get(), Closed);
  EXPECT_THROW(app_->enqueue(never), Closed);
}

TEST_F(Remote, WorkersGoOnAfterTheServerWasAway) {
  const auto same = task("same", [](int n) { return n; });
  app_->add(same);
  const auto workers = app_->work();
  EXPECT_EQ(app_->enqueue(same, 1).get(kLong), 1);
  stop_server();
  EXPECT_THROW(app_->enqueue(same.with({.patience = 0ms}), 2), Exception);
  start_server();
  auto again = App::connect(url());
  EXPECT_EQ(again.enqueue(same, 3).get(kLong), 3);
}

TEST_F(Remote, WhoWaitsForATaskOutwaitsARestartOfTheServer) {
  const auto same = task("same", [](int n) { return n; });
  app_->add(same);
  const auto job = app_->enqueue(same, 7);
  auto waiting = std::async(std::launch::async, [&] { return job.get(kLong); });
  stop_server();
  EXPECT_THROW(job.get(50ms), Closed);
  start_server();
  auto other = App::connect(url());
  other.add(same);
  const auto workers = other.work();
  EXPECT_EQ(waiting.get(), 7);
}

TEST_F(Remote, WhoSendsWaitsForAServerThatIsAway) {
  const auto same = task("same", [](int n) { return n; });
  for (int n = 0; n < 20; ++n) app_->enqueue(same, n);  // alone for so long: over its own lane
  stop_server();
  // Each begins while nobody is there: nothing of it can have come in.
  EXPECT_THROW(app_->enqueue(same.with({.patience = 0ms}), 1), Closed);
  EXPECT_THROW(app_->enqueue(same.with({.patience = 20ms}), 1), Closed);
  auto one = std::async(std::launch::async, [&] { return app_->enqueue(same, 1).id(); });
  auto many = std::async(std::launch::async, [&] {
    return app_->enqueue_many(same, std::vector<int>(3000, 1)).size();
  });
  auto flow = std::async(std::launch::async, [&] { return app_->start(step(same, 1)).id(); });
  auto message = std::async(std::launch::async, [&] { return app_->send("plain", "text"); });
  auto queue = std::async(std::launch::async, [&] { app_->declare("late"); });
  start_server();
  EXPECT_GT(one.get(), 0u);
  EXPECT_EQ(many.get(), 3000u);
  EXPECT_GT(flow.get(), 0u);
  EXPECT_GT(message.get(), 0u);
  queue.get();
  auto again = App::connect(url());
  EXPECT_EQ(again.queue("default").ready, 20u + 1 + 3000 + 1);
  EXPECT_EQ(again.queue("late").ready, 0u);
}

TEST_F(Remote, WhatCameInOfManyIsSaid) {
  const auto same = task("same", [](int n) { return n; });
  stop_server();
  try {
    (void)app_->enqueue_many(same.with({.patience = 0ms}), std::vector<int>(10, 1));
    FAIL() << "nobody is there";
  } catch (const Closed& error) {
    EXPECT_NE(std::string(error.what()).find("0 of 10 had come in for certain"), std::string::npos)
        << error.what();
  }
  start_server();
}

TEST(RemoteApp, SaysThatNobodyIsThere) {
  EXPECT_THROW((void)App::connect("penstock://127.0.0.1:1", {.timeout = 5s}), Closed);
  EXPECT_THROW((void)App::connect("http://somewhere"), InvalidInput);
}

}  // namespace
}  // namespace penstock::testing
