// A disk without room: publishes are refused, and work goes on to the end.
#include "fixture.h"

namespace penstock::broker {
namespace {

class FullDiskTest : public BrokerTest {
 protected:
  FullDiskTest() {
    broker.reset();
    directory.restore({});
    options.journal.segment_bytes = 64 << 10;
    options.journal.reserve_bytes = 64 << 10;
    open();
    prepare();
  }
  // As the thread that has nothing else to do.
  void prepare() {
    while (broker->prepare().value()) {
    }
  }
  // Until the disk refuses; how many came in.
  int fill(bool tasks = false) {
    for (int count = 0;; ++count) {
      const auto body = "m" + std::to_string(count) + std::string(3000, 'x');
      auto message = input(body);
      message.task = tasks;
      const auto got = send("q", {message});
      if (got.kind == "refused") {
        EXPECT_EQ(got.refused.reason, "disk");
        EXPECT_GT(got.refused.retry_after, 0s);
        return count;
      }
      prepare();
    }
  }
};

// Each settle is a batch of its own, and takes a block: together far more than the reserve.
TEST_F(FullDiskTest, AFullQueueIsWorkedOffToTheEndOneByOne) {
  directory.set_capacity(6 << 20);
  const int count = fill();
  ASSERT_GT(count, 500);
  directory.set_capacity((6 << 20) - directory.free_bytes().value());
  ASSERT_EQ(directory.free_bytes().value(), 0u);
  for (int n = 0; n < count; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    ASSERT_EQ(settle({got.messages[0].lease}).count, 1u) << n;
    broker->maintain();
    prepare();
  }
  EXPECT_EQ(statistics("q").ready, 0u);
  // What was worked off made room, and nobody had to start anything anew.
  EXPECT_EQ(send("q", "room").kind, "published");
  restart();
  EXPECT_EQ(bodies(take("q", 10)), (std::vector<std::string>{"room"}));
}

// The thread that prepares, and whoever calls maintain(), may be late.
TEST_F(FullDiskTest, SettlesDoNotOutrunTheCheckpointThatGivesThemRoom) {
  directory.set_capacity(6 << 20);
  const int count = fill();
  directory.set_capacity((6 << 20) - directory.free_bytes().value());
  for (int n = 0; n < count; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    ASSERT_EQ(settle({got.messages[0].lease}).count, 1u) << n;
  }
  EXPECT_EQ(statistics("q").ready, 0u);
}

// Each result lies in a block of its own, so no segment is ever empty by itself.
TEST_F(FullDiskTest, ResultsAreDrawnTogetherBeforeTheyTakeTheLastSegment) {
  directory.set_capacity(6 << 20);
  const int count = fill(true);
  directory.set_capacity((6 << 20) - directory.free_bytes().value());
  for (int n = 0; n < count; ++n) {
    const auto lease = take("q").messages.at(0).lease;
    ASSERT_EQ(settle({lease}, engine::Outcome::ack, {}, {}, "42").count, 1u) << n;
  }
  EXPECT_EQ(statistics("q").ready, 0u);
}

// A history is written anew with each attempt, and the newest is needed.
TEST_F(FullDiskTest, AttemptsWithoutEndTakeNoMoreThanThereIs) {
  declare("q", {{"max_attempts", "0"}, {"backoff", "none"}});
  directory.set_capacity(3 << 20);
  const int count = fill(true);
  directory.set_capacity((3 << 20) - directory.free_bytes().value());
  for (int n = 0; n < 10 * count; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    const auto outcome = engine::Outcome::nack;
    ASSERT_EQ(settle({got.messages[0].lease}, outcome, 0s, "no").count, 1u) << n;
  }
}

TEST_F(FullDiskTest, ABrokerThatDiesAgainAndAgainOnAFullDiskStillWorksItsQueueOff) {
  directory.set_capacity(6 << 20);
  const int count = fill();
  directory.set_capacity((6 << 20) - directory.free_bytes().value());
  for (int n = 0; n < count; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    ASSERT_EQ(settle({got.messages[0].lease}).count, 1u) << n;
    if (n % 5 == 4) crash();
  }
  EXPECT_EQ(statistics("q").ready, 0u);
}

// Segments that are nearly empty are copied together, although as many are let be when there is
// room.
TEST_F(FullDiskTest, WhatLivesIsDrawnTogetherAndMakesRoom) {
  options.dead_segments = 1000;
  restart();
  prepare();
  directory.set_capacity(3 << 20);
  const int count = fill();
  for (int n = 0; n < count; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    const auto outcome = n % 8 == 0 ? engine::Outcome::nack : engine::Outcome::ack;
    ASSERT_EQ(settle({got.messages[0].lease}, outcome, 24h).count, 1u) << n;
    broker->maintain();
    prepare();
  }
  int published = 0;
  for (int n = 0; n < 2 * count; ++n) {
    if (send("q", std::string(3000, 'y')).kind == "published") ++published;
    broker->maintain();
    prepare();
  }
  EXPECT_GT(published, count / 2);
}

// Their heads are most of what they take.
TEST_F(FullDiskTest, MessagesOfAFewBytesAreNotCopiedForEver) {
  options.dead_segments = 0;
  restart();
  prepare();
  for (int n = 0; n < 200; ++n)
    ASSERT_EQ(send("q", std::vector<Input>(50, input("tiny"))).kind, "published");
  const auto copied_in = [this](int looks) {
    const auto before = broker->statistics().journal.appended_bytes;
    for (int n = 0; n < looks; ++n) {
      broker->maintain();
      broker->settle_down();
      prepare();
    }
    return broker->statistics().journal.appended_bytes - before;
  };
  EXPECT_LT(copied_in(100), 100'000u) << "a quarter of them";
  EXPECT_EQ(copied_in(100), 0u);
}

// A quota: the file system says that there is room, and denies it.
TEST_F(FullDiskTest, ADiskThatSaysItHasRoomAndGivesNoneIsFull) {
  directory.set_capacity(6 << 20);
  directory.pretend_capacity(1 << 30);
  const int count = fill();
  ASSERT_GT(count, 500);
  for (int n = 0; n < count; ++n)
    ASSERT_EQ(settle({take("q").messages.at(0).lease}).count, 1u) << n;
  prepare();
  EXPECT_EQ(send("q", "room").kind, "published");
}

TEST_F(FullDiskTest, WhetherThereIsRoomAgainIsLookedAtEverySecond) {
  directory.set_capacity(2 << 20);
  directory.pretend_capacity(1 << 30);
  fill();
  EXPECT_LE(broker->tend(), clock.now() + 1s);
  directory.set_capacity(1 << 30);
  prepare();
  EXPECT_EQ(send("q", "room").kind, "published");
  EXPECT_GT(broker->tend(), clock.now() + 1s);
}

// Its size was not synced: after a power cut it was too short, and was thrown away.
TEST_F(FullDiskTest, TheReservesSurviveAPowerCut) {
  crash();
  for (const auto* name : {"reserve.seg", "reserve.ckp"})
    EXPECT_EQ(directory.contents(name).size(), 64u << 10) << name;
}

// Keys outlive what they came with, so the checkpoint grew beyond the reserve; on a full disk none
// could be written, so that nothing was given back, until the server ended.
TEST_F(FullDiskTest, ACheckpointThatHasOutgrownTheReserveIsStillWritten) {
  declare("q", {{"dedup_window", "2h"}});
  for (int n = 0; n < 20'000; n += 50) {
    std::vector<Input> inputs(50, input("x"));
    std::vector<std::string> keys;
    for (int k = 0; k < 50; ++k) keys.push_back("order-" + std::to_string(n + k));
    for (std::size_t k = 0; k < 50; ++k) inputs[k].key = keys[k];
    ASSERT_EQ(send("q", inputs).kind, "published");
    for (const auto& message : take("q", 100).messages)
      ASSERT_EQ(settle({message.lease}).count, 1u);
    prepare();
  }
  constexpr int kCount = 300;
  for (int n = 0; n < kCount; ++n) ASSERT_EQ(send("q", std::string(3000, 'x')).kind, "published");
  restart();
  prepare();
  directory.set_capacity(1 << 30);
  directory.set_capacity((1 << 30) - directory.free_bytes().value());
  for (int n = 0; n < kCount; ++n) {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u) << n;
    ASSERT_EQ(settle({got.messages[0].lease}).count, 1u) << n;
  }
  EXPECT_GT(broker->statistics().journal.checkpoints, 0u);
  EXPECT_EQ(statistics("q").ready, 0u);
}

// Somebody else takes the rest of the disk from one moment to the next.
TEST_F(FullDiskTest, TheReserveGrowsWithTheCheckpointAndIsGivenUpWhenItIsFarTooLarge) {
  const auto reserved = [this] { return directory.contents("reserve.ckp").size(); };
  ASSERT_EQ(reserved(), 64u << 10);
  EXPECT_EQ(broker->statistics().journal.reserve_bytes, 2u * (64 << 10));
  for (int n = 0; n < 120; ++n)
    ASSERT_EQ(send("q", std::vector<Input>(50, input("x"))).kind, "published");
  prepare();
  const auto grown = reserved();
  EXPECT_GE(grown, 6000u * 16);
  EXPECT_EQ(grown % (64 << 10), 0u);
  EXPECT_EQ(broker->statistics().journal.reserve_bytes, grown + (64 << 10));
  restart();
  prepare();
  EXPECT_EQ(reserved(), grown) << "over a start";
  while (true) {
    const auto got = take("q", 100);
    if (got.messages.empty()) break;
    for (const auto& message : got.messages) ASSERT_EQ(settle({message.lease}).count, 1u);
  }
  prepare();
  EXPECT_EQ(reserved(), 64u << 10);
}

TEST_F(FullDiskTest, PublishesAreRefusedBeforeTheReserveCanNoMoreGrow) {
  directory.set_capacity(6 << 20);
  int count = 0;
  for (;; ++count) {
    const auto got = send("q", std::vector<Input>(50, input("x")));
    if (got.kind == "refused") break;
    prepare();
  }
  EXPECT_GE(directory.contents("reserve.ckp").size() + directory.free_bytes().value(),
            static_cast<std::size_t>(count) * 50 * 16);
  const auto reserved = directory.contents("reserve.ckp").size();
  EXPECT_GE(reserved, 2u * (64 << 10));
}

TEST_F(FullDiskTest, ARepeatOfAKeyIsAnsweredWithTheFirstIdAlthoughThereIsNoRoom) {
  declare("q", {{"dedup_window", "1h"}});
  auto keyed = input("a");
  keyed.key = "order-1";
  const auto first = send("q", {keyed});
  ASSERT_EQ(first.kind, "published");
  directory.set_capacity(6 << 20);
  fill();
  const auto again = send("q", {keyed});
  EXPECT_EQ(again.ids, first.ids) << again.kind;
  EXPECT_EQ(again.duplicates, 1u);
  auto other = keyed;
  other.key = "order-2";
  EXPECT_EQ(send("q", {keyed, other}).kind, "refused") << "a part of it is new";
}

}  // namespace
}  // namespace penstock::broker
