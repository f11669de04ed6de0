// What is done about tasks that wait or have failed, and about groups.
#include "test/task/everywhere_fixture.h"

namespace penstock::testing {
namespace {

class ControlTest : public EverywhereTest {
 protected:
  // Runs it until it has failed for good.
  template <class... Args>
  std::uint64_t let_fail(const Task<void(Args...)>& task, Args... args) {
    const auto job = app_->enqueue(task, args...);
    EXPECT_TRUE(job.wait(kLong));
    EXPECT_EQ(job.state(), JobState::failed);
    return job.id();
  }
};
PENSTOCK_EVERYWHERE(ControlTest);

TEST_P(ControlTest, ATaskThatFailedForGoodIsTriedAnew) {
  std::atomic<bool> works{false};
  const auto moody = task("moody",
                          [&] {
                            if (!works) throw std::runtime_error("not today");
                          },
                          {.max_attempts = 1});
  app_->add(moody);
  const auto workers = app_->work();
  const auto id = let_fail(moody);
  works = true;
  app_->retry(id);
  app_->job<void>(id).get(kLong);
  EXPECT_THROW(app_->retry(id), Exception);  // it has not failed
  EXPECT_THROW(app_->retry(999), NotFound);
}

TEST_P(ControlTest, DeadLettersAreRedrivenByTheirErrorAndTask) {
  std::atomic<bool> works{false};
  const auto fails = [&works](const char* name) {
    return task(name,
                [&works](std::string error) {
                  if (!works) throw std::runtime_error(error);
                },
                {.max_attempts = 1});
  };
  const auto mail = fails("mail"), sms = fails("sms");
  app_->add(mail, sms);
  const auto workers = app_->work();
  const auto first = let_fail(mail, std::string("no route to host"));
  const auto second = let_fail(mail, std::string("mailbox full"));
  const auto third = let_fail(sms, std::string("no route to host"));
  works = true;
  EXPECT_EQ(app_->redrive("default", {.error = "route", .task = "mail"}), 1U);
  app_->job<void>(first).get(kLong);
  EXPECT_EQ(app_->job<void>(second).state(), JobState::failed);
  EXPECT_EQ(app_->redrive("default", {.error = "nothing says that"}), 0U);
  EXPECT_EQ(app_->redrive("default", RedriveOptions{.max = 1}), 1U);
  app_->job<void>(second).get(kLong);
  EXPECT_EQ(app_->redrive("default", RedriveOptions{}), 1U);
  app_->job<void>(third).get(kLong);
}

TEST_P(ControlTest, ABuildTellsWhichWaitingTasksItCannotRun) {
  app_->add(task("resize", [](std::string, int) {}), task("sum", [](std::vector<int>) {}));
  const auto old = remote_task<void(std::string)>("resize");
  app_->enqueue(remote_task<void(std::string, int)>("resize"), "cat.png", 320);
  const auto narrow = app_->enqueue(old, "dog.png").id();
  const auto later = app_->enqueue(old.with({.delay = 1h}), "cow.png").id();
  const auto gone = app_->enqueue(remote_task<void()>("crop")).id();
  const auto plain = app_->send("default", "hello");
  app_->enqueue(remote_task<void(std::vector<int>)>("sum"), std::vector{1, 2});
  const auto check = app_->check("default");
  EXPECT_EQ(check.waiting, 6U);
  EXPECT_EQ(check.looked_at, 6U);
  const auto why = [&](std::uint64_t id) -> std::string {
    for (const auto& unfit : check.unfit)
      if (unfit.id == id) return unfit.task + ": " + unfit.why;
    return "fits";
  };
  EXPECT_EQ(check.unfit.size(), 4U);
  EXPECT_EQ(why(narrow), "resize: the task takes 2 argument(s), got 1");
  EXPECT_EQ(why(later), "resize: the task takes 2 argument(s), got 1");
  EXPECT_EQ(why(gone), "crop: unknown task `crop`");
  EXPECT_EQ(why(plain), ": a plain message, and no task");
  EXPECT_EQ(app_->check("default", 2).looked_at, 2U);
  EXPECT_THROW((void)app_->check("nowhere"), NotFound);
}

TEST_P(ControlTest, TasksThatAreGivenManyListsOfArgumentsAreCheckedToo) {
  const auto twice = task("twice", [](int n) { return 2 * n; });
  const std::vector<std::tuple<int>> numbers{1, 2, 3};
  const std::vector<std::tuple<std::string>> texts{"1", "x"};
  app_->start(chunks(twice, numbers, 2));
  app_->start(chunks(remote_task<int(std::string)>("twice"), texts, 2));
  app_->add(twice);
  const auto check = app_->check("default");
  EXPECT_EQ(check.looked_at, 3U);
  ASSERT_EQ(check.unfit.size(), 1U);
  EXPECT_EQ(check.unfit[0].why, "argument 1: expected an integer, got \"1\"");
}

TEST_P(ControlTest, AGroupHasSettingsOfItsOwn) {
  app_->declare("mail");
  app_->set_group("mail", "big", {.weight = 3, .rate = 2.5});
  app_->set_group("mail", "big", {.limit = 4});
  app_->send("mail", "hello", {.group = "big"});
  const auto groups = app_->groups("mail");
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].name, "big");
  EXPECT_EQ(groups[0].options, (GroupOptions{.weight = 3, .rate = 2.5, .limit = 4}));
  EXPECT_EQ(groups[0].ready, 1U);
  EXPECT_EQ(groups[0].held, 0U);
  EXPECT_THROW(app_->set_group("mail", "big", {}), InvalidInput);
  EXPECT_THROW(app_->set_group("mail", "big", {.weight = 0}), InvalidInput);
  EXPECT_THROW(app_->set_group("nowhere", "big", {.weight = 1}), NotFound);
  app_->reset_group("mail", "big");
  EXPECT_TRUE(app_->groups("mail").empty());
  EXPECT_THROW(app_->reset_group("nowhere", "big"), NotFound);
  EXPECT_THROW((void)app_->groups("nowhere"), NotFound);
}

}  // namespace
}  // namespace penstock::testing
