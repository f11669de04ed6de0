// What tasks say while they run.
#include "test/task/everywhere_fixture.h"

namespace penstock::testing {
namespace {

class LogTest : public EverywhereTest {};
PENSTOCK_EVERYWHERE(LogTest);

TEST_P(LogTest, LinesAreSeenWhileTheTaskRunsAndAllOfThemWhenItHasEnded) {
  Event go;
  const auto talks = task("talks", [&](Context& context) {
    context.log("one");
    (void)go.wait();
    context.log("two");
    context.log("three");
  });
  app_->add(talks);
  const auto workers = app_->work();
  const auto job = app_->enqueue(talks);
  const auto first = job.log(0, kLong);  // comes with the line, and not when the time is up
  ASSERT_EQ(first.lines.size(), 1U);
  EXPECT_EQ(first.lines[0].text, "one");
  EXPECT_EQ(first.lines[0].number, 1U);
  EXPECT_EQ(first.lines[0].attempt, 1U);
  EXPECT_FALSE(first.ended);
  go.set();
  job.get(kLong);
  const auto rest = job.log(1, kLong);
  ASSERT_EQ(rest.lines.size(), 2U);
  EXPECT_EQ(rest.lines[1].text, "three");
  EXPECT_TRUE(rest.ended);
  EXPECT_EQ(workers.statistics().log_lines_dropped, 0U);
}

TEST_P(LogTest, NoLineIsLostOfTasksThatEndAtOnce) {
  const auto talks = task("talks", [](Context& context, int n) {
    context.log(std::to_string(n));
    context.log("end");
  });
  app_->add(talks);
  const auto workers = app_->work({.threads = {4, 4}});
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < 300; ++n) arguments.emplace_back(n);
  const auto jobs = app_->enqueue_many(talks, arguments);
  for (std::size_t n = 0; n < jobs.size(); ++n) {
    jobs[n].get(kLong);
    const auto log = jobs[n].log();
    ASSERT_EQ(log.lines.size(), 2U) << n;
    EXPECT_EQ(log.lines[0].text, std::to_string(n));
    EXPECT_EQ(log.lines[1].text, "end");
  }
}

TEST_P(LogTest, OfATaskThatNeverWasIsNotFound) {
  EXPECT_THROW((void)app_->job<void>(999).log(), NotFound);
}

}  // namespace
}  // namespace penstock::testing
