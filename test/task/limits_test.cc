// Unique, debounced and throttled tasks from C++, against a server and in this process.
#include "test/task/server_fixture.h"

namespace penstock::testing {
namespace {

using RemoteLimits = ServerTest;

TEST_F(RemoteLimits, AUniqueTaskIsThereOnce) {
  const auto report = task("report", [](int n) { return n; });
  const auto once = [&](OnConflict on_conflict) {
    return report.with({.unique = Unique{.key = "daily", .on_conflict = on_conflict}});
  };
  const auto first = app_->enqueue(once(OnConflict::reject), 1);
  try {
    (void)app_->enqueue(once(OnConflict::reject), 2);
    FAIL() << "it was taken twice";
  } catch (const Duplicate& duplicate) {
    EXPECT_EQ(duplicate.id(), first.id());
  }
  EXPECT_EQ(app_->enqueue(once(OnConflict::return_known), 2).id(), first.id());
  const auto second = app_->enqueue(once(OnConflict::replace), 3);
  try {
    (void)first.get(kLong);
    FAIL() << "it was replaced";
  } catch (const Cancelled& cancelled) {
    EXPECT_EQ(cancelled.what(), "task " + std::to_string(first.id()) +
                                    " was cancelled: replaced by " + std::to_string(second.id()));
  }
  app_->add(report);
  const auto workers = app_->work();
  EXPECT_EQ(second.get(kLong), 3);
  EXPECT_NE(app_->enqueue(once(OnConflict::reject), 4).id(), second.id());
}

TEST_F(RemoteLimits, AThrottledTaskIsRefusedWithItsTime) {
  const auto ping = task("ping", [](int n) { return n; });
  const auto rare =
      ping.with({.patience = 0ms, .throttle = Throttle{.key = "host", .most = 2, .period = 1h}});
  (void)app_->enqueue(rare, 1);
  (void)app_->enqueue(rare, 2);
  const auto refused = app_->try_enqueue(rare, 3);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "throttle");
  EXPECT_GT(refused.error().retry_after, 50min);
}

TEST_F(RemoteLimits, WhatMakesNoSenseIsSaidBeforeItIsSent) {
  const auto ping = task("ping", [](int n) { return n; });
  EXPECT_THROW((void)app_->enqueue(ping.with({.unique = Unique{.key = ""}}), 1), InvalidInput);
  EXPECT_THROW((void)app_->enqueue(ping.with({.debounce = Debounce{.key = "k"}}), 1), InvalidInput);
  EXPECT_THROW((void)app_->enqueue(ping.with({.unique = Unique{.key = "k"},
                                              .throttle = Throttle{.key = "k", .period = 1s}}),
                                   1),
               InvalidInput);
  for (const auto& call : {ping.with({.unique = Unique{.key = "k", .time = -1s}}),
                           ping.with({.timeout = -1s}), ping.with({.hard_timeout = -1s})})
    EXPECT_THROW((void)app_->enqueue(call, 1), InvalidInput);
  EXPECT_THROW(app_->add(task("late", [](int n) { return n; }, {.timeout = -1s})), InvalidInput);
}

}  // namespace
}  // namespace penstock::testing
