// Taking without end: what is asked for while the answer before is unpacked comes with the next
// call, in order, and is never forgotten.
#include <mutex>
#include <vector>

#include "task/remote.h"
#include "test/task/server_fixture.h"

namespace penstock::testing {
namespace {

using detail::Consumer;

class AheadTest : public ServerTest {
 protected:
  static constexpr std::uint32_t kMany = 1000;  // of which an answer is large

  void SetUp() override {
    ServerTest::SetUp();
    consumer_ = detail::make_remote_consumer(client::Client::connect({.url = url()}).value());
  }
  void TearDown() override {
    consumer_.reset();
    ServerTest::TearDown();
  }
  void send(std::uint32_t count) {
    const std::vector<std::string_view> bodies(count, "twenty bytes, or more");
    app_->send_many("q", bodies);
  }
  // How many came; `ahead` counts the questions, and gives as many as it is told.
  std::size_t take(std::uint32_t max, std::uint32_t ahead, Duration wait = kLong) {
    const auto taken = consumer_->take_on(queues_, max, wait, [&] { return ++asked_, ahead; });
    EXPECT_TRUE(taken) << taken.error().message;
    if (!taken) return 0;
    for (const auto& message : taken->messages) {
      EXPECT_LT(last_, message.id);
      last_ = message.id;
    }
    return taken->messages.size();
  }
  [[nodiscard]] std::uint64_t leased() { return app_->queue("q").leased; }

  const std::vector<std::string> queues_{"q"};
  std::unique_ptr<Consumer> consumer_;
  int asked_ = 0;
  MessageId last_{};
};

TEST_F(AheadTest, TheNextCallBringsWhatWasAskedForWhileALargeAnswerWasUnpacked) {
  send(3 * kMany);
  EXPECT_EQ(take(kMany, 700), kMany);
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(take(1, 0), 700u) << "what was asked for before, whatever it asks for now";
  EXPECT_EQ(take(50, 0), 50u);
  EXPECT_EQ(leased(), kMany + 750);
}

TEST_F(AheadTest, NothingIsAskedForAheadOfASmallAnswer) {
  send(10);
  EXPECT_EQ(take(5, 5), 5u);
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(leased(), 5u);
}

TEST_F(AheadTest, StoppedItEndsTheWaitThatWasBegun) {
  send(kMany);
  EXPECT_EQ(take(kMany, kMany, 1h), kMany);
  consumer_->stop();
  EXPECT_EQ(take(kMany, kMany, 1h), 0u);
  EXPECT_EQ(take(kMany, kMany, 1h), 0u);
  send(1);
  EXPECT_EQ(app_->queue("q").ready, 1u) << "nothing is under way any more";
}

TEST_F(AheadTest, PausedItBringsWhatHadComeBefore) {
  send(2 * kMany);
  EXPECT_EQ(take(kMany, kMany), kMany);
  while (leased() < 2 * kMany) std::this_thread::yield();
  consumer_->pause(true);
  EXPECT_EQ(take(kMany, kMany), kMany);
  send(1);
  EXPECT_EQ(take(kMany, kMany), 0u);
  consumer_->pause(false);
  EXPECT_EQ(take(kMany, kMany), 1u);
}

TEST_F(AheadTest, AServerThatGoesAwayMeanwhileIsAnErrorAndTheCallAfterThatIsAnew) {
  send(kMany);
  EXPECT_EQ(take(kMany, kMany), kMany);
  stop_server();
  start_server();
  const auto broken = consumer_->take_on(queues_, kMany, kLong, [] { return 0u; });
  EXPECT_TRUE(!broken || broken->messages.empty());
  last_ = {};  // those that were leased came back
  std::size_t all = 0;
  while (all < kMany) all += take(kMany, 0);
  EXPECT_EQ(all, kMany);
}

TEST_F(AheadTest, WorkersRunTasksInOrderAndGiveBackAllTheyHoldWhenTheyStop) {
  constexpr int kTasks = 20'000, kEnough = 7'000;
  Event enough, all;
  std::vector<int> ran;
  const auto work = task("work", [&](Context& context, int n) {
    EXPECT_EQ(context.attempt(), 1u);
    ran.push_back(n);
    if (n == kEnough) enough.set();
    if (n == kTasks - 1) all.set();
  });
  app_->add(work);
  std::vector<std::tuple<int>> arguments;
  for (int n = 0; n < kTasks; ++n) arguments.emplace_back(n);
  app_->enqueue_many(work, arguments);
  auto workers = app_->work();
  ASSERT_TRUE(enough.wait());
  workers.stop();
  const auto queue = app_->queue("default");
  EXPECT_EQ(queue.leased, 0u);
  EXPECT_EQ(queue.ready, kTasks - ran.size());
  workers = app_->work();
  ASSERT_TRUE(all.wait());
  workers.stop();
  for (std::size_t n = 0; n < ran.size(); ++n) ASSERT_EQ(ran[n], static_cast<int>(n));
}

}  // namespace
}  // namespace penstock::testing
