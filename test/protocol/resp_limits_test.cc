// UNIQUE, DEBOUNCE and THROTTLE, and the groups of a queue, as a client sees them.
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

using namespace std::chrono_literals;

class RespLimits : public RespTest {
 protected:
  void SetUp() override {
    RespTest::SetUp();
    peer_ = std::make_unique<Talker>(*service_, *broker_);
  }
  void TearDown() override { peer_.reset(); }

  Reply say(std::initializer_list<std::string_view> words) { return peer_->say(words); }

  std::unique_ptr<Talker> peer_;
};

TEST_F(RespLimits, AUniqueKeyIsRefusedByTheIdOfTheOneThatHasIt) {
  const auto first = say({"TASK.SUBMIT", "t", "[1]", "UNIQUE", "k", "done"}).text;
  const auto refused = say({"TASK.SUBMIT", "t", "[2]", "UNIQUE", "k", "done"});
  EXPECT_EQ(refused.type, ReplyType::error);
  EXPECT_TRUE(refused.text.starts_with("DUPLICATE id=" + first + " unique key \"k\" of queue"))
      << refused.text;
  EXPECT_EQ(say({"TASK.SUBMIT", "t", "[2]", "UNIQUE", "k", "done", "ONCONFLICT", "return"}).text,
            first);
  const auto second =
      say({"TASK.SUBMIT", "t", "[2]", "UNIQUE", "k", "done", "ONCONFLICT", "REPLACE"}).text;
  EXPECT_NE(second, first);
  EXPECT_EQ(at(say({"TASK.GET", first}), "state").text, "cancelled");
  EXPECT_EQ(say({"SEND", "q", "a", "UNIQUE", "k", "10m"}).type, ReplyType::bulk);
}

TEST_F(RespLimits, AThrottleSaysWhenAndADebounceKeepsTheLast) {
  EXPECT_EQ(say({"SEND", "q", "a", "THROTTLE", "k", "1/10s"}).type, ReplyType::bulk);
  const auto refused = say({"SEND", "q", "b", "THROTTLE", "k", "1/10s"}).text;
  EXPECT_TRUE(refused.starts_with("BUSY retry-after-ms=10000 reason=throttle queue=q")) << refused;
  EXPECT_EQ(say({"SEND", "q", "c", "THROTTLE", "k", "1/10s", "ONCONFLICT", "delay"}).type,
            ReplyType::bulk);
  for (const auto* body : {"d", "e"})
    EXPECT_EQ(say({"SEND", "r", body, "DEBOUNCE", "k", "5s", "MAXWAIT", "1m"}).type,
              ReplyType::bulk);
  pass(5s);
  const auto taken = say({"RECEIVE", "r", "MAX", "9"});
  ASSERT_EQ(taken.items.size(), 1u);
  EXPECT_EQ(at(taken.items[0], "body").text, "e");
}

TEST_F(RespLimits, GroupsAreSetListedAndReset) {
  EXPECT_EQ(say({"QUEUE.DECLARE", "q", "group_rate", "10"}).text, "OK");
  EXPECT_EQ(say({"QUEUE.GROUP", "q", "a", "WEIGHT", "3", "limit", "2"}).integer, 1);
  EXPECT_EQ(say({"QUEUE.GROUP", "q", "a", "rate", "5.5"}).integer, 0);
  const auto groups = say({"QUEUE.GROUPS", "q"});
  ASSERT_EQ(groups.items.size(), 1u);
  EXPECT_EQ(at(groups.items[0], "name").text, "a");
  EXPECT_EQ(at(groups.items[0], "weight").integer, 3);
  EXPECT_EQ(at(groups.items[0], "rate").text, "5.5");
  EXPECT_EQ(at(groups.items[0], "limit").text, "2");
  EXPECT_EQ(say({"QUEUE.UNGROUP", "q", "a"}).text, "OK");
  EXPECT_TRUE(say({"QUEUE.UNGROUP", "q", "a"}).text.starts_with("NOTFOUND"));
  EXPECT_TRUE(say({"QUEUE.GROUPS", "nowhere"}).text.starts_with("NOTFOUND"));
}

TEST_F(RespLimits, WhatMakesNoSenseIsRefused) {
  const auto refused = [this](std::initializer_list<std::string_view> words) {
    const auto reply = say(words);
    return reply.type == ReplyType::error ? reply.text : "taken";
  };
  EXPECT_EQ(
      refused({"SEND", "q", "a", "UNIQUE", "k", "sometimes"}),
      "ERR UNIQUE: \"sometimes\" is no end of a unique key; start, done or a duration such as "
      "10m");
  EXPECT_EQ(refused({"SEND", "q", "a", "UNIQUE", "k", "done", "THROTTLE", "k", "1/1s"}),
            "ERR THROTTLE: a message has one of UNIQUE, DEBOUNCE and THROTTLE");
  EXPECT_EQ(refused({"SEND", "q", "a", "ONCONFLICT", "return"}),
            "ERR ONCONFLICT: goes behind UNIQUE or THROTTLE");
  EXPECT_EQ(refused({"SEND", "q", "a", "MAXWAIT", "1s"}), "ERR MAXWAIT: goes behind DEBOUNCE");
  EXPECT_EQ(refused({"SEND", "q", "a", "THROTTLE", "k", "many"}),
            "ERR THROTTLE: \"many\" is no rate of a throttle; a count from 1 to 1000 in a period, "
            "such as 10/1m");
  EXPECT_EQ(refused({"SEND", "q", "a", "UNIQUE", "", "done"}), "ERR a key has 1 to 1024 bytes");
  EXPECT_EQ(refused({"SCHEDULE.PUT", "s", "@daily", "UNIQUE", "k", "done"}).substr(0, 27),
            "ERR unknown option \"UNIQUE\"");
}

}  // namespace
}  // namespace penstock::protocol::resp
