// Of what attempts ended: it is told, counted, and may be capped for each cause.
#include "fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Cause;
using engine::Outcome;

class CausesTest : public BrokerTest {
 protected:
  void fail_once(Cause cause, std::string_view error = "e") {
    const auto got = take("q");
    ASSERT_EQ(got.messages.size(), 1u);
    settle({got.messages[0].lease}, Outcome::nack, 0s, error, {}, {}, cause);
  }
  void lose_worker() {
    Sink other;
    const auto dying = broker->open_session(other);
    engine::Take command;
    command.queues = {"q"};
    broker->take(dying, ++tag, command);
    ASSERT_EQ(wait(tag, other).messages.size(), 1u);
    broker->close_session(dying);
    broker->settle_down();
  }
  std::string history(std::string_view queue) {
    broker->browse(session, ++tag, queue, 10);
    const auto got = wait(tag);
    return got.messages.empty() ? "" : got.messages[0].history;
  }
};

TEST_F(CausesTest, TheHistoryTellsTheCauseOfEachAttempt) {
  send("q", "a");
  fail_once(Cause::none);
  fail_once(Cause::timed_out);
  fail_once(Cause::killed, "signal: SIGSEGV");
  fail_once(Cause::out_of_memory);
  lose_worker();
  crash();
  const auto told = history("q");
  for (const auto* entry :
       {R"("cause":"raised","reason":"nack","error":"e")", R"("cause":"timed_out","reason":"nack")",
        R"("cause":"killed","reason":"nack","error":"signal: SIGSEGV")",
        R"("cause":"out_of_memory","reason":"nack")",
        R"("cause":"worker_lost","reason":"connection_closed")"})
    EXPECT_NE(told.find(entry), std::string::npos) << entry << " in " << told;
}

TEST_F(CausesTest, ALeaseThatRunsOutIsALostWorker) {
  declare("q", {{"max_worker_lost", "2"}, {"lease", "1s"}});
  send("q", "a");
  take("q");
  advance(2s);
  EXPECT_EQ(statistics("q").worker_lost, 1u);
  take("q");
  advance(2s);
  EXPECT_EQ(statistics("q").worker_lost, 2u);
  EXPECT_NE(history("q.dead").find(R"("cause":"worker_lost","reason":"poisoned")"),
            std::string::npos);
}

TEST_F(CausesTest, EachCauseHasItsOwnCap) {
  declare("q", {{"max_killed", "2"}, {"max_raised", "4"}, {"max_attempts", "0"}});
  send("q", "a");
  for (int n = 0; n < 3; ++n) fail_once(Cause::raised);
  for (int n = 0; n < 9; ++n) fail_once(Cause::timed_out);
  fail_once(Cause::killed);
  EXPECT_EQ(statistics("q").ready, 1u);
  fail_once(Cause::killed, "signal: SIGSEGV");
  EXPECT_EQ(statistics("q").ready, 0u);
  EXPECT_NE(history("q.dead").find(R"("cause":"killed","reason":"poisoned")"), std::string::npos);
  const auto counted = statistics("q");
  EXPECT_EQ(counted.raised, 3u);
  EXPECT_EQ(counted.timed_out, 9u);
  EXPECT_EQ(counted.killed, 2u);
  EXPECT_EQ(counted.dead_lettered, 1u);
}

TEST_F(CausesTest, CountsSurviveCrashesAndCheckpoints) {
  declare("q", {{"max_killed", "4"}, {"max_attempts", "0"}});
  send("q", "a");
  fail_once(Cause::killed);
  crash();
  fail_once(Cause::killed);
  restart();  // closing writes a checkpoint
  fail_once(Cause::killed);
  restart();
  restart();
  EXPECT_EQ(statistics("q").ready, 1u);
  fail_once(Cause::killed);
  EXPECT_EQ(bodies(take("q.dead")), (Strings{"a"}));
}

TEST_F(CausesTest, ARedriveCountsAnew) {
  declare("q", {{"max_killed", "1"}});
  send("q", "a");
  fail_once(Cause::killed);
  broker->redrive(session, ++tag, "q", 0);
  EXPECT_EQ(wait(tag).count, 1u);
  restart();
  declare("q", {{"max_killed", "2"}});
  fail_once(Cause::killed);
  EXPECT_EQ(statistics("q").ready, 1u);
}

TEST_F(CausesTest, WhatWasGivenBackHasNoCause) {
  declare("q", {{"max_raised", "1"}, {"max_worker_lost", "1"}});
  send("q", "a");
  settle({take("q").messages.at(0).lease}, Outcome::give_back);
  EXPECT_EQ(statistics("q").ready, 1u);
  EXPECT_EQ(statistics("q").raised, 0u);
}

TEST_F(CausesTest, ACapHoldsWhereAttemptsHaveNoLimitToo) {
  declare("q", {{"max_worker_lost", "3"}, {"max_attempts", "0"}});
  send("q", "a");
  for (int n = 0; n < 3; ++n) lose_worker();
  EXPECT_EQ(bodies(take("q.dead")), (Strings{"a"}));
}

TEST_F(CausesTest, FullDeadLettersKeepWhatIsPoisoned) {
  declare("q.dead", {{"max_length", "1"}});
  declare("q", {{"max_killed", "1"}});
  send("q", {input("a"), input("b")});
  fail_once(Cause::killed);
  fail_once(Cause::killed);
  EXPECT_EQ(statistics("q").scheduled, 1u);
  restart();
  settle({take("q.dead").messages[0].lease});
  advance(6s);
  EXPECT_NE(history("q.dead").find(R"("reason":"poisoned")"), std::string::npos);
}

}  // namespace
}  // namespace penstock::broker
