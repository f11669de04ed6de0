#include "cli/task_check.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

client::Browsed waiting(std::string name, std::string state = "ready") {
  client::Browsed browsed;
  browsed.state = std::move(state);
  if (!name.empty()) browsed.message.headers = {{"penstock-task", std::move(name)}};
  return browsed;
}

detail::ListedWorker worker(std::string queue, std::vector<std::string> tasks,
                            bool any_task = false) {
  detail::ListedWorker listed;
  listed.worker.spec.queues = {std::move(queue)};
  listed.worker.spec.tasks = std::move(tasks);
  listed.worker.spec.any_task = any_task;
  return listed;
}

TEST(TaskCheck, CountsWaitingTasksThatNobodyKnowsByName) {
  const client::Browsed messages[] = {waiting("crop"),   waiting("rotate", "scheduled"),
                                      waiting("rotate"), waiting("rotate", "leased"),
                                      waiting("resize"), waiting("")};
  const detail::ListedWorker workers[] = {worker("thumbs", {"resize"})};
  const auto stranded = stranded_tasks("thumbs", messages, workers);
  ASSERT_EQ(stranded.size(), 2u);
  EXPECT_EQ(stranded[0].name, "rotate");
  EXPECT_EQ(stranded[0].count, 2u);
  EXPECT_TRUE(stranded[0].served);
  EXPECT_EQ(stranded[1].name, "crop");
}

TEST(TaskCheck, AWorkerForAnyTaskKnowsAllOfItsQueue) {
  const client::Browsed messages[] = {waiting("crop")};
  const detail::ListedWorker workers[] = {worker("thumbs", {}, true), worker("mail", {"crop"})};
  EXPECT_TRUE(stranded_tasks("thumbs", messages, workers).empty());
}

TEST(TaskCheck, AWorkerOfAnotherQueueDoesNotHelp) {
  const client::Browsed messages[] = {waiting("crop")};
  const detail::ListedWorker workers[] = {worker("mail", {"crop"}, true)};
  const auto stranded = stranded_tasks("thumbs", messages, workers);
  ASSERT_EQ(stranded.size(), 1u);
  EXPECT_FALSE(stranded[0].served);
}

TEST(TaskCheck, TellsWhatTheLastWorkerCouldNotRun) {
  auto declined = waiting("resize", "scheduled"), tried = waiting("resize");
  declined.history =
      R"([{"attempt":1,"at":1,"cause":"raised","reason":"nack","error":"e"},)"
      R"({"attempt":1,"at":2,"reason":"declined","error":"penstock::ArgumentError: expected 2"}])";
  tried.history = R"([{"attempt":1,"at":2,"reason":"declined","error":"e"},)"
                  R"({"attempt":1,"at":1,"cause":"raised","reason":"nack","error":"e"}])";
  const client::Browsed messages[] = {declined, tried, waiting("resize"), declined};
  const detail::ListedWorker workers[] = {worker("thumbs", {"resize"})};
  const auto stranded = stranded_tasks("thumbs", messages, workers);
  ASSERT_EQ(stranded.size(), 1u);
  EXPECT_EQ(stranded[0].count, 2u);
  EXPECT_TRUE(stranded[0].known);
  EXPECT_EQ(stranded[0].declined, "penstock::ArgumentError: expected 2");
}

}  // namespace
}  // namespace penstock::cli
