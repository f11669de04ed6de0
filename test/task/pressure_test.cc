// What a full queue says, and what enqueue() makes of it.
#include <thread>

#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

class Pressure : public EmbeddedTest {
 protected:
  const Task<int(int)> same_ = task("same", [](int n) { return n; });
};

TEST_F(Pressure, IsToldByTryEnqueueWithTheReasonAndATimeToComeBack) {
  app->declare("default", {.max_length = 2});
  ASSERT_TRUE(app->try_enqueue(same_, 1).has_value());
  ASSERT_TRUE(app->try_enqueue(same_, 2).has_value());
  const auto refused = app->try_enqueue(same_, 3);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "max_length");
  EXPECT_EQ(refused.error().queue, "default");
  EXPECT_GT(refused.error().retry_after, 0us);
  EXPECT_FALSE(refused.error().message.empty());
}

TEST_F(Pressure, MakesEnqueueWaitUntilThereIsRoom) {
  app->declare("default", {.max_length = 1});
  app->add(same_);
  const auto first = app->enqueue(same_, 1);
  Event second_in;
  std::thread producer([&] {
    EXPECT_EQ(app->enqueue(same_, 2).get(kLong), 2);
    second_in.set();
  });
  while (app->queue("default").refused == 0) std::this_thread::yield();  // it has been refused
  const auto workers = app->work();
  EXPECT_EQ(first.get(kLong), 1);
  EXPECT_TRUE(second_in.wait());
  producer.join();
}

TEST_F(Pressure, EndsThePatienceOfEnqueueWithTheRefusal) {
  app->declare("default", {.max_length = 1});
  app->enqueue(same_, 1);
  try {
    app->enqueue(same_.with({.patience = 5ms}), 2);
    FAIL() << "nothing thrown";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.refusal().reason, "max_length");
    EXPECT_EQ(refused.accepted(), 0U);
  }
}

TEST_F(Pressure, LetsAsManyOfABatchInAsThereIsRoomFor) {
  app->declare("default", {.max_length = 10});
  const std::vector<std::tuple<int>> arguments(25, std::tuple(1));
  try {
    (void)app->enqueue_many(same_.with({.patience = 0ms}), arguments);
    FAIL() << "nothing thrown";
  } catch (const Refused& refused) {
    EXPECT_EQ(refused.accepted(), 10U);
  }
  EXPECT_EQ(app->queue("default").ready, 10U);
}

TEST_F(Pressure, OfABatchLargerThanTheQueueIsWorkedOff) {
  app->declare("default", {.max_length = 10});
  app->add(same_);
  const auto workers = app->work();
  const std::vector<std::tuple<int>> arguments(100, std::tuple(1));
  const auto jobs = app->enqueue_many(same_, arguments);
  ASSERT_EQ(jobs.size(), 100U);
  for (const auto& job : jobs) EXPECT_EQ(job.get(kLong), 1);
}

TEST_F(Pressure, OfAQueueThatBlocksHoldsTheEnqueueUntilThereIsRoom) {
  app->declare("default", {.max_length = 1, .overflow = Overflow::block});
  app->add(same_);
  const auto first = app->enqueue(same_, 1);
  std::thread producer([&] { EXPECT_EQ(app->enqueue(same_, 2).get(kLong), 2); });
  const auto workers = app->work();
  EXPECT_EQ(first.get(kLong), 1);
  producer.join();
}

TEST_F(Pressure, EndsWhenTheAppIsClosed) {
  app->declare("default", {.max_length = 1});
  app->enqueue(same_, 1);
  std::thread producer([&] { EXPECT_THROW(app->enqueue(same_, 2), Closed); });
  while (app->queue("default").refused == 0) std::this_thread::yield();
  app->close();
  producer.join();
}

TEST_F(Pressure, IsNotWhatInvalidInputMeets) {
  EXPECT_THROW(app->enqueue(same_.with({.priority = 10}), 1), InvalidInput);
  EXPECT_THROW(app->enqueue(same_.with({.delay = -1s}), 1), InvalidInput);
  EXPECT_THROW(app->enqueue(same_.with({.expires = -1s}), 1), InvalidInput);
  EXPECT_THROW(app->send("q", "x", {.expires = 0s}), InvalidInput);
  EXPECT_THROW(app->enqueue(same_.with({.queue = std::string(256, 'q')}), 1), InvalidInput);
  EXPECT_THROW(app->send("q", std::string(17u << 20, 'x')), InvalidInput);
}

}  // namespace
}  // namespace penstock::testing
