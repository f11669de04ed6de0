// What comes of messages that were lost with a worker: who answers for it, and who is given what
// beside what.
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using engine::Outcome;

class SuspectsTest : public BrokerTest {
 protected:
  // A worker of so many slots, on a connection of its own.
  struct Worker {
    Worker(SuspectsTest& at, std::uint32_t slots_)
        : test(at), session(at.broker->open_session(sink)), slots(slots_) {}
    // The bodies of what it gets at once.
    std::vector<std::string> take(std::uint32_t max, std::vector<std::string> queues = {"q"}) {
      engine::Take command;
      command.queues = std::move(queues);
      command.max = max;
      command.lease = 1h;
      command.slots = slots;
      test.broker->take(session, ++test.tag, command);
      return keep(test.wait(test.tag, sink));
    }
    std::uint64_t take_later(const std::string& queue = "q", std::uint32_t max = 1) {
      engine::Take command;
      command.queues = {queue};
      command.max = max;
      command.lease = 1h;
      command.slots = slots;
      command.wait_until = test.clock.now() + 1h;
      test.broker->take(session, ++test.tag, command);
      test.broker->settle_down();
      return test.tag;
    }
    std::vector<std::string> got(std::uint64_t asked) {
      test.broker->settle_down();
      const auto found = sink.replies.find(asked);
      return found == sink.replies.end() ? std::vector<std::string>{} : keep(found->second);
    }
    std::vector<std::string> keep(const Got& got) {
      std::vector<std::string> bodies;
      for (const auto& message : got.messages) {
        bodies.push_back(message.body);
        held.push_back(message.lease);
      }
      return bodies;
    }
    void finish_all() {
      engine::Settle command;
      command.leases = held;
      test.broker->settle(session, ++test.tag, command);
      EXPECT_EQ(test.wait(test.tag, sink).kind, "settled");
      held.clear();
    }
    void die() {
      test.broker->close_session(session);
      test.broker->settle_down();
    }
    SuspectsTest& test;
    Sink sink;
    SessionId session;
    std::uint32_t slots;
    std::vector<engine::LeaseToken> held;
  };

  void send_tasks(std::string_view queue, std::string_view bodies) {
    for (const auto body : bodies) {
      auto one = input(std::string_view(&body, 1));
      one.task = true;
      send(queue, {one});
    }
  }
  std::string history(std::string_view queue) {
    broker->browse(session, ++tag, queue, 10);
    const auto got = wait(tag);
    return got.messages.empty() ? "" : got.messages[0].history;
  }
  using Bodies = std::vector<std::string>;
};

TEST_F(SuspectsTest, WhatWasOnlyFetchedIsNotCharged) {
  declare("q", {{"max_worker_lost", "2"}, {"max_attempts", "3"}});
  send_tasks("q", "abcdef");
  Worker first(*this, 2);
  EXPECT_EQ(first.take(10).size(), 6u) << "nothing is known of them yet";
  first.die();
  EXPECT_EQ(statistics("q").ready, 6u);
  EXPECT_EQ(statistics("q").returned, 6u);
  EXPECT_EQ(statistics("q").spared, 6u);
  EXPECT_EQ(statistics("q").worker_lost, 0u);
  EXPECT_NE(history("q").find(R"("reason":"connection_closed","error":"the consumer's connection )"
                              R"(ended; not counted: its worker held 6"}])"),
            std::string::npos)
      << history("q");
  Worker next(*this, 2);
  EXPECT_EQ(next.take(10), (Bodies{"a", "b"})) << "no more than it runs at once";
  next.finish_all();
  EXPECT_EQ(next.take(10), (Bodies{"c", "d"}));
  next.die();
  EXPECT_EQ(statistics("q").worker_lost, 2u);
  broker->check();
}

TEST_F(SuspectsTest, TheOneThatKillsItsWorkerDiesAloneAndTheOthersRun) {
  declare("q", {{"max_worker_lost", "3"}, {"max_attempts", "0"}});
  send_tasks("q", "abcXdefgh");
  std::string done;
  std::uint64_t lives = 0;
  while (statistics("q").ready > 0 && lives < 30) {
    Worker worker(*this, 2);
    ++lives;
    for (auto got = worker.take(10); !got.empty(); got = worker.take(10)) {
      if (std::ranges::find(got, "X") != got.end()) break;
      for (const auto& body : got) done += body;
      worker.finish_all();
    }
    worker.die();
  }
  std::ranges::sort(done);
  EXPECT_EQ(done, "abcdefgh");
  EXPECT_EQ(lives, 5u) << "lost with all, twice with another, alone; the last one has the rest";
  EXPECT_EQ(statistics("q").dead_lettered, 1u);
  broker->browse(session, ++tag, "q.dead", 10);
  const auto dead = wait(tag);
  ASSERT_EQ(dead.messages.size(), 1u);
  EXPECT_EQ(dead.messages[0].body, "X");
}

TEST_F(SuspectsTest, WhoHasOneLossLeftIsGivenAloneAndSoIsNothingBesideIt) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("q", "ab");
  Worker first(*this, 4);
  EXPECT_EQ(first.take(10), (Bodies{"a", "b"}));
  first.die();
  EXPECT_EQ(statistics("q").worker_lost, 2u) << "both ran";
  send_tasks("other", "o");
  Worker busy(*this, 4), idle(*this, 4);
  EXPECT_EQ(busy.take(1, {"other"}), (Bodies{"o"}));
  const auto asked = busy.take_later("q", 4);
  EXPECT_EQ(busy.got(asked), Bodies{}) << "it has something else";
  EXPECT_EQ(idle.take(4), (Bodies{"a"}));
  const auto more = idle.take_later("q", 4);
  EXPECT_EQ(idle.got(more), Bodies{});
  busy.finish_all();
  EXPECT_EQ(busy.got(asked), (Bodies{"b"})) << "as soon as it has nothing else";
  send_tasks("q", "c");
  EXPECT_EQ(idle.got(more), Bodies{});
  idle.finish_all();
  EXPECT_EQ(idle.got(more), (Bodies{"c"}));
  EXPECT_EQ(statistics("q").held_back, 3u) << "each take once: two waited, and one got less";
  busy.die();
  EXPECT_EQ(statistics("q").dead_lettered, 1u);
  broker->check();
}

TEST_F(SuspectsTest, NobodyWaitsLongForOneToBeAlone) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("q", "a");
  Worker first(*this, 4);
  first.take(1);
  first.die();
  send_tasks("other", "o");
  Worker busy(*this, 4);
  EXPECT_EQ(busy.take(1, {"other"}), (Bodies{"o"}));
  const auto asked = busy.take_later();
  send_tasks("other", "p");
  EXPECT_EQ(busy.got(asked), Bodies{});
  advance(900ms);
  EXPECT_EQ(busy.got(asked), Bodies{});
  advance(200ms);
  EXPECT_EQ(busy.got(asked), (Bodies{"a"})) << "beside what takes so long";
  const auto another = busy.take_later("other");
  EXPECT_EQ(busy.got(another), Bodies{});
  advance(800ms);
  EXPECT_EQ(busy.got(another), Bodies{});
  advance(300ms);
  EXPECT_EQ(busy.got(another), (Bodies{"p"}));
  broker->check();
}

TEST_F(SuspectsTest, OneThatIsWatchedAnswersForAllThatRunBesideIt) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("q", "ab");
  Worker first(*this, 4), second(*this, 4), third(*this, 4);
  EXPECT_EQ(first.take(4).size(), 2u);
  first.die();
  EXPECT_EQ(second.take(4), (Bodies{"a"}));
  auto asked = second.take_later("q", 4);
  advance(900ms);
  EXPECT_EQ(second.got(asked), Bodies{});
  advance(200ms);
  EXPECT_EQ(second.got(asked), (Bodies{"b"})) << "beside one that takes long";
  second.die();
  EXPECT_EQ(statistics("q").dead_lettered, 1u) << "b, which was watched";
  EXPECT_EQ(statistics("q").worker_lost, 3u);
  EXPECT_EQ(third.take(4), (Bodies{"a"}));
  send_tasks("q", "c");
  asked = third.take_later("q", 4);
  advance(1900ms);
  EXPECT_EQ(third.got(asked), Bodies{}) << "twice as long, as the time before told nothing of it";
  advance(200ms);
  EXPECT_EQ(third.got(asked), (Bodies{"c"}));
  third.die();
  EXPECT_EQ(statistics("q").dead_lettered, 1u) << "nobody was watched";
  EXPECT_EQ(statistics("q").worker_lost, 4u) << "c, whose last loss it was not";
  EXPECT_EQ(statistics("q").ready, 2u);
  broker->check();
}

// How often it was spared is counted since it came to its queue, and known after a restart.
TEST_F(SuspectsTest, WhatWasTriedAnewIsSparedAndWatchedLikeANewOne) {
  declare("q", {{"max_worker_lost", "2"}, {"max_attempts", "0"}});
  send_tasks("q", "az");
  for (int n = 0; n < 20; ++n) {
    Worker worker(*this, 1);
    worker.take(1);
    settle({worker.held[0]}, Outcome::requeue);
    worker.die();
  }
  for (int n = 0; n < 2; ++n) {
    Worker worker(*this, n == 0 ? 1 : 2);
    EXPECT_EQ(worker.take(2), (Bodies{"a", "z"}));
    if (n == 1) settle({worker.held[1]});
    worker.die();
  }
  Worker last(*this, 1);
  last.take(1);
  last.die();
  ASSERT_EQ(statistics("q").dead_lettered, 1u);
  broker->redrive(session, ++tag, "q", 1);
  EXPECT_EQ(wait(tag).count, 1u);
  send_tasks("q", "b");
  {
    Worker first(*this, 1), second(*this, 1);
    EXPECT_EQ(first.take(2), (Bodies{"a", "b"}));
    first.die();
    EXPECT_EQ(statistics("q").worker_lost, 2u) << "spared, though it was delivered 22 times";
    EXPECT_EQ(second.take(1), (Bodies{"a"}));
    second.die();
    EXPECT_EQ(statistics("q").worker_lost, 3u);
  }
  restart();
  Worker third(*this, 4);
  EXPECT_EQ(third.take(4), (Bodies{"a"}));
  const auto asked = third.take_later("q", 4);
  advance(1900ms);
  EXPECT_EQ(third.got(asked), Bodies{}) << "it was spared once";
  advance(200ms);
  EXPECT_EQ(third.got(asked), (Bodies{"b"}));
}

// Whoever waits has its own time.
TEST_F(SuspectsTest, ATimeThatOneWaitedIsNotAnothers) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("q", "ab");
  Worker first(*this, 4);
  first.take(2);
  first.die();
  send_tasks("other", "o");
  Worker busy(*this, 4);
  EXPECT_EQ(busy.take(1, {"other"}), (Bodies{"o"}));
  auto asked = busy.take_later();
  advance(900ms);
  EXPECT_EQ(busy.got(asked), Bodies{});
  broker->browse(session, ++tag, "q", 10);
  const auto a = wait(tag).messages.at(0);
  EXPECT_EQ(a.body, "a");
  broker->cancel_task(session, ++tag, MessageId(a.id));
  EXPECT_EQ(wait(tag).kind, "done");
  advance(100ms);
  advance(900ms);
  EXPECT_EQ(busy.got(asked), Bodies{}) << "b has waited since then only";
  advance(200ms);
  EXPECT_EQ(busy.got(asked), (Bodies{"b"}));
}

TEST_F(SuspectsTest, WhatRanBesideOneThatIsWatchedIsNotCharged) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("q", "a");
  Worker first(*this, 2), second(*this, 2);
  first.take(1);
  first.die();
  ASSERT_EQ(statistics("q").worker_lost, 1u);
  send_tasks("other", "o");
  EXPECT_EQ(second.take(1, {"other"}), (Bodies{"o"}));
  const auto asked = second.take_later();
  advance(1100ms);
  EXPECT_EQ(second.got(asked), (Bodies{"a"}));
  second.die();
  EXPECT_EQ(statistics("q").dead_lettered, 1u);
  EXPECT_EQ(statistics("other").worker_lost, 0u);
  EXPECT_EQ(statistics("other").spared, 1u);
}

// What kills its worker after a long time, beside others, is found in the end.
TEST_F(SuspectsTest, NothingIsSparedForEver) {
  declare("q", {{"max_worker_lost", "2"}, {"max_attempts", "0"}});
  send_tasks("q", "ab");
  int lives = 0;
  for (; statistics("q").dead_lettered == 0 && lives < 100; ++lives) {
    Worker worker(*this, 2);
    worker.take(2);
    const auto asked = worker.take_later("q", 2);
    advance(10min);
    worker.got(asked);
    advance(10min);  // nobody is watched any more
    worker.die();
  }
  EXPECT_LT(lives, 40);
  broker->check();
}

// While one may not have what is next, another that waits gets it.
TEST_F(SuspectsTest, WhoMayHaveItGetsItThoughAnotherWaitedFirst) {
  declare("q", {{"max_worker_lost", "2"}});
  send_tasks("other", "o");
  Worker busy(*this, 1), idle(*this, 1), dying(*this, 1);
  EXPECT_EQ(busy.take(1, {"other"}), (Bodies{"o"}));
  const auto first = busy.take_later();
  const auto second = idle.take_later();
  send_tasks("q", "a");
  EXPECT_EQ(busy.got(first), (Bodies{"a"})) << "nothing is known of it";
  busy.die();
  EXPECT_EQ(idle.got(second).size(), 1u);
  EXPECT_EQ(statistics("q").worker_lost, 0u) << "it was held beside another, by one of one slot";
}

TEST_F(SuspectsTest, WhatMustNotBeTriedTwiceIsNot) {
  declare("q", {{"max_attempts", "1"}});
  send_tasks("q", "abc");
  Worker first(*this, 1);
  EXPECT_EQ(first.take(10).size(), 3u);
  first.die();
  EXPECT_EQ(statistics("q").ready, 0u);
  EXPECT_EQ(statistics("q").dead_lettered, 3u);
}

TEST_F(SuspectsTest, OfThoseWhoDoNotSayHowManySlotsTheyHaveEachLossCounts) {
  declare("q", {{"max_worker_lost", "3"}});
  send_tasks("q", "abc");
  Worker first(*this, 0);
  EXPECT_EQ(first.take(10).size(), 3u);
  first.die();
  EXPECT_EQ(statistics("q").worker_lost, 3u);
}

TEST_F(SuspectsTest, OnesAreKnownAfterARestart) {
  declare("q", {{"max_worker_lost", "3"}});
  send_tasks("q", "abcd");
  Worker first(*this, 2);
  EXPECT_EQ(first.take(10).size(), 4u);
  first.die();
  crash();
  {
    Worker next(*this, 2);
    EXPECT_EQ(next.take(10), (Bodies{"a", "b"})) << "from the log";
    next.finish_all();
  }
  restart();
  Worker next(*this, 1);
  EXPECT_EQ(next.take(10), (Bodies{"c"})) << "from the checkpoint";
}

// The answer to the take may have died with the server.
TEST_F(SuspectsTest, WhatNobodyClaimsAfterARestartComesBackSoon) {
  declare("q", {{"max_worker_lost", "3"}});
  send_tasks("q", "abc");
  Got held;
  {
    Worker first(*this, 4);
    EXPECT_EQ(first.take(2), (Bodies{"a", "b"}));
    held.messages.resize(2);
    held.messages[0].lease = first.held[0], held.messages[1].lease = first.held[1];
    Worker silent(*this, 0);
    EXPECT_EQ(silent.take(1), (Bodies{"c"}));
  }
  for (const bool checkpoint : {false, true}) {
    checkpoint ? restart() : crash();
    Worker next(*this, 1);
    broker->extend(next.session, ++tag, {&held.messages[0].lease, 1}, 1h);
    EXPECT_EQ(wait(tag, next.sink).count, 1u);
    advance(9900ms);
    EXPECT_EQ(statistics("q").ready, checkpoint ? 1u : 0u);
    advance(200ms);
    EXPECT_EQ(statistics("q").ready, 1u) << "b: a is claimed, and who has c promised nothing";
    EXPECT_EQ(statistics("q").worker_lost, 0u);
    EXPECT_EQ(statistics("q").spared, checkpoint ? 0u : 1u);
  }
  EXPECT_NE(history("q").find("no worker said after a restart"), std::string::npos);
  {
    Worker next(*this, 1);
    EXPECT_EQ(next.take(1), (Bodies{"b"}));
  }
  restart();
  advance(11s);
  EXPECT_EQ(statistics("q").worker_lost, 1u) << "not again and again";
  broker->check();
}

// A program that has the directory for itself: whoever had a lease is gone.
TEST_F(SuspectsTest, WhoOpensALogAloneHasAllLeasesBackAtOnce) {
  options.sole_owner = true;
  declare("q", {{"max_worker_lost", "3"}});
  send_tasks("q", "abc");
  {
    Worker first(*this, 1);
    EXPECT_EQ(first.take(10).size(), 3u);
  }
  crash();
  EXPECT_EQ(statistics("q").ready, 3u);
  EXPECT_EQ(statistics("q").worker_lost, 0u);
  {
    Worker next(*this, 1);
    EXPECT_EQ(next.take(10), (Bodies{"a"}));
  }
  crash();
  EXPECT_EQ(statistics("q").ready, 3u);
  EXPECT_EQ(statistics("q").worker_lost, 1u);
}

}  // namespace
}  // namespace penstock::broker
