// WORKER.*, and what is said of tasks, as a client sees it.
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kWorker =
    R"({"id":"a1","name":"web-1","host":"h","pid":7,"program":"2.0","library":"1",
        "started_at":1700000000000,"queues":["q"],"tasks":["known"]})";

class RespWorker : public RespTest {
 protected:
  void SetUp() override {
    RespTest::SetUp();
    peer_ = std::make_unique<Talker>(*service_, *broker_);
  }
  void TearDown() override { peer_.reset(); }

  Reply say(std::initializer_list<std::string_view> words) { return peer_->say(words); }

  std::unique_ptr<Talker> peer_;
};

TEST_F(RespWorker, AnnouncesItselfBeatsAndIsListed) {
  EXPECT_TRUE(say({"WORKER.BEAT", "{}"}).is_error()) << "nobody announced itself";
  EXPECT_EQ(at(say({"WORKER.ANNOUNCE", kWorker}), "quiet").integer, 0);
  EXPECT_EQ(at(say({"WORKER.BEAT",
                    R"({"state":"quiet","slots":4,"memory_bytes":99,"done":1,"running_count":1,
                        "running":[{"id":"5","name":"known","since":1700000000000}]})"}),
               "stop")
                .integer,
            0);
  const auto list = say({"WORKER.LIST"}).text;
  for (const auto* part :
       {R"("id":"00000000000000a1","name":"web-1","host":"h","pid":7)", R"("state":"quiet")",
        R"("running":[{"id":"5","name":"known","since":1700000000000}])", R"("tasks":["known"])"})
    EXPECT_NE(list.find(part), std::string::npos) << part << " in " << list;
  peer_.reset();
  peer_ = std::make_unique<Talker>(*service_, *broker_);
  EXPECT_EQ(say({"WORKER.LIST"}).text, R"({"workers":[]})");
}

TEST_F(RespWorker, HearsThatATaskWasCancelled) {
  ASSERT_FALSE(say({"WORKER.ANNOUNCE", kWorker}).is_error());
  const auto id = say({"TASK.SUBMIT", "known", "[]", "QUEUE", "q"}).text;
  ASSERT_FALSE(say({"TASK.TAKE", "q"}).items.empty());
  ASSERT_EQ(say({"TASK.CANCEL", id}).integer, 1);
  const auto beat = R"({"running":[{"id":")" + id + R"(","name":"known"}]})";
  const auto told = say({"WORKER.BEAT", beat});
  ASSERT_EQ(at(told, "cancelled").items.size(), 1u);
  EXPECT_EQ(at(told, "cancelled").items[0].text, id);
}

TEST_F(RespWorker, OrdersReachThoseThatCome) {
  EXPECT_EQ(at(say({"WORKER.ORDER", "QUIET", "NAME", "web-*"}), "number").integer, 1);
  EXPECT_EQ(at(say({"WORKER.ORDER", "resize", "SLOTS", "3", "QUEUE", "q"}), "number").integer, 2);
  const auto told = say({"WORKER.ANNOUNCE", kWorker});
  EXPECT_EQ(at(told, "quiet").integer, 1);
  EXPECT_EQ(at(told, "slots").integer, 3);
  EXPECT_EQ(at(say({"WORKER.ORDER", "stop", "VERSION", "2.*"}), "workers").integer, 1);
  EXPECT_EQ(at(say({"WORKER.BEAT", "{}"}), "stop").integer, 1);
  EXPECT_NE(say({"WORKER.ORDERS"}).text.find(R"("order":"stop","version":"2.*")"),
            std::string::npos);
  EXPECT_EQ(say({"WORKER.FORGET", "1"}).integer, 1);
  EXPECT_TRUE(say({"WORKER.FORGET", "1"}).is_error());
  EXPECT_EQ(at(say({"WORKER.BEAT", "{}"}), "quiet").integer, 0);
  EXPECT_EQ(at(say({"WORKER.ORDER", "stop", "NAME", "nobody"}), "number").integer, 0);
}

TEST_F(RespWorker, WhatMakesNoSenseIsRefused) {
  for (const auto* json :
       {"", "[]", "{}", R"({"id":"0","name":"a","queues":["q"]})",
        R"({"id":"xyz","name":"a","queues":["q"]})", R"({"id":"1","name":"","queues":["q"]})",
        R"({"id":"1","name":"a","queues":[]})", R"({"id":"1","name":"a","queues":[1]})",
        R"({"id":"1","name":"a","queues":["q\n"]})",
        R"({"id":"1","name":"a","queues":["q"],"more":1})"})
    EXPECT_TRUE(say({"WORKER.ANNOUNCE", json}).is_error()) << json;
  say({"WORKER.ANNOUNCE", kWorker});
  for (const auto* json : {"", "[]", R"({"state":"happy"})", R"({"slots":-1})",
                           R"({"running":[{"name":"a"}]})", R"({"running":[1]})"})
    EXPECT_TRUE(say({"WORKER.BEAT", json}).is_error()) << json;
  EXPECT_TRUE(say({"WORKER.ORDER", "dance"}).is_error());
  EXPECT_TRUE(say({"WORKER.ORDER", "resize"}).is_error());
  EXPECT_TRUE(say({"WORKER.ORDER", "quiet", "SLOTS", "3"}).is_error());
}

TEST_F(RespWorker, ADeclinedTaskSaysWhyItWaits) {
  const auto id = say({"TASK.SUBMIT", "new", "[]", "QUEUE", "q"}).text;
  const auto lease = at(say({"TASK.TAKE", "q"}).items.at(0), "lease").text;
  EXPECT_EQ(say({"TASK.DECLINE", lease, "unknown task new"}).integer, 1);
  const auto shown = say({"TASK.GET", id});
  EXPECT_EQ(at(shown, "state").text, "retrying");
  EXPECT_EQ(at(shown, "attempts").integer, 0);
  EXPECT_EQ(at(shown, "declined").text, "unknown task new");
  EXPECT_EQ(at(shown, "declined_count").integer, 1);
  EXPECT_TRUE(say({"TASK.TAKE", "q"}).items.empty());
  EXPECT_EQ(at(at(say({"QUEUE.STATS", "q"}), "counters"), "declined").integer, 1);
  pass(2s);
  EXPECT_EQ(say({"TASK.TAKE", "q"}).items.size(), 1u);
}

TEST_F(RespWorker, LinesOfARunningTaskAreSeenFromOutside) {
  const auto id = say({"TASK.SUBMIT", "t", "[]", "QUEUE", "q"}).text;
  const auto lease = at(say({"TASK.TAKE", "q"}).items.at(0), "lease").text;
  EXPECT_EQ(say({"TASK.LOG", lease, "one", "two"}).integer, 1);
  const auto log = say({"TASK.LOGS", id, "AFTER", "1"});
  ASSERT_EQ(at(log, "lines").items.size(), 1u);
  EXPECT_EQ(at(at(log, "lines").items[0], "text").text, "two");
  EXPECT_EQ(at(log, "ended").integer, 0);
  EXPECT_EQ(say({"TASK.DONE", lease}).integer, 1);
  EXPECT_EQ(at(say({"TASK.LOGS", id, "WAIT", "9s", "AFTER", "2"}), "ended").integer, 1);
  EXPECT_TRUE(say({"TASK.LOGS", "999"}).is_error());
}

TEST_F(RespWorker, DeadLettersGoBackOneByOneAndByTheirError) {
  std::string id;
  for (const auto* error : {"disk full", "no user"}) {
    id = say({"TASK.SUBMIT", "t", "[]", "QUEUE", "q"}).text;
    const auto lease = at(say({"TASK.TAKE", "q"}).items.at(0), "lease").text;
    say({"TASK.FAIL", lease, error, "RETRY", "no"});
  }
  EXPECT_EQ(say({"TASK.RETRY", id}).integer, 1);
  EXPECT_TRUE(say({"TASK.RETRY", id}).is_error());
  const auto none = say({"TASK.REDRIVE", "q", "ERROR", "user"});
  EXPECT_EQ(at(none, "moved").integer, 0);
  EXPECT_EQ(at(none, "next").text, "");
  EXPECT_EQ(at(say({"TASK.REDRIVE", "q", "ERROR", "disk", "TASK", "t"}), "moved").integer, 1);
  EXPECT_EQ(at(say({"QUEUE.STATS", "q"}), "ready").integer, 2);
}

}  // namespace
}  // namespace penstock::protocol::resp
