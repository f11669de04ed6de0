// What becomes of messages that fail, and of tasks: attempts, dead letters, history, redrive,
// results.
#include "fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Outcome;
using engine::TaskState;

class RetryTest : public BrokerTest {
 protected:
  Got submit(std::string_view name, std::string_view body = "{}", std::string_view queue = "tasks",
             engine::Policy policy = {}) {
    HeaderWriter headers;
    headers.add(kTaskHeader, name);
    auto m = input(body);
    m.headers = headers.view();
    m.task = true;
    m.policy = policy;
    return send(queue, {m});
  }
  // So many times 40 messages that come and go.
  void pass_through(int rounds, bool clean) {
    const std::string big(10'000, 'x');
    for (int round = 0; round < rounds; ++round) {
      EXPECT_EQ(send("passing", std::vector<Input>(40, input(big))).kind, "published");
      std::vector<engine::LeaseToken> leases;
      for (const auto& m : take("passing", 100).messages) leases.push_back(m.lease);
      settle(leases);
      if (clean) broker->maintain();
    }
  }
};

TEST_F(RetryTest, AfterItsLastAttemptAMessageLiesInTheDeadLettersWithItsHistory) {
  declare("q", {{"max_attempts", "2"}, {"backoff", "none"}});
  send("q", "poison");
  settle({take("q").messages[0].lease}, Outcome::nack, {}, "first \"error\"");
  settle({take("q").messages[0].lease}, Outcome::nack, {}, "second");
  EXPECT_TRUE(take("q").messages.empty());
  crash();
  broker->browse(session, ++tag, "q.dead", 10);
  const auto dead = wait(tag);
  ASSERT_EQ(dead.messages.size(), 1u);
  EXPECT_EQ(dead.messages[0].body, "poison");
  EXPECT_NE(dead.messages[0].history.find(R"("reason":"nack","error":"first \"error\"")"),
            std::string::npos);
  EXPECT_NE(dead.messages[0].history.find(R"("reason":"max_attempts","error":"second")"),
            std::string::npos);
  broker->redrive(session, ++tag, "q", 0);
  EXPECT_EQ(wait(tag).count, 1u);
  restart();
  const auto again = take("q");
  ASSERT_EQ(bodies(again), (Strings{"poison"}));
  EXPECT_EQ(again.messages[0].attempts, 1u) << "attempts are counted anew";
}

TEST_F(RetryTest, AnErrorMayHaveAnyBytesAndItsHistoryIsJsonAllTheSame) {
  declare("q", {{"backoff", "none"}});
  send("q", "a");
  settle({take("q").messages[0].lease}, Outcome::nack, {}, "a\n\x01\\b");
  // 1,023 bytes, and a character of two that would be cut in its middle.
  const auto longest = std::string(1023, 'x');
  settle({take("q").messages[0].lease}, Outcome::nack, {}, longest + "\u00e9 and more");
  broker->browse(session, ++tag, "q", 10);
  const auto history = wait(tag).messages.at(0).history;
  EXPECT_NE(history.find(R"("error":"a\u000a\u0001\\b")"), std::string::npos) << history;
  EXPECT_NE(history.find('"' + longest + "\"}]"), std::string::npos) << history;
}

TEST_F(RetryTest, ALongHistoryForgetsItsOldestAttempts) {
  declare("q", {{"backoff", "none"}, {"max_attempts", "0"}});
  send("q", "a");
  for (int n = 1; n <= 40; ++n)
    settle({take("q").messages[0].lease}, Outcome::nack, {},
           "error " + std::to_string(n) + ' ' + std::string(900, 'x'));
  broker->browse(session, ++tag, "q", 10);
  const auto history = wait(tag).messages.at(0).history;
  EXPECT_LT(history.size(), 18'000u);
  EXPECT_TRUE(history.starts_with("[{")) << history.substr(0, 50);
  EXPECT_EQ(history.find("error 1 "), std::string::npos);
  EXPECT_NE(history.find("error 40 "), std::string::npos);
}

TEST_F(RetryTest, ALeaseThatIsNamedTwiceIsSettledOnce) {
  send("q", "a");
  const auto lease = take("q").messages.at(0).lease;
  const auto got = settle({lease, lease});
  EXPECT_EQ(got.count, 1u);
  EXPECT_EQ(got.lost, 1u);
}

TEST_F(RetryTest, AResultBeyondTheLargestMessageIsRefusedAndTheLeaseGoesOn) {
  options.max_message_bytes = 1000;
  restart();
  submit("t", "args");
  const auto lease = take("tasks").messages.at(0).lease;
  const auto refused = settle({lease}, Outcome::ack, {}, {}, std::string(1001, 'r'));
  EXPECT_EQ(refused.error.code, ErrorCode::too_large);
  EXPECT_EQ(refused.error.message, "the result has 1001 bytes, at most 1000 are taken");
  EXPECT_EQ(settle({lease}, Outcome::ack, {}, {}, std::string(1000, 'r')).count, 1u);
}

TEST_F(RetryTest, ARejectedMessageIsNotTriedAgain) {
  send("q", "a");
  settle({take("q").messages[0].lease}, Outcome::reject, {}, "never");
  EXPECT_EQ(bodies(take("q.dead")), (Strings{"a"}));
}

TEST_F(RetryTest, WithoutDeadLettersAMessageIsDiscardedAndCounted) {
  declare("q", {{"max_attempts", "1"}, {"dead_letter", "-"}});
  send("q", "a");
  settle({take("q").messages[0].lease}, Outcome::nack);
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(RetryTest, FullDeadLettersLoseNothing) {
  declare("q.dead", {{"max_length", "1"}});
  declare("q", {{"max_attempts", "1"}});
  send("q", {input("a"), input("b")});
  settle({take("q").messages[0].lease}, Outcome::nack, {}, "x");
  settle({take("q").messages[0].lease}, Outcome::nack, {}, "y");
  EXPECT_EQ(statistics("q").dead_letter_refused, 1u);
  EXPECT_EQ(statistics("q").scheduled, 1u);
  crash();
  settle({take("q.dead").messages[0].lease});
  advance(6s);
  EXPECT_EQ(bodies(take("q.dead")), (Strings{"b"}));
}

TEST_F(RetryTest, TheBackoffGrowsAndIsCapped) {
  declare("q", {{"backoff", "exponential:1s:3s:nojitter"}});
  send("q", "a");
  for (const auto delay : {1s, 2s, 3s, 3s}) {
    settle({take("q").messages[0].lease}, Outcome::nack);
    advance(delay - 1ms);
    EXPECT_TRUE(take("q").messages.empty());
    advance(1ms);
    ASSERT_EQ(statistics("q").ready, 1u);
  }
}

TEST_F(RetryTest, ATasksResultIsKeptForItsTime) {
  const auto id = submit("resize").ids.at(0);
  EXPECT_EQ(task(id).state, TaskState::queued);
  EXPECT_EQ(task(id).name, "resize");
  const auto got = take("tasks");
  EXPECT_EQ(task(id).state, TaskState::running);
  settle({got.messages[0].lease}, Outcome::ack, {}, {}, R"("ok.png")");
  for (int round = 0; round < 3; ++round) {
    const auto done = task(id);
    EXPECT_EQ(done.state, TaskState::done);
    EXPECT_EQ(done.result, R"("ok.png")");
    EXPECT_EQ(done.name, "resize");
    round == 0 ? crash() : restart();
  }
  advance(2h);
  EXPECT_EQ(task(id).state, TaskState::unknown);
}

TEST_F(RetryTest, WaitingForAResultIsAnsweredWhenItIsThere) {
  const auto id = submit("t").ids.at(0);
  broker->task(session, ++tag, MessageId(id), clock.now() + 10s);
  const auto waiting = tag;
  EXPECT_FALSE(answered(waiting));
  settle({take("tasks").messages[0].lease}, Outcome::ack, {}, {}, "7");
  EXPECT_EQ(wait(waiting).result, "7");
  const auto other = submit("t").ids.at(0);
  broker->task(session, ++tag, MessageId(other), clock.now() + 1s);
  const auto impatient = tag;
  EXPECT_FALSE(answered(impatient));
  advance(1s);
  EXPECT_EQ(wait(impatient).state, TaskState::queued);
}

TEST_F(RetryTest, AFailedTaskTellsItsErrorAndCanBeRedriven) {
  engine::Policy once;
  once.max_attempts = 1;
  const auto id = submit("t", "{}", "tasks", once).ids.at(0);
  settle({take("tasks").messages[0].lease}, Outcome::nack, {}, "Boom: it broke");
  const auto failed = task(id);
  EXPECT_EQ(failed.state, TaskState::failed);
  EXPECT_EQ(failed.error.message, "Boom: it broke");
  EXPECT_NE(failed.history.find("Boom"), std::string::npos);
  broker->redrive(session, ++tag, "tasks", 0);
  EXPECT_EQ(wait(tag).count, 1u);
  settle({take("tasks").messages[0].lease}, Outcome::ack, {}, {}, "1");
  EXPECT_EQ(task(id).state, TaskState::done);
}

TEST_F(RetryTest, ARedrivenTaskHasNotFailedAnyMoreAfterACrash) {
  engine::Policy once;
  once.max_attempts = 1;
  const auto id = submit("t", "{}", "tasks", once).ids.at(0);
  settle({take("tasks").messages[0].lease}, Outcome::nack, {}, "Boom");
  broker->redrive(session, ++tag, "tasks", 0);
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(task(id).state, TaskState::queued);
  crash();
  EXPECT_EQ(task(id).state, TaskState::queued);
  restart();
  EXPECT_EQ(task(id).state, TaskState::queued);
}

TEST_F(RetryTest, ALeaseFromBeforeARestartBelongsToWhoExtendsIt) {
  send("q", "a");
  send("q", "b");
  const auto got = take("q", 2);
  ASSERT_EQ(got.messages.size(), 2u);
  crash();
  EXPECT_EQ(statistics("q").leased, 2u) << "its worker may go on";
  Sink worker;
  const auto back = broker->open_session(worker);
  broker->extend(back, 1, std::vector{got.messages[0].lease}, 30s);
  broker->settle_down();
  broker->close_session(back);
  broker->settle_down();
  EXPECT_EQ(statistics("q").leased, 1u);
  EXPECT_EQ(statistics("q").ready, 1u) << "it died, and nobody waits for the end of the lease";
  broker->check();
}

TEST_F(RetryTest, AQueuedTaskIsCancelledAtOnceAndARunningOneIsTold) {
  const auto queued = submit("t").ids.at(0);
  broker->cancel_task(session, ++tag, MessageId(queued));
  EXPECT_EQ(wait(tag).kind, "done");
  EXPECT_EQ(task(queued).state, TaskState::cancelled);
  EXPECT_TRUE(take("tasks").messages.empty());

  const auto running = submit("t").ids.at(0);
  const auto got = take("tasks");
  broker->cancel_task(session, ++tag, MessageId(running));
  wait(tag);
  crash();
  broker->extend(session, ++tag, std::vector{got.messages[0].lease}, 10s);
  EXPECT_TRUE(wait(tag).cancelled) << "a cancellation survives a crash";
  settle({got.messages[0].lease}, Outcome::nack, {}, "stopped");
  EXPECT_EQ(task(running).state, TaskState::cancelled);
}

TEST_F(RetryTest, ASettleItsResultAndItsSendsAreOneCommit) {
  const auto id = submit("first").ids.at(0);
  const auto got = take("tasks");
  const std::vector next{input("next")};
  const engine::Publish sends[]{{"tasks", next}, {"other", next}};
  EXPECT_EQ(settle({got.messages[0].lease}, Outcome::ack, {}, {}, "1", sends).count, 1u);
  crash();
  EXPECT_EQ(task(id).state, TaskState::done);
  EXPECT_EQ(bodies(take("tasks")), (Strings{"next"}));
  EXPECT_EQ(bodies(take("other")), (Strings{"next"}));
  EXPECT_EQ(settle({got.messages[0].lease}, Outcome::ack, {}, {}, "1", sends).lost, 1u);
  EXPECT_TRUE(take("tasks").messages.empty()) << "a lost lease sends nothing";
}

TEST_F(RetryTest, ASettleWhoseSendsFindNoRoomChangesNothing) {
  declare("other", {{"max_length", "1"}});
  send("other", "full");
  const auto id = submit("first").ids.at(0);
  const auto got = take("tasks");
  const std::vector next{input("next")};
  const engine::Publish sends[]{{"tasks", next}, {"other", next}};
  EXPECT_EQ(settle({got.messages[0].lease}, Outcome::ack, {}, {}, "1", sends).kind, "refused");
  EXPECT_EQ(task(id).state, TaskState::running);
  EXPECT_EQ(statistics("tasks").ready, 0u);
}

TEST_F(RetryTest, ATaskWhoseQueueGoesIsCancelledAndSaysSo) {
  const auto id = submit("t").ids.at(0);
  take("tasks");
  broker->task(session, ++tag, MessageId(id), clock.now() + 60s);
  const auto waiting = tag;
  broker->remove(session, ++tag, "tasks");
  EXPECT_EQ(wait(waiting).state, TaskState::cancelled);
}

TEST_F(RetryTest, AnExpiredTaskSaysSo) {
  HeaderWriter headers;
  headers.add(kTaskHeader, "t");
  auto m = input("{}");
  m.headers = headers.view();
  m.task = true;
  m.expires_at = clock.now() + 1s;
  const auto id = send("tasks", {m}).ids.at(0);
  advance(2s);
  EXPECT_EQ(task(id).state, TaskState::expired);
}

TEST_F(RetryTest, ResultsAreBoundedAndTheOldestGoesFirst) {
  options.max_results = 3;
  restart();
  std::vector<std::uint64_t> ids;
  for (int n = 0; n < 5; ++n) {
    ids.push_back(submit("t").ids.at(0));
    settle({take("tasks").messages[0].lease}, Outcome::ack, {}, {}, "1");
  }
  EXPECT_EQ(task(ids[1]).state, TaskState::unknown);
  EXPECT_EQ(task(ids[2]).state, TaskState::done);
  EXPECT_EQ(broker->statistics().results, 3u);
}

TEST_F(RetryTest, EverythingSurvivesACheckpointAsItWas) {
  declare("q", {{"backoff", "fixed:10s:nojitter"}, {"lease", "60s"}});
  auto later = input("later");
  later.not_before = clock.now() + 100s;
  auto dies = input("dies");
  dies.expires_at = clock.now() + 200s;
  send("q", {input("leased"), input("retried"), input("ready"), later, dies});
  const auto got = take("q", 2);
  settle({got.messages[1].lease}, Outcome::nack, {}, "once");
  for (int round = 0; round < 3; ++round) {
    restart();
    const auto s = statistics("q");
    EXPECT_EQ(s.ready, 2u);
    EXPECT_EQ(s.leased, 1u);
    EXPECT_EQ(s.scheduled, 2u);
  }
  EXPECT_EQ(settle({got.messages[0].lease}).count, 1u);
  advance(10s);
  const auto all = take("q", 9);
  EXPECT_EQ(bodies(all).size(), 3u);
  for (const auto& m : all.messages) {
    EXPECT_EQ(m.attempts, m.body == "retried" ? 2u : 1u);
    settle({m.lease});
  }
  advance(90s);
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"later"}));
}

TEST_F(RetryTest, CleaningKeepsWhatLivesAndTheLogStaysSmall) {
  send("keep", "precious");
  for (int life = 0; life < 4; ++life) {
    pass_through(10, true);
    restart();
  }
  EXPECT_LT(broker->statistics().journal.disk_bytes, 16u << 20);
  crash();
  EXPECT_EQ(bodies(take("keep")), (Strings{"precious"}));
}

TEST_F(RetryTest, AMessageThatCleaningMovesBeforeItsReaderWantsItIsRead) {
  options.dead_segments = 1;
  options.checkpoint_bytes = 256 << 10;
  restart();
  send("q", "precious");
  Sink slow;
  slow.reads = false;
  const auto other = broker->open_session(slow);
  engine::Take take_one;
  take_one.queues = {"q"};
  broker->take(other, 1, take_one);
  broker->settle_down();
  EXPECT_TRUE(slow.replies.empty());
  pass_through(40, true);
  slow.reads = true;
  broker->resume(other);
  broker->settle_down();
  ASSERT_TRUE(slow.replies.contains(1));
  EXPECT_EQ(bodies(slow.replies[1]), (Strings{"precious"}));
}

TEST_F(RetryTest, AResultThatCleaningWroteAnewIsNoYoungerForThat) {
  options.max_results = 3;
  restart();
  std::vector<std::uint64_t> ids;
  const auto finish_one = [&] {
    ids.push_back(submit("t").ids.at(0));
    settle({take("tasks").messages[0].lease}, Outcome::ack, {}, {}, "1");
  };
  finish_one();
  pass_through(3, false);
  // In a segment that holds too much to be worth cleaning:
  finish_one();
  finish_one();
  send("keep", std::vector<Input>(60, input(std::string(10'000, 'x'))));
  pass_through(40, true);
  finish_one();
  const auto expect_the_oldest_gone = [&] {
    EXPECT_EQ(task(ids[0]).state, TaskState::unknown);
    for (const auto at : {1, 2, 3}) EXPECT_EQ(task(ids[at]).state, TaskState::done) << at;
  };
  expect_the_oldest_gone();
  crash();
  expect_the_oldest_gone();
  restart();
  expect_the_oldest_gone();
}

}  // namespace
}  // namespace penstock::broker
