// Schedules from C++: on the test's clock, and against a server.
#include <gtest/gtest.h>

#include <penstock/penstock.hpp>
#include <penstock/testing.hpp>

#include "test/task/server_fixture.h"

namespace penstock::testing {
namespace {

const auto kReport = task("report", [](std::string which) { return which + " report"; });

ScheduleStatus only(App& app) {
  const auto all = app.schedules();
  EXPECT_EQ(all.size(), 1u);
  return all.empty() ? ScheduleStatus{} : all.front();
}

TEST(Schedule, SubmitsItsTaskWheneverItsTimeComes) {
  TestApp app;
  app->add(kReport);
  EXPECT_TRUE(app->schedule("nightly", cron("30 3 * * *"), kReport, "daily")) << "it is new";
  EXPECT_FALSE(app->schedule("nightly", cron("30 3 * * *"), kReport, "daily")) << "it was there";
  const auto before = only(app.app());
  EXPECT_EQ(before.name, "nightly");
  EXPECT_EQ(before.task, "report");
  EXPECT_EQ(before.when.text, "30 3 * * *");
  EXPECT_EQ(before.next_at, TestOptions{}.start + 3h + 30min);
  EXPECT_FALSE(before.last_fired_at);
  app.advance(24h);
  EXPECT_EQ(app.run_until_idle().done, 1u);
  app.advance(24h);
  EXPECT_EQ(app.run_until_idle().done, 1u);
  const auto after = only(app.app());
  EXPECT_EQ(after.fired, 2u);
  EXPECT_EQ(app->job<std::string>(after.last_id).get(), "daily report");
  EXPECT_EQ(after.last_fired_at, app.now());
}

TEST(Schedule, IsPausedResumedTriggeredAndRemoved) {
  TestApp app;
  app->add(kReport);
  ScheduleOptions how;
  how.missed = Missed::skip;
  how.overlap = Overlap::queue;
  how.paused = true;
  app->schedule("tick", every(1h), how, kReport, "hourly");
  const auto paused = only(app.app());
  EXPECT_TRUE(paused.paused);
  EXPECT_EQ(paused.missed, Missed::skip);
  EXPECT_EQ(paused.overlap, Overlap::queue);
  app.advance(3h);
  EXPECT_EQ(app.run_until_idle().attempts(), 0u);
  EXPECT_GT(app->trigger_schedule("tick"), 0u);
  EXPECT_EQ(app.run_until_idle().done, 1u);
  app->resume_schedule("tick");
  app.advance(1h);
  EXPECT_EQ(app.run_until_idle().done, 1u);
  app->pause_schedule("tick");
  EXPECT_TRUE(only(app.app()).paused);
  app->unschedule("tick");
  EXPECT_TRUE(app->schedules().empty());
  EXPECT_THROW(app->unschedule("tick"), NotFound);
}

TEST(Schedule, SaysWhatIsWrongWithItsLine) {
  TestApp app;
  EXPECT_THROW(app->schedule("bad", cron("61 * * * *"), kReport, "x"), InvalidInput);
  EXPECT_THROW(app->schedule("bad", cron("0 3 * * *", "Europe/Nowhere"), kReport, "x"),
               InvalidInput);
  EXPECT_THROW(app->schedule("bad", every(1h), ScheduleOptions{}, kReport.with({.delay = 1s}), "x"),
               InvalidInput);
}

using ScheduleRemote = ServerTest;

TEST_F(ScheduleRemote, IsListedAndFiresWithTheServersClock) {
  app_->add(kReport);
  EXPECT_TRUE(app_->schedule("tick", every(1h), {.overlap = Overlap::skip}, kReport, "hourly"));
  const auto listed = only(*app_);
  EXPECT_EQ(listed.name, "tick");
  EXPECT_EQ(listed.overlap, Overlap::skip);
  EXPECT_EQ(listed.missed, Missed::once);
  EXPECT_TRUE(listed.next_at);
  const auto id = app_->trigger_schedule("tick");
  const auto workers = app_->work({.threads = {1, 1}});
  EXPECT_EQ(app_->job<std::string>(id).get(kLong), "hourly report");
  app_->pause_schedule("tick");
  EXPECT_TRUE(only(*app_).paused);
  app_->unschedule("tick");
  EXPECT_TRUE(app_->schedules().empty());
}

}  // namespace
}  // namespace penstock::testing
