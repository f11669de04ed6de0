// SCHEDULE.*, as a client sees it.
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

using namespace std::chrono_literals;

class RespSchedule : public RespTest {
 protected:
  void SetUp() override {
    RespTest::SetUp();
    peer_ = std::make_unique<Talker>(*service_, *broker_);
  }
  void TearDown() override { peer_.reset(); }

  Reply say(std::initializer_list<std::string_view> words) { return peer_->say(words); }

  std::unique_ptr<Talker> peer_;
};

TEST_F(RespSchedule, ATaskIsSubmittedWhenItsTimeComes) {
  EXPECT_EQ(say({"SCHEDULE.PUT", "tick", "@every 1m", "QUEUE", "q", "TASK", "beat", "ARGS", "[1]",
                 "PRIORITY", "3", "HEADER", "to", "ann", "OVERLAP", "SKIP"})
                .integer,
            1);
  EXPECT_EQ(say({"schedule.put", "tick", "@every 60s", "QUEUE", "q", "TASK", "beat", "ARGS", "[1]",
                 "PRIORITY", "3", "HEADER", "to", "ann", "OVERLAP", "skip"})
                .integer,
            0);
  const auto shown = say({"SCHEDULE.GET", "tick"});
  EXPECT_EQ(at(shown, "when").text, "@every 1m");
  EXPECT_EQ(at(shown, "task").text, "beat");
  EXPECT_EQ(at(shown, "overlap").text, "skip");
  EXPECT_EQ(at(shown, "next_at").integer, 1'700'000'060'000);
  pass(1min);
  const auto taken = say({"TASK.TAKE", "q"});
  ASSERT_EQ(taken.items.size(), 1u);
  EXPECT_EQ(at(taken.items[0], "name").text, "beat");
  EXPECT_EQ(at(at(taken.items[0], "headers"), "penstock-schedule").text, "tick");
  EXPECT_EQ(at(at(taken.items[0], "headers"), "penstock-due").text, "2023-11-14T22:14:20Z");
  EXPECT_EQ(at(say({"SCHEDULE.GET", "tick"}), "fired_total").integer, 1);
}

TEST_F(RespSchedule, SchedulesArePausedTriggeredListedAndDeleted) {
  for (const auto* name : {"b", "a"})
    EXPECT_EQ(say({"SCHEDULE.PUT", name, "@daily", "BODY", "x"}).integer, 1);
  EXPECT_TRUE(say({"SCHEDULE.PUT", "a", "@daily"}).text.starts_with("ERR a schedule publishes"));
  EXPECT_EQ(say({"SCHEDULE.PAUSE", "a"}).text, "OK");
  const auto list = say({"SCHEDULE.LIST"});
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(at(list.items[0], "name").text, "a");
  EXPECT_EQ(at(list.items[0], "next_at").integer, 0);
  EXPECT_EQ(say({"SCHEDULE.RESUME", "a"}).text, "OK");
  const auto id = say({"SCHEDULE.TRIGGER", "a"}).text;
  const auto taken = say({"RECEIVE", "default"});
  ASSERT_EQ(taken.items.size(), 1u);
  EXPECT_EQ(at(taken.items[0], "id").text, id);
  EXPECT_EQ(say({"SCHEDULE.DELETE", "a"}).text, "OK");
  EXPECT_TRUE(say({"SCHEDULE.DELETE", "a"}).text.starts_with("NOTFOUND"));
  EXPECT_EQ(say({"SCHEDULE.LIST"}).items.size(), 1u);
}

TEST_F(RespSchedule, WhatMakesNoSenseIsRefused) {
  EXPECT_EQ(say({"SCHEDULE.PUT", "s", "0 0 30 2 *"}).type, ReplyType::error);
  EXPECT_EQ(say({"SCHEDULE.PUT", "s", "@daily", "TASK", "t", "BODY", "x"}).type, ReplyType::error);
  EXPECT_EQ(say({"SCHEDULE.PUT", "s", "@daily", "ARGS", "[]"}).type, ReplyType::error);
  EXPECT_EQ(say({"SCHEDULE.PUT", "s", "@daily", "MISSED", "some"}).type, ReplyType::error);
  EXPECT_EQ(say({"SCHEDULE.PUT", "s", "@daily", "DELAY", "1s"}).type, ReplyType::error);
  EXPECT_EQ(say({"SCHEDULE.LIST"}).items.size(), 0u);
}

}  // namespace
}  // namespace penstock::protocol::resp
