// Middleware around enqueues and executions, and errors with a retry policy by their type.
#include <gtest/gtest.h>

#include <penstock/penstock.hpp>
#include <penstock/testing.hpp>
#include <stdexcept>

#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

using Log = std::vector<std::string>;

Middleware noting(Log& log, const std::string& name) {
  return {.enqueue =
              [&log, name](EnqueueCall& call, const Next& next) {
                log.push_back(name + " enqueue " + std::string(call.task));
                next();
                log.push_back(name + " enqueued " + std::to_string(call.ids.size()));
              },
          .execute =
              [&log, name](Context& context, const Next& next) {
                log.push_back(name + " before " + std::string(context.name()));
                try {
                  next();
                } catch (const std::exception& error) {
                  log.push_back(name + " caught " + error.what());
                  throw;
                }
                log.push_back(name + " after");
              }};
}

TEST(Middlewares, WrapEnqueueAndExecutionInTheOrderOfTheirUse) {
  TestApp app;
  Log log;
  app->use(noting(log, "outer"));
  app->use({});  // nothing in it: no harm
  app->use(noting(log, "inner"));
  const auto good = task("good", [&] { log.emplace_back("runs"); });
  app->add(good);
  app->enqueue(good);
  app.run_until_idle();
  EXPECT_EQ(log,
            (Log{"outer enqueue good", "inner enqueue good", "inner enqueued 1", "outer enqueued 1",
                 "outer before good", "inner before good", "runs", "inner after", "outer after"}));
}

TEST(Middlewares, SeeExceptionsAndMayThrowOthers) {
  TestApp app;
  Log log;
  app->use({.execute = [](Context&, const Next& next) {
    try {
      next();
    } catch (const std::out_of_range& error) {
      throw Permanent(std::string("no use: ") + error.what());
    }
  }});
  app->use(noting(log, "log"));
  const auto bad = task("bad", [] { throw std::out_of_range("page 7"); });
  app->add(bad);
  const auto job = app->enqueue(bad);
  log.clear();
  EXPECT_EQ(app.run_until_idle(), Ran{.failed = 1});
  EXPECT_EQ(log, (Log{"log before bad", "log caught page 7"}));
  EXPECT_EQ(job.state(), JobState::failed);
  EXPECT_EQ(job.status().error, "penstock::Permanent: no use: page 7");
}

TEST(Middlewares, MayAddHeadersAndRefuse) {
  TestApp app;
  app->use({.enqueue = [](EnqueueCall& call, const Next& next) {
    if (call.arguments.front() == "[0]") throw InvalidInput("not zero");
    call.options.headers.emplace_back("tenant", "acme");
    next();
  }});
  std::optional<std::string> seen;
  const auto look = task("look", [&](Context& context, int) { seen = context.header("tenant"); });
  app->add(look);
  app->enqueue(look, 1);
  app.run_until_idle();
  EXPECT_EQ(seen, "acme");
  EXPECT_THROW(app->enqueue(look, 0), InvalidInput);
  EXPECT_THROW((void)app->try_enqueue(look, 0), InvalidInput);
  EXPECT_EQ(app.enqueued().size(), 1U);
}

TEST(Middlewares, SeeManyAtOnceAndRefusals) {
  TestApp app;
  std::vector<std::size_t> sizes;
  std::optional<Refusal> refusal;
  app->use({.enqueue = [&](EnqueueCall& call, const Next& next) {
    next();
    sizes.push_back(call.ids.size());
    refusal = call.refusal;
  }});
  const auto work = remote_task<void(int)>("work");
  const auto jobs = app->enqueue_many(work, std::vector{std::tuple(1), std::tuple(2)});
  EXPECT_EQ(jobs.size(), 2U);
  EXPECT_TRUE(app->enqueue_many(work, std::vector<std::tuple<int>>()).empty());
  app.refuse_next({.reason = "max_wait", .retry_after = 3s});
  EXPECT_FALSE(app->try_enqueue(work, 3).has_value());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 0, 0}));
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->retry_after, 3s);
}

TEST(Middlewares, MustCallNextOrThrow) {
  TestApp app;
  app->use({.enqueue = [](EnqueueCall&, const Next&) {}});
  EXPECT_THROW(app->enqueue(remote_task<void()>("nothing")), Conflict);
  for (int n = 1; n < 64; ++n) app->use({});
  EXPECT_THROW(app->use({}), InvalidInput);
}

TEST(Middlewares, MaySkipATaskOrRunItAgain) {
  TestApp app;
  int runs = 0;
  app->use({.execute = [](Context& context, const Next& next) {
    if (context.name() == "twice") {
      next();
      next();
    }
  }});
  const auto never = task("never", [&] { ++runs; });
  const auto twice = task("twice", [&] { return ++runs; });
  app->add(never, twice);
  const auto skipped = app->enqueue(never);
  const auto repeated = app->enqueue(twice);
  EXPECT_EQ(app.run_until_idle(), Ran{.done = 2});
  skipped.get();
  EXPECT_EQ(repeated.get(), 2);
}

class WorkersWithMiddleware : public EmbeddedTest {};

TEST_F(WorkersWithMiddleware, UseWhatIsPutInPlaceWhileTheyRun) {
  const auto echo = task("echo", [](int n) { return n; });
  app->add(echo);
  const auto workers = app->work();
  EXPECT_EQ(app->enqueue(echo, 1).get(kLong), 1);
  app->use({.execute = [](Context&, const Next& next) {
    next();
    throw Permanent("after all");
  }});
  EXPECT_THROW((void)app->enqueue(echo, 2).get(kLong), TaskError);
}

// ---- steps of workflows

const auto add = task("add", [](int a, int b) { return a + b; });
const auto sum = task("sum", [](std::vector<int> all) {
  int total = 0;
  for (const int one : all) total += one;
  return total;
});

// What each step passed with: its task, its arguments, whether it is a step.
Middleware noting_steps(Log& log) {
  return {.enqueue = [&log](EnqueueCall& call, const Next& next) {
    std::string line(call.task);
    for (const auto one : call.arguments) line.append(1, ' ').append(one);
    log.push_back(line + (call.is_step ? "" : ", no step"));
    next();
    EXPECT_EQ(call.ids.empty(), call.is_step);
  }};
}

TEST(StepsOfWorkflows, PassThroughTheMiddlewareInTheirOrder) {
  TestApp app;
  Log log;
  app->use({.enqueue = [](EnqueueCall& call, const Next& next) {
    call.options.headers.emplace_back("tenant", "blue");
    next();
  }});
  app->use(noting_steps(log));
  std::vector<std::string> tenants;
  app->use({.execute = [&](Context& context, const Next& next) {
    tenants.push_back(context.header("tenant").value_or("none"));
    next();
  }});
  app->add(add, sum);
  const std::vector<std::tuple<int, int>> pairs{{1, 2}, {3, 4}};
  const auto flow =
      app->start(chain(group(chain(step(add, 1, 1), step(add, 2)), step(sum, std::vector{7})),
                       step(sum).on_error(step(add, 0, 0))));
  const auto mapped = app->start(chord(map(add, pairs), step(sum)));
  const auto chunked = app->start(chunks(add, pairs, 2));
  app.run_until_idle();
  EXPECT_EQ(flow.get(), 11);
  EXPECT_EQ(mapped.get(), 10);
  EXPECT_EQ(log, (Log{"add [1,1]", "add [2]", "sum [[7]]", "sum []", "add [0,0]",  //
                      "add [1,2] [3,4]", "sum []", "add [[1,2],[3,4]]"}));
  EXPECT_EQ(tenants, std::vector<std::string>(8, "blue"));
}

TEST(StepsOfWorkflows, OfATaskThatReturnsAFlowPassTheMiddlewareOfItsWorker) {
  TestApp app;
  Log log;
  app->use(noting_steps(log));
  const auto twice = task("twice", [](int n) -> Flow<int> { return step(add, n, n); });
  app->add(add, twice);
  const auto job = app->enqueue(twice, 21);
  app.run_until_idle();
  EXPECT_EQ(job.get(), 42);
  EXPECT_EQ(log, (Log{"twice [21], no step", "add [21,21]"}));
}

TEST(StepsOfWorkflows, MayBeChangedAsTasksAre) {
  TestApp app;
  app->use({.enqueue = [](EnqueueCall& call, const Next& next) {
    if (call.task == "sum") call.options.queue = "sums";
    if (call.task == "add") call.options.delay = 1h;
    next();
    call.options.queue = "too late";
  }});
  app->add(add, sum);
  const auto flow = app->start(group(step(add, 1, 2), step(sum, std::vector{1})));
  EXPECT_EQ(app->queue("sums").ready, 1u);
  EXPECT_EQ(app->queue("default").scheduled, 1u);
  EXPECT_TRUE(flow.cancel());
}

TEST(StepsOfWorkflows, ThatAMiddlewareRefusesKeepAllOfItOut) {
  TestApp app;
  std::string wrong = "throw";
  app->use({.enqueue = [&](EnqueueCall& call, const Next& next) {
    if (call.task == "sum" && wrong == "throw") throw std::out_of_range("not yours");
    if (call.task == "sum" && wrong == "key") call.options.key = "k";
    if (call.task != "sum" || wrong != "forget") next();
  }});
  app->add(add, sum);
  const auto flow = chain(group(step(add, 1, 2), step(add, 3, 4)), step(sum));
  EXPECT_THROW(app->start(flow), std::out_of_range);
  wrong = "key";
  EXPECT_THROW(app->start(flow), InvalidInput);
  wrong = "forget";
  EXPECT_THROW(app->start(flow), Conflict);
  EXPECT_EQ(app.run_until_idle().done, 0u);
  wrong = "nothing";
  EXPECT_EQ((void(app->start(flow)), app.run_until_idle().done), 3u);
}

TEST(StepsOfWorkflows, OfAFlowThatIsRefusedFailTheTask) {
  TestApp app;
  app->use({.enqueue = [&](EnqueueCall& call, const Next& next) {
    if (call.is_step) throw Permanent("not yours");
    next();
  }});
  const auto twice = task("twice", [](int n) -> Flow<int> { return step(add, n, n); });
  app->add(add, twice);
  const auto job = app->enqueue(twice, 21);
  app.run_until_idle();
  EXPECT_EQ(job.state(), JobState::failed);
  EXPECT_EQ(job.status().failures().back().message, "not yours");
}

TEST(StepsOfWorkflows, OfATaskThatAMiddlewareFailedAreNotLeftToTheNextTask) {
  TestApp app;
  app->use({.execute = [&](Context& context, const Next& next) {
    next();
    if (context.name() == "twice") throw Permanent("too late");
  }});
  const auto twice = task("twice", [](int n) -> Flow<int> { return step(add, n, n); });
  app->add(add, twice);
  const auto failed = app->enqueue(twice, 21);
  const auto next = app->enqueue(add, 1, 2);
  EXPECT_EQ(app.run_until_idle().done, 1u);
  EXPECT_EQ(failed.state(), JobState::failed);
  EXPECT_EQ(next.get(), 3);
}

}  // namespace
}  // namespace penstock::testing
