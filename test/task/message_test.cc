// Plain messages and queues through the library.
#include <thread>

#include "test/task/embedded_fixture.h"

namespace penstock::testing {
namespace {

class Messages : public EmbeddedTest {};

TEST_F(Messages, AreSentTakenAndAcknowledged) {
  const auto id = app->send("mail", "hello", {.priority = 3, .headers = {{"to", "you"}}});
  auto messages = app->receive("mail", {.max = 10});
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_EQ(messages[0].id(), id);
  EXPECT_EQ(messages[0].body(), "hello");
  EXPECT_EQ(messages[0].queue(), "mail");
  EXPECT_EQ(messages[0].attempts(), 1U);
  EXPECT_EQ(messages[0].priority(), 3);
  EXPECT_EQ(messages[0].header("to"), "you");
  EXPECT_EQ(messages[0].headers().size(), 1U);
  messages[0].ack();
  EXPECT_TRUE(messages[0].settled());
  EXPECT_THROW(messages[0].ack(), LeaseLost);
  EXPECT_EQ(app->queue("mail").in_system, 0);
}

TEST_F(Messages, GoBackAtOnceWhenTheirHandleIsDestroyed) {
  app->send("mail", "hello");
  { const auto messages = app->receive("mail"); }
  const auto again = app->receive("mail", {.wait = kLong});
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].attempts(), 1U);  // that was no attempt
}

TEST_F(Messages, ComeAgainAfterANackAndCountTheAttempt) {
  app->send("mail", "hello");
  app->receive("mail")[0].nack("no", 1ms);
  auto again = app->receive("mail", {.wait = kLong});
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].attempts(), 2U);
}

TEST_F(Messages, GoToTheDeadLettersWhenRejectedAndBackByRedrive) {
  app->send("mail", "hello");
  app->receive("mail")[0].reject("bad address");
  EXPECT_EQ(app->queue("mail.dead").ready, 1U);
  EXPECT_EQ(app->redrive("mail.dead"), 1U);
  EXPECT_EQ(app->queue("mail").ready, 1U);
}

TEST_F(Messages, AreAcknowledgedTogether) {
  const std::string_view bodies[] = {"a", "b", "c"};
  EXPECT_EQ(app->send_many("mail", bodies).size(), 3U);
  auto messages = app->receive("mail", {.max = 3});
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[2].body(), "c");
  messages[0].ack();
  EXPECT_EQ(app->ack(messages), 1U);  // the first had been settled
  EXPECT_EQ(app->queue("mail").in_system, 0);
}

TEST_F(Messages, AreWaitedForEvenWhenTheirQueueIsNotThereYet) {
  std::thread sender([&] { app->send("later", "hello"); });
  auto messages = app->receive("later", {.wait = kLong});
  EXPECT_EQ(app->ack(messages), 0U);
  EXPECT_EQ(messages.size(), 1U);
  sender.join();
  EXPECT_TRUE(app->receive("later", {.wait = 1ms}).empty());
}

TEST_F(Messages, KeepTheirLeaseWhenItIsExtended) {
  app->send("mail", "hello");
  auto messages = app->receive("mail", {.lease = 1s});
  messages[0].extend(1h);
  EXPECT_GT(messages[0].deadline(), std::chrono::system_clock::now() + 59min);
}

TEST_F(Messages, OutliveTheAppAsHandles) {
  app->send("mail", "hello");
  auto messages = app->receive("mail");
  app.reset();
  EXPECT_EQ(messages[0].body(), "hello");
  EXPECT_THROW(messages[0].ack(), Closed);
}

class Queues : public EmbeddedTest {};

TEST_F(Queues, AreDeclaredOnceAndChangedLive) {
  app->declare("q", {.max_length = 5, .backoff = exponential(1s, 1min)});
  app->declare("q", {.max_length = 1,
                     .max_bytes = 1 << 20,
                     .max_wait = 2s,
                     .overflow = Overflow::drop_oldest,
                     .ttl = 1h,
                     .max_attempts = 3,
                     .backoff = fixed(2s).without_jitter(),
                     .dead_letter = "grave",
                     .dedup_window = 1min,
                     .lease = 10s,
                     .rate = 12.5,
                     .group_limit = 2,
                     .paused = false});
  app->send("q", "old");
  app->send("q", "new");
  EXPECT_EQ(app->queue("q").ready, 1U);
  EXPECT_EQ(app->queue("q").max_wait, 2s);
  EXPECT_EQ(app->receive("q")[0].body(), "new");
}

TEST_F(Queues, HoldTheirMessagesWhilePaused) {
  app->send("q", "a");
  app->pause("q");
  EXPECT_TRUE(app->queue("q").paused);
  EXPECT_TRUE(app->receive("q").empty());
  app->resume("q");
  EXPECT_EQ(app->receive("q").size(), 1U);
}

TEST_F(Queues, ArePurgedListedAndRemoved) {
  app->send("a", "1");
  app->send("b", "2");
  EXPECT_EQ(app->purge("a"), 1U);
  EXPECT_EQ(app->queues().size(), 2U);
  EXPECT_EQ(app->remove("b"), 1U);
  EXPECT_THROW((void)app->queue("b"), NotFound);
  EXPECT_THROW(app->pause("b"), NotFound);
}

TEST_F(Queues, RefuseNamesThatAreNone) {
  EXPECT_THROW(app->declare(""), InvalidInput);
  EXPECT_THROW(app->send(std::string(256, 'x'), "a"), InvalidInput);
  EXPECT_THROW(app->send("\xff", "a"), InvalidInput);
}

TEST(EmbeddedApp, OwnsItsDirectoryUntilItCloses) {
  const TemporaryDirectory directory;
  auto app = App::embedded(directory.path());
  EXPECT_THROW((void)App::embedded(directory.path()), Conflict);
  const auto job = app.enqueue(task("t", [] {}));  // keeps what it stands on, but not the directory
  app.close();
  auto again = App::embedded(directory.path());
  EXPECT_EQ(again.job<void>(job.id()).state(), JobState::queued);
}

TEST(EmbeddedApp, SaysWhichDirectoryItCannotOpen) {
  try {
    (void)App::embedded("/proc/no/such");
    FAIL() << "nothing thrown";
  } catch (const Exception& error) {
    EXPECT_NE(std::string(error.what()).find("/proc/no/such"), std::string::npos);
  }
}

}  // namespace
}  // namespace penstock::testing
