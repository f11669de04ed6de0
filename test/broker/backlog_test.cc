// Clients that ask for much and read none of it: what waits for them is bounded, and the others are
// served.
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

class BacklogTest : public BrokerTest {
 protected:
  Tag browse_tag(SessionId who, std::string_view queue = "q") {
    broker->browse(who, ++tag, queue, 10);
    return tag;
  }
  std::size_t answers(const Sink& of, std::string_view kind) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        of.replies, [kind](const auto& reply) { return reply.second.kind == kind; }));
  }
  void commit() {
    while (auto* batch = broker->seal()) {
      broker->write(*batch);
      broker->complete(*batch);
    }
  }
};

// 200 clients cost 11.7 GiB: all that they asked for was copied when they asked.
TEST_F(BacklogTest, LargeAnswersAreCopiedWhenThereIsRoomForThemInTheOrderOfAsking) {
  options.max_copied_bytes = 100'000;
  restart();
  send("q", std::string(60'000, 'x'));
  send("other", "keeps the disk busy");
  std::vector<Sink> sinks(5);
  for (auto& one : sinks) {
    const auto who = broker->open_session(one);
    (void)browse_tag(who);
    (void)browse_tag(who);
  }
  (void)send_tag("other", {input("a")});
  EXPECT_EQ(broker->statistics().replies_waiting, 11u);
  broker->turn();
  EXPECT_EQ(broker->statistics().replies_put_off, 8u) << "the first two took all the room";
  broker->settle_down();
  for (const auto& one : sinks) {
    ASSERT_EQ(answers(one, "browsed"), 2u);
    EXPECT_EQ(one.replies.begin()->second.messages.at(0).body.size(), 60'000u);
  }
  EXPECT_EQ(broker->statistics().replies_waiting, 0u);
}

TEST_F(BacklogTest, OneSessionDoesNotTakeAllTheRoomForCopies) {
  ASSERT_EQ(send("q", std::string(300'000, 'x')).kind, "published");
  (void)send_tag("q", {input("a")});  // what follows waits for its sync
  for (int n = 0; n < 10; ++n) (void)browse_tag(session);
  EXPECT_EQ(broker->statistics().replies_put_off, 6u);
  broker->settle_down();
  EXPECT_EQ(answers(sink, "browsed"), 10u);
}

TEST_F(BacklogTest, WhoDoesNotReadIsGivenNothingMoreAndHoldsUpNobody) {
  options.max_copied_bytes = 100'000;
  restart();
  send("q", std::string(60'000, 'x'));
  Sink deaf;
  deaf.reads = false;
  const auto other = broker->open_session(deaf);
  for (int n = 0; n < 10; ++n) (void)browse_tag(other);
  engine::Take take;
  take.queues = {"q"};
  broker->take(other, ++tag, take);
  broker->settle_down();
  EXPECT_TRUE(deaf.replies.empty());
  EXPECT_EQ(wait(browse_tag(session)).kind, "browsed");
  deaf.reads = true;
  broker->resume(other);
  EXPECT_EQ(broker->next_timer(), clock.now()) << "there is something to do";
  broker->settle_down();
  EXPECT_EQ(answers(deaf, "browsed"), 10u);
  EXPECT_EQ(answers(deaf, "delivered"), 1u);
  EXPECT_GT(broker->next_timer(), clock.now());
}

TEST_F(BacklogTest, RepliesThatWaitedForTheirReaderKeepTheirOrder) {
  struct Order final : ReplySink {
    void on_reply(Tag tag, const Reply&) override { tags.push_back(tag), reads = tags.size() % 2; }
    bool wants_more(Tag) override { return reads; }
    std::vector<Tag> tags;
    bool reads = false;
  } slow;
  const auto other = broker->open_session(slow);
  for (Tag n = 1; n <= 6; ++n) broker->barrier(other, n);
  broker->settle_down();
  EXPECT_TRUE(slow.tags.empty());
  while (slow.tags.size() < 7) {
    const auto before = slow.tags.size();
    if (before == 2) broker->barrier(other, 7);
    slow.reads = true;
    broker->resume(other);
    broker->settle_down();
    ASSERT_GT(slow.tags.size(), before);
  }
  EXPECT_EQ(slow.tags, (std::vector<Tag>{1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(BacklogTest, WhatAReaderNeverTookIsGivenBackWithItsSession) {
  send("q", "a");
  Sink deaf;
  deaf.reads = false;
  const auto other = broker->open_session(deaf);
  engine::Take take;
  take.queues = {"q"};
  take.connection_bound = false;
  broker->take(other, 1, take);
  (void)browse_tag(other);
  broker->settle_down();
  EXPECT_EQ(this->take("q").messages.size(), 0u);
  EXPECT_EQ(broker->statistics().replies_waiting, 2u);
  broker->close_session(other);
  EXPECT_EQ(broker->statistics().replies_waiting, 0u);
  EXPECT_EQ(this->take("q").messages.size(), 1u);
}

// All of them went out before the gateway could see that nobody reads them.
TEST_F(BacklogTest, HandsOverSoMuchAtOnceAndTheRestInTheNextTurns) {
  options.journal.segment_bytes = 16 << 20;
  broker.reset();
  directory.restore({});
  open();
  constexpr int kMessages = 30;
  for (int n = 0; n < kMessages; ++n)
    ASSERT_EQ(send("q", std::string(3 << 20, 'x')).kind, "published");
  sink.replies.clear();
  for (int n = 0; n < kMessages; ++n) (void)take_tag("q");
  commit();
  std::size_t before = 0;
  int turns = 0;
  for (; sink.replies.size() < kMessages && turns < 10; ++turns) {
    broker->turn();
    commit();
    EXPECT_LE(sink.replies.size() - before, 22u) << "32 MiB and a part, in a turn and a commit";
    before = sink.replies.size();
    if (before < kMessages) {
      EXPECT_EQ(broker->next_timer(), clock.now());
    }
  }
  EXPECT_EQ(sink.replies.size(), kMessages + 0u);
  EXPECT_GT(turns, 1);
  EXPECT_GT(broker->next_timer(), clock.now());
}

TEST_F(BacklogTest, WhoGoesWhileItWaitsForRoomHoldsUpNobody) {
  options.max_copied_bytes = 100'000;
  restart();
  send("q", std::string(60'000, 'x'));
  (void)send_tag("other", {input("keeps the disk busy")});
  std::vector<Sink> sinks(4);
  std::vector<SessionId> sessions;
  for (auto& one : sinks) {
    sessions.push_back(broker->open_session(one));
    (void)browse_tag(sessions.back());
  }
  EXPECT_EQ(broker->statistics().replies_put_off, 2u);
  broker->close_session(sessions[2]);
  broker->settle_down();
  for (const std::size_t n : {0, 1, 3}) EXPECT_EQ(answers(sinks[n], "browsed"), 1u) << n;
  EXPECT_TRUE(sinks[2].replies.empty());
  EXPECT_EQ(broker->statistics().replies_waiting, 0u);
}

TEST_F(BacklogTest, WhoReadsAgainThoughNothingWaitedForItGetsNothing) {
  broker->resume(session);
  broker->settle_down();
  EXPECT_TRUE(sink.replies.empty());
}

TEST_F(BacklogTest, WhoGoesAtTheFirstOfItsAnswersGetsNoOther) {
  struct Leaver final : ReplySink {
    void on_reply(Tag, const Reply&) override {
      ++got;
      broker->close_session(session);
    }
    bool wants_more(Tag) override { return reads; }
    Broker* broker = nullptr;
    SessionId session;
    bool reads = false;
    int got = 0;
  } leaver;
  leaver.broker = broker.get();
  leaver.session = broker->open_session(leaver);
  for (int n = 0; n < 3; ++n) broker->barrier(leaver.session, ++tag);
  broker->settle_down();
  EXPECT_EQ(leaver.got, 0);
  leaver.reads = true;
  broker->resume(leaver.session);
  broker->settle_down();
  EXPECT_EQ(leaver.got, 1);
  EXPECT_EQ(broker->statistics().replies_waiting, 0u);
}

}  // namespace
}  // namespace penstock::broker
