// Workflows made in C++: what their steps are given, in memory, in this process and by a server.
#include "task/workflow.h"

#include <future>
#include <penstock/testing.hpp>
#include <stdexcept>

#include "test/task/server_fixture.h"

namespace penstock::testing {
namespace {

const auto add = task("add", [](int a, int b) { return a + b; });
const auto sum = task("sum", [](std::vector<int> all) {
  int total = 0;
  for (const int one : all) total += one;
  return total;
});
const auto fails =
    task("fails", [](int) -> int { throw std::runtime_error("no luck"); }, {.max_attempts = 1});
const auto note = task("note", [](StepFailure failure) { return failure.error.message; });
const auto nothing = task("nothing", [](int) {});
const auto join = task("join", [](std::tuple<int, std::string> both) {
  return std::to_string(std::get<0>(both)) + std::get<1>(both);
});
const auto name = task("name", [](int n) { return "n" + std::to_string(n); });
// Counts down by putting a step in its place, again and again.
const auto countdown = task("countdown", [](int n) -> Flow<int> {
  const auto next = remote_task<int(int)>("countdown");
  if (n == 0) return chain(step(add, 40, 1), step(add, 1));
  return step(next, n - 1);
});

class WorkflowInMemory : public ::testing::Test {
 protected:
  WorkflowInMemory() { test->add(add, sum, fails, note, nothing, join, name, countdown); }

  TestApp test;
};

TEST_F(WorkflowInMemory, AChainHandsOnItsValues) {
  const auto flow = test->start(chain(step(add, 1, 2), step(add, 10), step(name)));
  EXPECT_EQ(flow.state(), JobState::running);
  test.run_until_idle();
  EXPECT_EQ(flow.get(), "n13");
  const auto status = flow.progress();
  EXPECT_EQ(status.steps, 3u);
  EXPECT_EQ(status.done, 3u);
  EXPECT_NE(status.tree.find("\"task\":\"add\""), std::string::npos);
}

TEST_F(WorkflowInMemory, GroupsGiveListsAndTuples) {
  std::vector<Flow<int, int>> members;
  for (int n = 0; n < 5; ++n) members.push_back(step(add, n));
  const auto all = test->start(chain(step(add, 1, 1), group(members), step(sum)));
  const auto both = test->start(chord(group(step(add, 1, 2), step(name, 7)), step(join)));
  test.run_until_idle();
  EXPECT_EQ(all.get(), 5 * 2 + 10);
  EXPECT_EQ(both.get(), "3n7");
}

TEST_F(WorkflowInMemory, AKeyGivesTheFirstOneAndRunsItOnce) {
  const auto flow = chain(step(add, 1, 2), step(name));
  const auto first = test->start(flow, {.key = "order 7"});
  EXPECT_EQ(test->start(flow, {.key = "order 7"}).id(), first.id());
  EXPECT_EQ(test.run_until_idle().done, 2u);
  EXPECT_EQ(test->start(flow, {.key = "order 7"}).get(), "n3");
  EXPECT_NE(test->start(flow, {.key = "order 8"}).id(), first.id());
}

TEST_F(WorkflowInMemory, MapsAndChunksRunOneTaskForManyArguments) {
  std::vector<std::tuple<int, int>> arguments;
  for (int n = 0; n < 10; ++n) arguments.emplace_back(n, 1);
  const auto mapped = test->start(chain(map(add, arguments), step(sum)));
  const auto chunked = test->start(chunks(add, arguments, 4));
  const auto ran = test.run_until_idle();
  EXPECT_EQ(mapped.get(), 55);
  EXPECT_EQ(chunked.get(), (std::vector<std::vector<int>>{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10}}));
  EXPECT_EQ(ran.done, 10u + 1 + 3);
}

TEST_F(WorkflowInMemory, ATaskOfOneParameterIsGivenBareValues) {
  const auto square = penstock::task("square", [](int n) { return n * n; });
  test->add(square);
  const std::vector numbers{1, 2, 3};
  const auto mapped = test->start(map(square, numbers));
  const auto chunked = test->start(chunks(square, numbers, 2));
  const auto jobs = test->enqueue_many(square, numbers);
  test.run_until_idle();
  EXPECT_EQ(mapped.get(), (std::vector{1, 4, 9}));
  EXPECT_EQ(chunked.get(), (std::vector<std::vector<int>>{{1, 4}, {9}}));
  EXPECT_EQ(jobs.at(2).get(), 9);
}

TEST_F(WorkflowInMemory, WhatFailsStopsItAndItIsResumed) {
  const auto flow = test->start(chain(step(add, 1, 2), step(add, 3)), {.name = "sums"});
  test.fail_next(add, Permanent("disk full"));
  test.run_until_idle();
  EXPECT_EQ(flow.state(), JobState::failed);
  EXPECT_THROW(flow.get(), Exception);
  EXPECT_NE(flow.progress().error.find("disk full"), std::string::npos);
  EXPECT_TRUE(flow.resume());
  EXPECT_FALSE(flow.resume());
  test.run_until_idle();
  EXPECT_EQ(flow.get(), 6);
}

TEST_F(WorkflowInMemory, WhatRunsOnAnErrorIsGivenIt) {
  const auto flow = test->start(
      step(fails, 1).on_error(chain(step(note), step(remote_task<int(std::string)>("told")))));
  const auto told = task("told", [](std::string message) {
    EXPECT_NE(message.find("no luck"), std::string::npos);
    return 1;
  });
  test->add(told);
  const auto ran = test.run_until_idle();
  EXPECT_EQ(ran.done, 2u);
  EXPECT_EQ(flow.state(), JobState::failed);
}

TEST_F(WorkflowInMemory, CollectingPutsErrorsIntoTheList) {
  const auto count = task("count", [](boost::json::array all) {
    return static_cast<int>(all.size()) + (all[0].is_object() ? 10 : 0);
  });
  test->add(count);
  const auto flow = test->start(chain(group(step(fails, 1), step(add, 1, 1)),
                                      step(remote_task<int(boost::json::array)>("count"))),
                                {.on_failure = OnFailure::collect});
  test.run_until_idle();
  EXPECT_EQ(flow.get(), 12);
}

TEST_F(WorkflowInMemory, WhatCannotHoldAnErrorIsNotGivenCollectedOnes) {
  const auto parts = group(step(fails, 1), step(add, 1, 1));
  const auto total = step(remote_task<int(std::vector<int>)>("total"));
  const WorkflowOptions collect{.on_failure = OnFailure::collect};
  const auto nested =
      chain(chain(step(add, 1, 1), group(step(remote_task<int(int)>("a")))), group(total, total));
  for (const auto& flow :
       {chain(parts, total), chain(parts, total, step(remote_task<int(int)>("b")))})
    EXPECT_THROW((void)test->start(flow, collect), InvalidInput);
  EXPECT_THROW((void)test->start(nested, collect), InvalidInput);
  EXPECT_THROW((void)test->start(parts.on_success(total), collect), InvalidInput);
  try {
    (void)test->start(group(chord(parts, total)), collect);
    FAIL() << "nothing was thrown";
  } catch (const InvalidInput& error) {
    EXPECT_NE(std::string(error.what()).find("the list that task total is given"),
              std::string::npos)
        << error.what();
  }
  (void)test->start(chain(parts, total));
  (void)test->start(
      chain(parts, step(remote_task<int(std::vector<int>, int)>("n"), std::vector<int>{1}, 2)),
      collect);
  (void)test->start(chain(step(add, 1, 1), step(remote_task<int(int)>("one"))), collect);
}

TEST_F(WorkflowInMemory, SeveralInAChunkAreNotReplaced) {
  const auto flow = test->start(chunks(countdown, std::vector<int>{3, 4}, 2));
  test.run_until_idle();
  try {
    (void)flow.get();
    FAIL() << "one of them was lost";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("cannot run in chunks: use map"), std::string::npos)
        << error.what();
  }
}

TEST_F(WorkflowInMemory, ATaskThatReturnsAFlowIsReplacedByIt) {
  const auto job = test->enqueue(countdown, 5);
  const auto flow = test->start(chain(step(countdown, 2), step(name)));
  test.run_until_idle();
  EXPECT_EQ(job.get(), 42);
  EXPECT_EQ(flow.get(), "n42");
}

TEST_F(WorkflowInMemory, AStepsDelayBeginsWithItsTurn) {
  const auto flow = test->start(chain(step(add, 1, 2), step(add.with({.delay = 1h}), 3)));
  test.run_until_idle();
  test.advance(59min);
  test.run_until_idle();
  EXPECT_EQ(flow.state(), JobState::running);
  test.advance(2min);
  test.run_until_idle();
  EXPECT_EQ(flow.get(), 6);
}

TEST_F(WorkflowInMemory, WhatATaskLeavesInItsPlaceExpiresWithIt) {
  const auto later =
      task("later", [](int n) -> Flow<int> { return step(add.with({.delay = 2min}), n, 1); });
  test->add(later);
  const auto in_time = test->enqueue(later.with({.expires = 3min}), 1);
  const auto too_late = test->enqueue(later.with({.expires = 1min}), 1);
  test.run_for(4min);
  EXPECT_EQ(in_time.get(), 2);
  EXPECT_NE(too_late.state(), JobState::done);
  EXPECT_TRUE(is_final(too_late.state()));
}

TEST_F(WorkflowInMemory, AStepHasTheTimeOutThatItsCallSays) {
  const auto look = task(
      "look", [](Context& context) { return context.header("penstock-timeout").value_or("none"); });
  test->add(look);
  const auto flow = test->start(step(look.with({.timeout = 3s})));
  test.run_until_idle();
  EXPECT_EQ(flow.get(), "3s");
}

TEST_F(WorkflowInMemory, CancellingEndsAllOfIt) {
  const auto flow = test->start(group(step(add, 1, 2), step(add, 3, 4)));
  EXPECT_TRUE(flow.cancel());
  EXPECT_EQ(test.run_until_idle().done, 0u);
  EXPECT_THROW(flow.get(), Cancelled);
}

TEST_F(WorkflowInMemory, WhatASingleStepCannotHaveIsRefused) {
  EXPECT_THROW(test->start(step(add.with({.key = "k"}), 1, 2)), InvalidInput);
  auto deep = step(add, 1, 2);
  for (int n = 0; n < 70; ++n) deep = chain(step(add, 1, 1), Flow<int>(group(deep).part()));
  EXPECT_THROW(test->start(deep), InvalidInput);
}

TEST(WorkflowEmbedded, AChordOfManyRunsOnThreads) {
  const TemporaryDirectory directory;
  auto app = App::embedded(directory.path());
  app.add(add, sum);
  const auto workers = app.work({.threads = {1, 4}});
  std::vector<std::tuple<int, int>> arguments(2000, {1, 1});
  EXPECT_EQ(app.start(chord(map(add, arguments), step(sum))).get(kLong), 4000);
}

using WorkflowRemote = ServerTest;

TEST_F(WorkflowRemote, AMapOfAHundredThousandWithOptionsIsTaken) {
  EnqueueOptions options;
  options.queue = "many";
  options.priority = 3;
  options.expires = 1h;
  options.headers = {{"customer", "number 123456789"}, {"h", "\"v\""}};
  const std::vector<std::tuple<int, int>> arguments(100'000, {1, 1});
  const auto flow = app_->start(map(add.with(options), arguments).on_success(step(sum)));
  const auto status = flow.progress();
  EXPECT_EQ(status.steps, 100'001u);
  EXPECT_EQ(status.active, 100'000u);
  EXPECT_TRUE(flow.cancel());
}

TEST(WorkflowJson, AGroupIsAMapWhereItsStepsDifferInTheirArgumentsOnly) {
  EnqueueOptions later;
  later.delay = 1ms;
  const auto json = [](const auto& flow) {
    return detail::to_json(detail::FlatWorkflow(flow.part(), {}, Time{}).input(), Time{});
  };
  const std::string map = R"({"map":{"task":"add","options":{"queue":"default"},"args":[)";
  const auto alike = group(step(add, 1, 2), step(add, 3, 4));
  EXPECT_EQ(json(alike), R"({"on_failure":"stop","run":)" + map + "[1,2],[3,4]]}}}");
  EXPECT_NE(json(alike.on_success(step(sum))).find(map + R"([1,2],[3,4]]},"on_success":[{"task")"),
            std::string::npos);
  for (const auto& other : {group(step(add, 1, 2), step(add.with(later), 3, 4)),
                            group(step(add, 1, 2), step(add, 3, 4).on_success(step(name))),
                            group(step(add, 1, 2), step(fails, 3))})
    EXPECT_EQ(json(other).find("map"), std::string::npos);
  EXPECT_EQ(json(chain(step(add, 1, 1), group(step(add, 5), step(add, 6)))).find("map"),
            std::string::npos)
      << "what takes the value of the step before is no map";
}

TEST_F(WorkflowRemote, ItIsTheSameByAServer) {
  app_->add(add, sum, fails, note, name, countdown);
  const auto workers = app_->work({.threads = {1, 4}});
  std::vector<std::tuple<int, int>> arguments(100, {1, 1});
  EnqueueOptions options;
  options.queue = "other";
  options.priority = 3;
  options.delay = 1ms;
  options.expires = 1h;
  options.group = "g";
  options.headers = {{"h", "\"v\""}};
  const auto others = app_->work({.queues = {"other"}});
  const auto flow =
      app_->start(chain(group(map(add, arguments), map(add, arguments)),
                        step(remote_task<int(std::vector<std::vector<int>>)>("flat"))),
                  {.name = "all \"kinds\"", .ttl = 1min, .failed_ttl = 1h});
  const auto flat = task("flat", [](std::vector<std::vector<int>> lists) {
    return static_cast<int>(lists[0].size() + lists[1].size());
  });
  app_->add(flat);
  EXPECT_EQ(flow.get(kLong), 200);
  EXPECT_EQ(flow.progress().name, "all \"kinds\"");
  EXPECT_EQ(
      app_->start(chain(step(add.with(options), 1, 2), step(add.with(options), 3))).get(kLong), 6);
  EXPECT_EQ(app_->start(chunks(add, arguments, 30)).get(kLong).size(), 4u);
  EXPECT_EQ(app_->enqueue(countdown, 2).get(kLong), 42);
  const auto failed =
      app_->start(step(fails, 1).on_error(step(note)), {.on_failure = OnFailure::go_on});
  EXPECT_THROW(failed.get(kLong), std::runtime_error);
  EXPECT_EQ(app_->workflow<int>(failed.id()).progress().failed, 1u);
  EXPECT_TRUE(failed.resume());
  EXPECT_THROW(failed.get(kLong), std::runtime_error);
  EXPECT_FALSE(app_->workflow<int>(999'999).resume());
  EXPECT_FALSE(flow.resume()) << "it went well";
}

}  // namespace
}  // namespace penstock::testing
