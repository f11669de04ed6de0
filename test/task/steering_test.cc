// Workers are listed, and do what they are ordered to: with the queue in this process, and over a
// connection.
#include <latch>

#include "test/task/everywhere_fixture.h"

namespace penstock::testing {
namespace {

class SteeringTest : public EverywhereTest {
 protected:
  // The worker of that name, once it is as it should be; the list is asked for again until then.
  template <class Fits>
  WorkerInfo wait_for(std::string_view name, Fits fits) {
    const auto until = std::chrono::steady_clock::now() + kLong;
    while (std::chrono::steady_clock::now() < until)
      for (const auto& worker : app_->workers())
        if (worker.name == name && fits(worker)) return worker;
    ADD_FAILURE() << "no worker " << name << " is as it should be";
    return {};
  }
  WorkerInfo wait_for(std::string_view name, WorkerState state) {
    return wait_for(name, [&](const WorkerInfo& worker) { return worker.state == state; });
  }
};

PENSTOCK_EVERYWHERE(SteeringTest);

TEST_P(SteeringTest, WorkersTellWhoTheyAreAndWhatTheyDo) {
  Event started, go;
  const auto waits = task("waits", [&] {
    started.set();
    return go.wait();
  });
  app_->add(waits);
  const auto workers = app_->work(
      {.queues = {"default", "other"}, .threads = {2, 6}, .name = "web-1", .version = "2.3"});
  const auto job = app_->enqueue(waits);
  ASSERT_TRUE(started.wait());
  const auto busy =
      wait_for("web-1", [](const WorkerInfo& worker) { return worker.running_count > 0; });
  EXPECT_NE(busy.id, 0U);
  EXPECT_FALSE(busy.host.empty());
  EXPECT_EQ(busy.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(busy.version, "2.3");
  EXPECT_FALSE(busy.library.empty());
  EXPECT_EQ(busy.queues, (std::vector<std::string>{"default", "other"}));
  EXPECT_EQ(busy.tasks, std::vector<std::string>{"waits"});
  EXPECT_FALSE(busy.any_task);
  EXPECT_EQ(busy.state, WorkerState::working);
  EXPECT_EQ(busy.slots, 6U);
  EXPECT_GT(busy.memory_bytes, 0U);
  ASSERT_EQ(busy.running.size(), 1U);
  EXPECT_EQ(busy.running[0].id, job.id());
  EXPECT_EQ(busy.running[0].name, "waits");
  EXPECT_LE(busy.started_at, busy.running[0].since);
  go.set();
  wait_for("web-1",
           [](const WorkerInfo& worker) { return worker.done == 1 && worker.running.empty(); });
}

TEST_P(SteeringTest, WorkersThatStopAreNotListedAnyMore) {
  auto workers = app_->work();
  const auto listed = app_->workers();  // from the moment that work() returns
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].name, listed[0].host + "-" + std::to_string(::getpid()));
  workers.stop();
  while (!app_->workers().empty()) continue;
}

TEST_P(SteeringTest, ATaskThatIsAddedLaterIsToldOf) {
  const auto workers = app_->work({.name = "w"});
  app_->add(task("late", [] {}));
  wait_for("w", [](const WorkerInfo& worker) { return worker.tasks.size() == 1; });
}

TEST_P(SteeringTest, QuietWorkersTakeNothingUntilTheyResume) {
  const auto same = task("same", [](int n) { return n; });
  app_->add(same);
  const auto workers = app_->work({.name = "w"});
  EXPECT_EQ(app_->enqueue(same, 1).get(kLong), 1);
  const auto ordered = app_->order_workers({.order = Order::quiet, .queue = "def*"});
  EXPECT_EQ(ordered.workers, 1U);
  const auto quiet = wait_for("w", WorkerState::quiet);
  EXPECT_TRUE(quiet.told_quiet);
  const auto delivered = app_->queue("default").delivered;
  const auto job = app_->enqueue(same, 2);
  EXPECT_EQ(job.state(), JobState::queued);
  EXPECT_EQ(app_->queue("default").delivered, delivered);
  app_->order_workers({.order = Order::resume});
  EXPECT_EQ(job.get(kLong), 2);
}

TEST_P(SteeringTest, OrdersHoldForWorkersThatComeLater) {
  const auto same = task("same", [](int n) { return n; });
  app_->add(same);
  const auto ordered = app_->order_workers({.order = Order::quiet, .version = "1.*"});
  EXPECT_EQ(ordered.workers, 0U);
  const auto orders = app_->orders();
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].number, ordered.number);
  EXPECT_EQ(orders[0].order.order, Order::quiet);
  EXPECT_EQ(orders[0].order.version, "1.*");
  const auto job = app_->enqueue(same, 1);
  const auto old = app_->work({.name = "old", .version = "1.9"});
  EXPECT_EQ(app_->workers().at(0).state, WorkerState::quiet);
  EXPECT_EQ(app_->queue("default").delivered, 0U);
  const auto young = app_->work({.name = "young", .version = "2.0"});
  EXPECT_EQ(job.get(kLong), 1);
  EXPECT_EQ(old.statistics().done, 0U);
  app_->forget_order(ordered.number);
  wait_for("old", WorkerState::working);
  EXPECT_TRUE(app_->orders().empty());
}

TEST_P(SteeringTest, StoppedWorkersFinishGiveTheRestBackAndEnd) {
  Event started, go;
  const auto waits = task("waits", [&] {
    started.set();
    return go.wait();
  });
  app_->add(waits);
  auto workers = app_->work({.name = "w"});
  const auto first = app_->enqueue(waits);
  ASSERT_TRUE(started.wait());
  const auto second = app_->enqueue(waits);
  EXPECT_EQ(app_->order_workers({.order = Order::stop, .name = "?"}).workers, 1U);
  wait_for("w", WorkerState::stopping);
  go.set();
  workers.join();
  EXPECT_EQ(first.state(), JobState::done);
  EXPECT_EQ(second.state(), JobState::queued);
  EXPECT_EQ(second.status().attempts, 0U);
  const auto next = app_->work({.name = "w"});  // the order was for the one that was there
  EXPECT_TRUE(second.get(kLong));
}

TEST_P(SteeringTest, ResizedWorkersHaveAsManySlotsAsTheyAreTold) {
  const auto workers = app_->work({.name = "w"});
  EXPECT_EQ(app_->workers().at(0).slots, 1U);
  std::latch together(3);
  const auto meets = task("meets", [&] { together.arrive_and_wait(); });
  app_->add(meets);
  std::vector<Job<void>> jobs;
  for (int n = 0; n < 3; ++n) jobs.push_back(app_->enqueue(meets));
  app_->order_workers({.order = Order::resize, .slots = 3, .name = "w"});
  for (const auto& job : jobs) job.get(kLong);  // only three threads can meet
  EXPECT_EQ(wait_for("w", [](const auto& worker) { return worker.slots == 3; }).told_slots, 3U);
  const auto resize = app_->order_workers({.order = Order::resize, .slots = 2, .name = "w"});
  wait_for("w", [](const auto& worker) { return worker.slots == 2; });
  while (workers.statistics().threads != 2) (void)app_->workers();
  app_->forget_order(resize.number);
  wait_for("w", [](const auto& worker) { return worker.slots == 1; });
}

TEST_P(SteeringTest, OrdersThatMakeNoSenseAreRefused) {
  EXPECT_THROW(app_->order_workers({.order = Order::resize}), InvalidInput);
  EXPECT_THROW(app_->order_workers({.order = Order::quiet, .slots = 3}), InvalidInput);
  EXPECT_THROW(app_->forget_order(99), NotFound);
  EXPECT_EQ(app_->order_workers({.order = Order::stop}).number, 0U);  // nobody is there
  EXPECT_THROW((void)app_->work({.name = std::string(256, 'n')}), InvalidInput);
  EXPECT_THROW((void)app_->work({.version = "\xff"}), InvalidInput);
}

TEST_F(ServerTest, WorkersTellOfThemselvesAgainWhenTheServerIsBack) {
  const auto same = task("same", [](int n) { return n; });
  app_->add(same);
  const auto workers = app_->work({.name = "w"});
  app_->order_workers({.order = Order::quiet, .name = "w"});
  stop_server();
  start_server();
  auto again = App::connect(url());
  const auto until = std::chrono::steady_clock::now() + kLong;
  std::vector<WorkerInfo> listed;
  while (listed.empty() || listed[0].state != WorkerState::quiet) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    listed = again.workers();
  }
  EXPECT_EQ(listed[0].name, "w");
  const auto job = again.enqueue(same, 1);
  EXPECT_EQ(job.state(), JobState::queued);
  again.order_workers({.order = Order::resume});
  EXPECT_EQ(job.get(kLong), 1);
}

}  // namespace
}  // namespace penstock::testing
