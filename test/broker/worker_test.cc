// Workers: who is there, what orders say to whom, and tasks that not everybody can run.
#include "engine/worker_orders.h"
#include "test/broker/fixture.h"

namespace penstock::broker {
namespace {

using engine::OrderKind;
using engine::Outcome;
using engine::TaskState;

// A worker's end of a connection.
struct Peer {
  explicit Peer(Broker& b) : broker(b), session(b.open_session(sink)) {}
  void leave() { broker.close_session(session); }
  Broker& broker;
  Sink sink;
  SessionId session;
};

class WorkerTest : public BrokerTest {
 protected:
  static engine::WorkerSpec spec(std::uint64_t id, std::string name) {
    engine::WorkerSpec one;
    one.id = id;
    one.name = std::move(name);
    one.host = "here";
    one.program = "2.0";
    one.library = "1.1";
    one.pid = 7;
    one.queues = {"q"};
    one.tasks = {"known"};
    return one;
  }
  Got announce(Peer& peer, engine::WorkerSpec one) {
    broker->announce_worker(peer.session, ++tag, std::move(one));
    return wait(tag, peer.sink);
  }
  Got beat(Peer& peer, engine::WorkerBeat one = {}) {
    broker->beat_worker(peer.session, ++tag, std::move(one));
    return wait(tag, peer.sink);
  }
  Got order(OrderKind kind, engine::WorkerSelector who = {}, std::uint32_t slots = 0) {
    engine::WorkerOrderSpec one;
    one.kind = kind;
    one.who = std::move(who);
    one.slots = slots;
    broker->order_workers(session, ++tag, one);
    return wait(tag);
  }
  std::vector<std::uint64_t> orders() {
    std::vector<std::uint64_t> numbers;
    const auto all = broker->worker_orders(session);
    for (const auto* one : *all) numbers.push_back(one->number);
    return numbers;
  }
  std::uint64_t send_task(std::string_view name) {
    HeaderWriter headers;
    headers.add(kTaskHeader, name);
    auto one = input("{\"args\":[]}");
    one.task = true;
    one.headers = headers.view();
    return send("q", {one}).ids.at(0);
  }
  Got::Message take_by(Peer& peer) {
    engine::Take take;
    take.queues = {"q"};
    broker->take(peer.session, ++tag, take);
    auto got = wait(tag, peer.sink);
    if (got.messages.empty()) throw std::runtime_error("nothing was there to take");
    return got.messages.front();
  }
  Got log(const engine::LeaseToken& lease, std::vector<std::string_view> lines) {
    broker->log_task(session, ++tag, lease, lines);
    return wait(tag);
  }
};

TEST_F(WorkerTest, IsThereAsLongAsItsConnection) {
  Peer one(*broker), other(*broker);
  EXPECT_EQ(beat(one).error.code, ErrorCode::not_found) << "nobody announced itself";
  EXPECT_EQ(announce(one, spec(1, "b")).kind, "told");
  EXPECT_EQ(announce(other, spec(2, "a")).kind, "told");
  engine::WorkerBeat doing;
  doing.memory_bytes = 99;
  doing.running = {{MessageId(5), "known", clock.now()}};
  doing.running_count = 1;
  EXPECT_EQ(beat(one, doing).kind, "told");
  const auto there = broker->workers(session).value();
  ASSERT_EQ(there.size(), 2u);
  EXPECT_EQ(there[0]->spec.name, "a");
  EXPECT_EQ(there[1]->beat.running.at(0).id, MessageId(5));
  EXPECT_EQ(broker->statistics().workers, 2u);
  one.leave();
  EXPECT_EQ(broker->workers(session).value().size(), 1u);
  crash();
  EXPECT_TRUE(broker->workers(session).value().empty()) << "presence is not kept";
}

TEST_F(WorkerTest, WhoComesBackOnAnotherConnectionIsThereOnce) {
  Peer before(*broker), after(*broker);
  announce(before, spec(1, "a"));
  announce(after, spec(1, "a"));
  EXPECT_EQ(broker->workers(session).value().size(), 1u);
  EXPECT_EQ(beat(before).error.code, ErrorCode::not_found);
  before.leave();
  EXPECT_EQ(broker->workers(session).value().size(), 1u);
  broker->check();
}

TEST_F(WorkerTest, ItsBeatsAnswerSaysWhichOfItsTasksWereCancelled) {
  Peer worker(*broker), elsewhere(*broker);
  announce(worker, spec(1, "a"));
  auto other = spec(2, "b");
  other.queues = {"other"};
  announce(elsewhere, other);
  engine::WorkerBeat doing;
  for (int n = 0; n < 3; ++n) {
    send_task("known");
    doing.running.push_back({take_by(worker).lease.id, "known", clock.now()});
  }
  doing.running.push_back({MessageId(1 << 20), "no such task", clock.now()});
  EXPECT_TRUE(beat(worker, doing).told.cancelled.empty());
  const auto id = doing.running[1].id;
  broker->cancel_task(session, ++tag, id);
  ASSERT_EQ(wait(tag).kind, "done");
  EXPECT_EQ(beat(worker, doing).told.cancelled, std::vector{id});
  EXPECT_TRUE(beat(elsewhere, doing).told.cancelled.empty()) << "it does not serve that queue";
  doing.running.erase(doing.running.begin() + 1);
  EXPECT_TRUE(beat(worker, doing).told.cancelled.empty()) << "it does not run that one";
}

TEST_F(WorkerTest, WhatItSaysOfItselfIsBounded) {
  Peer one(*broker);
  auto bad = spec(1, "a");
  bad.tasks.assign(engine::kWorkerTasksMax + 1, "t");
  EXPECT_EQ(announce(one, bad).error.code, ErrorCode::too_large);
  bad = spec(1, "a");
  bad.tasks.assign(engine::kWorkerTasksMax, std::string(255, 't'));
  EXPECT_EQ(announce(one, bad).error.code, ErrorCode::too_large);
  bad = spec(1, "a\n");
  EXPECT_EQ(announce(one, bad).error.code, ErrorCode::invalid);
  bad = spec(0, "a");
  EXPECT_EQ(announce(one, bad).error.code, ErrorCode::invalid);
  announce(one, spec(1, "a"));
  engine::WorkerBeat much;
  much.running.assign(engine::kWorkerRunningMax + 1, {});
  EXPECT_EQ(beat(one, much).error.code, ErrorCode::too_large);
}

TEST_F(WorkerTest, AnOrderHoldsForThoseThereAndThoseThatCome) {
  Peer one(*broker), two(*broker);
  announce(one, spec(1, "web-1"));
  EXPECT_EQ(order(OrderKind::quiet, {"web-*", "", ""}).count, 1u);
  EXPECT_TRUE(beat(one).told.quiet);
  EXPECT_TRUE(announce(two, spec(2, "web-2")).told.quiet);
  EXPECT_FALSE(announce(two, spec(3, "mail-1")).told.quiet);
  EXPECT_EQ(order(OrderKind::resize, {}, 6).count, 2u);
  EXPECT_EQ(beat(one).told.slots, 6u);
  crash();
  Peer late(*broker);
  const auto told = announce(late, spec(9, "web-9")).told;
  EXPECT_TRUE(told.quiet) << "kill -9 of the server changes nothing";
  EXPECT_EQ(told.slots, 6u);
  restart();
  Peer later(*broker);
  EXPECT_TRUE(announce(later, spec(9, "web-9")).told.quiet) << "nor does a checkpoint";
}

TEST_F(WorkerTest, OrdersChooseByQueueAndVersion) {
  Peer one(*broker);
  order(OrderKind::quiet, {"", "other", ""});
  EXPECT_FALSE(announce(one, spec(1, "a")).told.quiet);
  order(OrderKind::quiet, {"", "", "2.*"});
  EXPECT_TRUE(beat(one).told.quiet) << "the program's version";
  order(OrderKind::resume, {"", "q", "1.1"});
  EXPECT_FALSE(beat(one).told.quiet) << "a later order stands above an earlier one";
}

TEST_F(WorkerTest, ALaterOrderTakesThePlaceOfTheOneItUndoes) {
  order(OrderKind::quiet, {"a", "", ""});
  order(OrderKind::resume, {"a", "", ""});
  EXPECT_EQ(orders(), (std::vector<std::uint64_t>{2}));
  order(OrderKind::resize, {"a", "", ""}, 2);
  order(OrderKind::resize, {"a", "", ""}, 3);
  order(OrderKind::quiet, {"b", "", ""});
  EXPECT_EQ(orders(), (std::vector<std::uint64_t>{2, 4, 5}));
  EXPECT_EQ(order(OrderKind::resume).kind, "ordered");
  EXPECT_EQ(orders(), (std::vector<std::uint64_t>{4})) << "all go on; sizes stay";
  broker->remove_worker_order(session, ++tag, 4);
  EXPECT_EQ(wait(tag).count, 1u);
  broker->remove_worker_order(session, ++tag, 4);
  EXPECT_EQ(wait(tag).error.code, ErrorCode::not_found);
  crash();
  EXPECT_TRUE(orders().empty());
  EXPECT_EQ(order(OrderKind::quiet).number, 7u) << "numbers are not used again";
}

TEST_F(WorkerTest, StopIsForThoseThatAreThere) {
  Peer one(*broker), two(*broker);
  EXPECT_EQ(order(OrderKind::stop).number, 0u) << "nobody is there: nothing is kept";
  announce(one, spec(1, "a"));
  EXPECT_EQ(order(OrderKind::stop).count, 1u);
  EXPECT_FALSE(announce(two, spec(2, "a")).told.stop) << "one that came later";
  crash();
  Peer again(*broker);
  EXPECT_TRUE(announce(again, spec(1, "a")).told.stop) << "it had not heard of it";
  advance(engine::kStopOrderLife);
  EXPECT_FALSE(beat(again).told.stop);
  EXPECT_TRUE(orders().empty());
}

TEST_F(WorkerTest, OrdersAreBounded) {
  for (std::size_t n = 0; n < engine::kWorkerOrdersMax; ++n)
    EXPECT_EQ(order(OrderKind::quiet, {std::to_string(n), "", ""}).kind, "ordered");
  EXPECT_EQ(order(OrderKind::quiet, {"x", "", ""}).error.code, ErrorCode::too_large);
  EXPECT_EQ(order(OrderKind::resume, {"7", "", ""}).kind, "ordered") << "in the place of another";
  EXPECT_EQ(order(OrderKind::resume).kind, "ordered");
  EXPECT_EQ(order(OrderKind::resize).error.code, ErrorCode::invalid) << "to which size?";
  EXPECT_EQ(order(OrderKind::quiet, {std::string(256, 'x'), "", ""}).error.code,
            ErrorCode::invalid);
  broker->check();
}

TEST(WorkerPattern, FitsAsAShellsWould) {
  using engine::fits_pattern;
  EXPECT_TRUE(fits_pattern("*", ""));
  EXPECT_TRUE(fits_pattern("a*c*e", "abcde"));
  EXPECT_TRUE(fits_pattern("a?c", "abc"));
  EXPECT_FALSE(fits_pattern("a?c", "ac"));
  EXPECT_FALSE(fits_pattern("a*c", "abcd"));
  EXPECT_TRUE(fits_pattern("*a*a*a*a*b", std::string(2000, 'a') + "b"));
  EXPECT_FALSE(fits_pattern("*a*a*a*a*b", std::string(2000, 'a')));
}

// ---- tasks that not everybody can run

TEST_F(WorkerTest, ADeclinedTaskWaitsForAnotherAndLosesNoAttempt) {
  Peer old_one(*broker), new_one(*broker);
  announce(old_one, spec(1, "old"));
  const auto id = send_task("new");
  for (int n = 1; n <= 5; ++n) {
    const auto got = take_by(old_one);
    EXPECT_EQ(got.attempts, 1u);
    settle({got.lease}, Outcome::decline, {}, "unknown task `new`");
    const auto now = task(id);
    EXPECT_EQ(now.state, TaskState::retrying);
    EXPECT_EQ(now.count, 0u) << "attempts";
    EXPECT_EQ(now.declined, "unknown task `new`");
    EXPECT_NE(now.history.find("\"declined\""), std::string::npos);
    EXPECT_EQ(now.history.find("declined"), now.history.rfind("declined")) << "said once";
    EXPECT_TRUE(take("q").messages.empty()) << "not at once";
    advance(31s);
  }
  const auto got = take_by(old_one);
  settle({got.lease}, Outcome::decline, {}, "unknown task `new`");
  auto fresh = spec(2, "new");
  fresh.tasks = {"new"};
  announce(new_one, fresh);
  advance(2ms);
  const auto mine = take_by(new_one);
  EXPECT_EQ(mine.id, id) << "at once: somebody has come who knows it";
  EXPECT_EQ(mine.attempts, 1u);
  settle({mine.lease}, Outcome::ack, {}, {}, "1");
  EXPECT_EQ(task(id).state, TaskState::done);
  EXPECT_EQ(statistics("q").declined, 6u);
  EXPECT_EQ(broker->statistics().declined, 6u);
  broker->check();
}

TEST_F(WorkerTest, ADeclinedTaskGoesToAnotherOneThatWaits) {
  Peer old_one(*broker), new_one(*broker);
  const auto id = send_task("new");
  settle({take_by(old_one).lease}, Outcome::decline, {}, "unknown");
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 1min;
  broker->take(old_one.session, ++tag, take);
  broker->take(new_one.session, ++tag, take);
  advance(31s);
  ASSERT_EQ(new_one.sink.replies.count(tag), 1u) << "though the other waited first";
  EXPECT_EQ(new_one.sink.replies[tag].messages.at(0).id, id);
  EXPECT_EQ(old_one.sink.replies.count(tag - 1), 0u);
}

TEST_F(WorkerTest, ADeclinedTaskGoesAtOnceToOneThatWaits) {
  Peer old_one(*broker), new_one(*broker), third(*broker);
  const auto id = send_task("new");
  const auto got = take_by(old_one);
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 1min;
  broker->take(old_one.session, ++tag, take);
  broker->take(new_one.session, ++tag, take);
  const auto other = tag;
  settle({got.lease}, Outcome::decline, {}, "unknown");
  ASSERT_EQ(new_one.sink.replies.count(other), 1u);
  EXPECT_EQ(new_one.sink.replies[other].messages.at(0).id, id);
  EXPECT_EQ(old_one.sink.replies.count(other - 1), 0u);
  // From one to the next, each once.
  broker->take(third.session, ++tag, take);
  const auto last = tag;
  broker->take(new_one.session, ++tag, take);
  settle({new_one.sink.replies[other].messages.at(0).lease}, Outcome::decline, {}, "unknown");
  ASSERT_EQ(third.sink.replies.count(last), 1u);
  settle({third.sink.replies[last].messages.at(0).lease}, Outcome::decline, {}, "unknown");
  EXPECT_EQ(task(id).state, TaskState::retrying);
}

TEST_F(WorkerTest, ADeclinedTaskIsKeptForAWorkerThatComesAndKnowsIt) {
  Peer old_one(*broker), new_one(*broker);
  const auto id = send_task("new");
  settle({take_by(old_one).lease}, Outcome::decline, {}, "unknown");
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 1min;
  broker->take(old_one.session, ++tag, take);
  const auto waits = tag;
  auto knows = spec(1, "knows");
  knows.tasks = {"new"};
  announce(new_one, knows);
  advance(2ms);
  EXPECT_EQ(old_one.sink.replies.count(waits), 0u);
  const auto got = take_by(new_one);
  EXPECT_EQ(got.id, id);
  // Not for long: that one may have gone.
  settle({got.lease}, Outcome::give_back);
  EXPECT_EQ(old_one.sink.replies.count(waits), 0u);
  advance(1s);
  EXPECT_EQ(old_one.sink.replies.count(waits), 1u);
}

TEST_F(WorkerTest, ADeclinedTaskSurvivesKillNineAndCancel) {
  const auto id = send_task("new");
  settle({take("q").messages.at(0).lease}, Outcome::decline, {}, "unknown");
  crash();
  EXPECT_EQ(task(id).state, TaskState::retrying);
  EXPECT_NE(task(id).history.find("unknown"), std::string::npos);
  restart();
  advance(31s);
  const auto got = take("q");
  ASSERT_EQ(got.messages.size(), 1u);
  EXPECT_EQ(got.messages[0].attempts, 1u);
  broker->cancel_task(session, ++tag, MessageId(id));
  wait(tag);
  settle({got.messages[0].lease}, Outcome::decline, {}, "unknown");
  EXPECT_EQ(task(id).state, TaskState::cancelled);
}

TEST_F(WorkerTest, ADeclinedTaskIsNotHastenedByWhoServesAnotherQueue) {
  Peer peer(*broker);
  const auto id = send_task("new");
  settle({take("q").messages.at(0).lease}, Outcome::decline, {}, "unknown");
  auto elsewhere = spec(1, "elsewhere");
  elsewhere.tasks = {"new"};
  elsewhere.queues = {"other"};
  announce(peer, elsewhere);
  advance(2ms);
  EXPECT_TRUE(take("q").messages.empty());
  EXPECT_EQ(task(id).state, TaskState::retrying);
}

TEST_F(WorkerTest, ADeclinedTaskGoesToItsDeclinerAgainWhereNobodyElseWaits) {
  Peer peer(*broker);
  const auto id = send_task("new");
  settle({take_by(peer).lease}, Outcome::decline, {}, "unknown");
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 1min;
  broker->take(peer.session, ++tag, take);
  advance(31s);
  EXPECT_EQ(wait(tag, peer.sink).messages.at(0).id, id);
  const auto status = task(id);
  EXPECT_EQ(status.state, TaskState::running);
  EXPECT_EQ(status.declined, "") << "it runs now";
}

TEST_F(WorkerTest, ATaskThatFailedGoesToWhoWaitsFirstWhereOthersWereDeclined) {
  Peer one(*broker), other(*broker);
  send_task("new");
  settle({take_by(one).lease}, Outcome::decline, {}, "unknown");
  const auto id = send_task("known");
  settle({take_by(one).lease}, Outcome::nack, 5s, "bad luck");
  engine::Take take;
  take.queues = {"q"};
  take.wait_until = clock.now() + 1min;
  broker->take(one.session, ++tag, take);
  const auto first = tag;
  broker->take(other.session, ++tag, take);
  advance(400ms);
  EXPECT_TRUE(one.sink.replies.empty());
  broker->purge(session, ++tag, "other");
  wait(tag);
  advance(31s);
  std::vector<std::uint64_t> given;
  for (const auto* peer : {&one, &other})
    for (const auto& [of, reply] : peer->sink.replies)
      for (const auto& message : reply.messages) given.push_back(message.id);
  EXPECT_EQ(given.size(), 2u);
  EXPECT_TRUE(one.sink.replies.contains(first));
  EXPECT_TRUE(std::ranges::find(given, id) != given.end());
}

// ---- what tasks say

TEST_F(WorkerTest, ATasksLinesAreSeenWhileItRunsAndAfter) {
  const auto id = send_task("known");
  const auto lease = take("q").messages.at(0).lease;
  EXPECT_EQ(log(lease, {"one", "two"}).count, 1u);
  broker->task_log(session, ++tag, MessageId(id), 1, Time{});
  auto seen = wait(tag);
  ASSERT_EQ(seen.lines.size(), 1u);
  EXPECT_EQ(seen.lines[0].text, "two");
  EXPECT_EQ(seen.lines[0].attempt, 1u);
  EXPECT_FALSE(seen.created) << "it has not ended";
  broker->task_log(session, ++tag, MessageId(id), 2, clock.now() + 10s);
  const auto waiting = tag;
  EXPECT_FALSE(answered(waiting));
  log(lease, {"three"});
  EXPECT_EQ(wait(waiting).lines.at(0).text, "three");
  broker->task_log(session, ++tag, MessageId(id), 3, clock.now() + 10s);
  const auto last = tag;
  settle({lease}, Outcome::ack, {}, {}, "1");
  seen = wait(last);
  EXPECT_TRUE(seen.created) << "it has ended";
  EXPECT_TRUE(seen.lines.empty());
  EXPECT_EQ(log(lease, {"late"}).lost, 1u);
  broker->task_log(session, ++tag, MessageId(999), 0, Time{});
  EXPECT_EQ(wait(tag).error.code, ErrorCode::not_found);
}

TEST_F(WorkerTest, OfATaskThatSaysMuchTheLastLinesAreKept) {
  const auto id = send_task("known");
  const auto lease = take("q").messages.at(0).lease;
  for (std::size_t n = 0; n < engine::kLogLinesMax + 5; ++n) log(lease, {"line"});
  broker->task_log(session, ++tag, MessageId(id), 0, Time{});
  const auto seen = wait(tag);
  EXPECT_EQ(seen.lines.size(), engine::kLogLinesMax);
  EXPECT_EQ(seen.lines.front().number, 6u);
  const std::string large(10'000, 'x');
  for (int n = 0; n < 100; ++n) log(lease, {large});
  broker->task_log(session, ++tag, MessageId(id), 0, Time{});
  EXPECT_LE(wait(tag).lines.size() * engine::kLogLineBytesMax, engine::kLogBytesMax);
  EXPECT_LE(broker->statistics().log_bytes, 2 * engine::kLogBytesMax);
  broker->check();
}

// ---- dead letters

TEST_F(WorkerTest, DeadLettersGoBackByIdByErrorAndByName) {
  std::vector<std::uint64_t> ids;
  for (const auto* name : {"a", "b", "a", "b"}) ids.push_back(send_task(name));
  for (const auto& message : take("q", 9).messages)
    settle({message.lease}, Outcome::reject, {}, message.id < ids[2] ? "disk full" : "no \"user\"");
  EXPECT_EQ(statistics("q.dead").ready, 4u);
  broker->retry_task(session, ++tag, MessageId(ids[0]));
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(task(ids[0]).state, TaskState::queued);
  broker->retry_task(session, ++tag, MessageId(ids[0]));
  EXPECT_EQ(wait(tag).error.code, ErrorCode::not_found) << "it waits already";
  broker->redrive_some(session, ++tag, "q", {.error = "disk"});
  EXPECT_EQ(wait(tag).count, 1u);
  broker->redrive_some(session, ++tag, "q.dead", {.error = "user", .task = "b"});
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(statistics("q.dead").ready, 1u);
  broker->redrive_some(session, ++tag, "q", {.max = 1});
  const auto last = wait(tag);
  EXPECT_EQ(last.count, 1u);
  EXPECT_EQ(last.number, 0u) << "that was all";
  EXPECT_EQ(statistics("q").ready, 4u);
}

TEST_F(WorkerTest, AnOrderTakesNoMoreOfTheLogThanTheWorkersThatAreThereNeed) {
  broker.reset();
  const auto files = directory.list();
  for (const auto& name : files.value()) ASSERT_TRUE(directory.remove(name));
  options.journal.segment_bytes = 64 << 10;
  open();
  EXPECT_EQ(order(OrderKind::quiet).kind, "ordered");
}

TEST_F(WorkerTest, ALongListOfDeadLettersIsLookedAtInParts) {
  std::vector<Input> many(1500, input("x"));
  send("q", many);
  std::vector<engine::LeaseToken> leases;
  for (const auto& message : take("q", 1500).messages) leases.push_back(message.lease);
  settle(leases, Outcome::reject, {}, "why");
  engine::Redrive which{.error = "other"};
  broker->redrive_some(session, ++tag, "q", which);
  auto part = wait(tag);
  EXPECT_EQ(part.count, 0u);
  ASSERT_NE(part.number, 0u);
  which.error = "why";
  which.after = MessageId(part.number);
  broker->redrive_some(session, ++tag, "q", which);
  part = wait(tag);
  EXPECT_EQ(part.count, 500u);
  EXPECT_EQ(part.number, 0u);
}

}  // namespace
}  // namespace penstock::broker
