// What a queue promises: order, leases, bounds, and that a reply is true after a crash.
#include "fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Outcome;

TEST_F(BrokerTest, DeliversInOrderAndForgetsWhatIsAcked) {
  const auto sent = send("q", {input("a"), input("b"), input("c")});
  ASSERT_EQ(sent.kind, "published");
  EXPECT_EQ(sent.ids, (std::vector<std::uint64_t>{1, 2, 3}));
  const auto got = take("q", 2);
  EXPECT_EQ(bodies(got), (Strings{"a", "b"}));
  EXPECT_EQ(settle({got.messages[0].lease, got.messages[1].lease}).count, 2u);
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"c"}));
  EXPECT_EQ(statistics("q").leased, 1u);
}

TEST_F(BrokerTest, AnswersNothingBeforeTheSync) {
  const auto sent = send_tag("q", {input("a")});
  broker->turn();
  EXPECT_TRUE(sink.replies.empty());
  auto* batch = broker->seal();
  ASSERT_NE(batch, nullptr);
  broker->write(*batch);
  broker->turn();
  EXPECT_TRUE(sink.replies.empty());
  broker->complete(*batch);
  EXPECT_TRUE(sink.replies.contains(sent));
}

TEST_F(BrokerTest, WhatWasConfirmedIsThereAfterACrash) {
  send("q", {input("a"), input("b")});
  settle({take("q").messages[0].lease});
  crash();
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"b"}));
}

TEST_F(BrokerTest, WhatWasNotConfirmedNeverGotOut) {
  const auto lost = send_tag("q", {input("a")});
  broker->turn();
  crash();
  EXPECT_FALSE(sink.replies.contains(lost));
  EXPECT_TRUE(take("q").messages.empty());
}

TEST_F(BrokerTest, ALeaseOutlivesARestartAndIsSettledAfterIt) {
  send("q", "a");
  const auto got = take("q");
  crash();
  EXPECT_TRUE(take("q").messages.empty());
  EXPECT_EQ(settle({got.messages[0].lease}).count, 1u);
  EXPECT_EQ(statistics("q").leased, 0u);
}

TEST_F(BrokerTest, ALeaseThatRanOutGoesToSomebodyElseAndIsFenced) {
  send("q", "a");
  const auto first = take("q", 1, 10s);
  advance(11s);
  const auto second = take("q");
  ASSERT_EQ(second.messages.size(), 1u);
  EXPECT_EQ(second.messages[0].attempts, 2u);
  EXPECT_EQ(settle({first.messages[0].lease}).lost, 1u);
  EXPECT_EQ(settle({second.messages[0].lease}).count, 1u);
}

TEST_F(BrokerTest, AForgedLeaseIsLost) {
  send("q", "a");
  auto lease = take("q").messages[0].lease;
  lease.seal ^= 1;
  EXPECT_EQ(settle({lease}).lost, 1u);
}

TEST_F(BrokerTest, WhereALeasesMessageIsSaidToBeProvesNothing) {
  send("q", {input("a"), input("b"), input("c")});
  const auto got = take("q", 3);
  ASSERT_EQ(got.messages.size(), 3u);
  auto a = got.messages[0].lease, b = got.messages[1].lease, c = got.messages[2].lease;
  std::swap(a.place, b.place);
  c.place = ~0u;
  EXPECT_EQ(settle({a}).count, 1u) << "its place is another's";
  EXPECT_EQ(settle({b, c}).count, 2u) << "a place that is free, and none at all";
  EXPECT_EQ(settle({a, b, c}).lost, 3u);
}

TEST_F(BrokerTest, AnExtendedLeaseHolds) {
  send("q", "a");
  const auto got = take("q", 1, 10s);
  broker->extend(session, ++tag, std::vector{got.messages[0].lease}, 30s);
  EXPECT_EQ(wait(tag).count, 1u);
  advance(20s);
  EXPECT_TRUE(take("q").messages.empty());
  crash();
  EXPECT_TRUE(take("q").messages.empty()) << "the new deadline survives";
  advance(11s);
  EXPECT_EQ(take("q").messages.size(), 1u);
}

TEST_F(BrokerTest, TheEndOfASessionBringsItsLeasesBackInPlace) {
  send("q", {input("a"), input("b"), input("c")});
  Sink other_sink;
  const auto other = broker->open_session(other_sink);
  engine::Take two;
  two.queues = {"q"};
  two.max = 2;
  broker->take(other, 1, two);
  broker->settle_down();
  broker->close_session(other);
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"a", "b", "c"}));
}

TEST_F(BrokerTest, ANackComesBackInItsPlaceOrAfterItsDelay) {
  send("q", {input("a"), input("b")});
  settle({take("q").messages[0].lease}, Outcome::nack, 0s, "no");
  EXPECT_EQ(take("q").messages[0].body, "a");
  const auto b = take("q");
  settle({b.messages[0].lease}, Outcome::nack, 5s, "later");
  EXPECT_TRUE(take("q").messages.empty());
  advance(5s);
  EXPECT_EQ(take("q").messages[0].attempts, 2u);
}

TEST_F(BrokerTest, GivingBackDoesNotCountAsAnAttempt) {
  send("q", "a");
  settle({take("q").messages[0].lease}, Outcome::give_back);
  EXPECT_EQ(take("q").messages[0].attempts, 1u);
}

TEST_F(BrokerTest, AWaitingTakeGetsTheNextMessageAndOneSyncServesBoth) {
  send("q", "first");
  take("q");
  const auto waiting = take_tag("q", 1, 10s);
  EXPECT_FALSE(answered(waiting));
  const auto published = send_tag("q", {input("x")});
  broker->turn();
  auto* batch = broker->seal();
  ASSERT_NE(batch, nullptr);
  broker->write(*batch);
  broker->complete(*batch);
  EXPECT_TRUE(sink.replies.contains(published));
  ASSERT_TRUE(sink.replies.contains(waiting));
  EXPECT_EQ(sink.replies[waiting].messages[0].body, "x");
}

TEST_F(BrokerTest, AQueueCanBeWaitedForBeforeItsFirstMessage) {
  const auto waiting = take_tag("not yet", 1, 60s);
  EXPECT_FALSE(answered(waiting));
  send("not yet", "first");
  EXPECT_EQ(bodies(wait(waiting)), (Strings{"first"}));
  EXPECT_EQ(wait(take_tag(std::string(300, 'x'), 1, 60s)).kind, "error");
}

TEST_F(BrokerTest, AWaitEndsEmptyHandedAtItsTime) {
  send("q", "x");
  take("q");
  const auto waiting = take_tag("q", 1, 2s);
  clock.advance(1999ms);
  EXPECT_FALSE(answered(waiting));
  clock.advance(2ms);
  EXPECT_TRUE(wait(waiting).messages.empty());
  EXPECT_EQ(broker->statistics().waiting_takes, 0u);
}

TEST_F(BrokerTest, HigherPrioritiesGoFirst) {
  auto low = input("low");
  auto high = input("high");
  high.priority = 9;
  send("q", {low, high});
  EXPECT_EQ(bodies(take("q", 2)), (Strings{"high", "low"}));
  EXPECT_EQ(send("q", {[&] {
                   auto m = low;
                   m.priority = 16;
                   return m;
                 }()})
                .kind,
            "error");
}

TEST_F(BrokerTest, ADelayedMessageWaitsForItsTimeAlsoOverARestart) {
  auto later = input("later");
  later.not_before = clock.now() + 10s;
  send("q", {later, input("now")});
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"now"}));
  EXPECT_EQ(statistics("q").scheduled, 1u);
  crash();
  advance(9s);
  EXPECT_TRUE(take("q").messages.empty());
  advance(1s);
  EXPECT_EQ(bodies(take("q")), (Strings{"later"}));
}

TEST_F(BrokerTest, AnExpiredMessageGoesAndIsCounted) {
  declare("q", {{"ttl", "5s"}});
  send("q", "a");
  advance(6s);
  EXPECT_TRUE(take("q").messages.empty());
  EXPECT_EQ(statistics("q").expired, 1u);
  EXPECT_EQ(statistics("q").bytes, 0u);
}

TEST_F(BrokerTest, AMessageGivenBackAfterItsTimeExpiresThen) {
  declare("q", {{"ttl", "5s"}});
  send("q", "a");
  const auto held = take("q", 1, 60s);
  advance(6s);
  settle({held.messages.at(0).lease}, engine::Outcome::give_back);
  EXPECT_TRUE(take("q").messages.empty());
  EXPECT_EQ(statistics("q").expired, 1u);
  EXPECT_EQ(statistics("q").ready, 0u);
}

TEST_F(BrokerTest, ATakeThatComesBeforeTheTimersOfItsTurnGetsNothingExpired) {
  declare("q", {{"ttl", "5s"}});
  send("q", "a");
  send("q", "b");
  clock.advance(6s);
  EXPECT_TRUE(take("q", 2).messages.empty());
  EXPECT_EQ(statistics("q").expired, 2u);
}

TEST_F(BrokerTest, AMessageWhoseRecordIsDamagedIsShownAsDamagedAndNotAsEmpty) {
  send("q", "the body that is hit");
  broker->close();
  broker.reset();
  const std::string segment = "journal-0000000000000001.seg";
  auto bytes = directory.contents(segment);
  const auto text = as_text(bytes);
  const auto at = text.find("the body that is hit");
  ASSERT_NE(at, std::string_view::npos);
  open();
  bytes[at] ^= std::byte{1};
  directory.set_contents(segment, bytes);
  broker->browse(session, ++tag, "q", 10);
  const auto browsed = wait(tag);
  ASSERT_EQ(browsed.messages.size(), 1u);
  EXPECT_EQ(browsed.messages[0].state, "damaged");
  EXPECT_EQ(browsed.messages[0].body, "");
  EXPECT_EQ(broker->statistics().damaged_reads, 1u);
}

TEST_F(BrokerTest, ABatchIsAllOrNothing) {
  declare("q", {{"max_length", "3"}});
  EXPECT_EQ(send("q", {input("a"), input("b")}).kind, "published");
  const auto refused = send("q", {input("c"), input("d")});
  EXPECT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "max_length");
  EXPECT_GE(refused.refused.retry_after, 1ms);
  EXPECT_EQ(statistics("q").ready, 2u);
  EXPECT_EQ(statistics("q").refused_length, 2u);
}

TEST_F(BrokerTest, TheLengthBoundCountsLeasedAndScheduledMessages) {
  declare("q", {{"max_length", "2"}});
  auto later = input("later");
  later.not_before = clock.now() + 10s;
  send("q", {input("a"), later});
  const auto got = take("q");
  EXPECT_EQ(send("q", "c").kind, "refused");
  settle({got.messages[0].lease});
  EXPECT_EQ(send("q", "c").kind, "published");
}

TEST_F(BrokerTest, TheByteBoundIsExact) {
  declare("q", {{"max_bytes", "22"}});
  EXPECT_EQ(send("q", "0123456789").kind, "published");  // and a byte for the headers' length
  EXPECT_EQ(send("q", "0123456789").kind, "published");
  EXPECT_EQ(send("q", "").refused.reason, "max_bytes");
}

TEST_F(BrokerTest, DropOldestMakesRoom) {
  declare("q", {{"max_length", "2"}, {"overflow", "drop_oldest"}});
  send("q", {input("a"), input("b")});
  EXPECT_EQ(send("q", "c").kind, "published");
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"b", "c"}));
  EXPECT_EQ(statistics("q").dropped, 1u);
}

TEST_F(BrokerTest, OverflowToTheDeadLettersKeepsTheOldest) {
  declare("q", {{"max_length", "1"}, {"overflow", "dead_letter"}});
  send("q", "a");
  send("q", "b");
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"b"}));
  EXPECT_EQ(bodies(take("q.dead", 9)), (Strings{"a"}));
}

TEST_F(BrokerTest, ABlockedPublishComesInWhenThereIsRoom) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "a");
  const std::vector one{input("b")};
  broker->publish_wait(session, ++tag, engine::Publish{"q", one}, clock.now() + 10s);
  const auto blocked = tag;
  EXPECT_FALSE(answered(blocked));
  settle({take("q").messages[0].lease});
  EXPECT_EQ(wait(blocked).kind, "published");
  broker->publish_wait(session, ++tag, engine::Publish{"q", one}, clock.now() + 10s);
  const auto late = tag;
  EXPECT_FALSE(answered(late));
  advance(10s);
  EXPECT_EQ(wait(late).kind, "refused");
}

TEST_F(BrokerTest, ThePredictedWaitIsABound) {
  declare("q", {{"max_wait", "1s"}, {"lease", "60s"}});
  // A consumer that takes 100 ms for each: mu is 10 per second.
  for (int n = 0; n < 30; ++n) {
    send("q", {input("x"), input("y")});
    const auto got = take("q");
    advance(100ms);
    settle({got.messages[0].lease});
  }
  const auto s = statistics("q");
  EXPECT_TRUE(s.service_rate_known);
  EXPECT_NEAR(s.service_rate, 10, 1.5);
  // Twenty a second came; what is over ten in the system was refused.
  EXPECT_GT(s.refused_wait, 20u);
  const auto refused = send("q", std::vector<Input>(5, input("late")));
  ASSERT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "max_wait");
  EXPECT_GT(refused.refused.retry_after, 300ms) << "five more than may be, at ten a second";
  EXPECT_LE(statistics("q").predicted_wait, 1200ms);
}

TEST_F(BrokerTest, AnIdempotencyKeyAnswersWithTheFirstIdWithinItsWindow) {
  declare("q", {{"dedup_window", "1m"}});
  auto keyed = input("a");
  keyed.key = "order-1";
  const auto first = send("q", {keyed});
  settle({take("q").messages[0].lease});
  const auto again = send("q", {keyed});
  EXPECT_EQ(again.ids, first.ids);
  EXPECT_EQ(again.duplicates, 1u);
  crash();
  EXPECT_EQ(send("q", {keyed}).duplicates, 1u) << "the window survives";
  restart();
  EXPECT_EQ(send("q", {keyed}).duplicates, 1u) << "also through a checkpoint";
  advance(61s);
  EXPECT_EQ(send("q", {keyed}).duplicates, 0u);
}

TEST_F(BrokerTest, ACheckpointIsDueWhenAsMuchWasWrittenAsTheOptionsSay) {
  options.checkpoint_bytes = 64 << 10;
  restart();
  declare("q", {});
  const auto checkpoints = [&] { return broker->statistics().journal.checkpoints; };
  send("q", std::string(40 << 10, 'x'));
  broker->maintain();
  EXPECT_EQ(checkpoints(), 0u);
  send("q", std::string(40 << 10, 'x'));
  broker->maintain();
  EXPECT_EQ(checkpoints(), 1u) << "80 KiB are more than 64";
  broker->maintain();
  EXPECT_EQ(checkpoints(), 1u) << "nothing was written since";
}

TEST_F(BrokerTest, AGroupIsDeliveredInOrderAndOneAtATime) {
  const auto grouped = [&](std::string_view body, std::string_view group) {
    auto m = input(body);
    m.group = group;
    return m;
  };
  send("q", {grouped("a1", "a"), grouped("a2", "a"), grouped("b1", "b"), input("free")});
  auto got = take("q", 9);
  auto texts = bodies(got);
  std::ranges::sort(texts);
  EXPECT_EQ(texts, (Strings{"a1", "b1", "free"}));
  for (const auto& m : got.messages)
    if (m.body == "a1") settle({m.lease}, Outcome::nack, 5s, "again");
  EXPECT_TRUE(take("q", 9).messages.empty()) << "a retry keeps its group's place";
  restart();
  EXPECT_TRUE(take("q", 9).messages.empty()) << "also over a restart";
  advance(5s);
  got = take("q", 9);
  ASSERT_EQ(bodies(got), (Strings{"a1"}));
  settle({got.messages[0].lease});
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"a2"}));
  declare("q", {{"group_limit", "0"}});
  send("q", {grouped("a3", "a"), grouped("a4", "a")});
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"a3", "a4"}));
}

TEST_F(BrokerTest, GroupsTakeTurnsHoweverMuchEachHasWaiting) {
  declare("q", {{"group_limit", "0"}});
  std::vector<Input> many;
  for (int n = 0; n < 20; ++n) many.push_back(input("big")), many.back().group = "big";
  many.push_back(input("small"));
  many.back().group = "small";
  send("q", many);
  const auto first_two = bodies(take("q", 2));
  EXPECT_EQ(std::ranges::count(first_two, "small"), 1);
}

TEST_F(BrokerTest, APausedQueueTakesInAndGivesNothingOut) {
  send("q", "a");
  declare("q", {{"paused", "true"}});
  EXPECT_EQ(send("q", "b").kind, "published");
  const auto waiting = take_tag("q", 9, 60s);
  EXPECT_FALSE(answered(waiting));
  declare("q", {{"paused", "false"}});
  EXPECT_EQ(wait(waiting).messages.size(), 2u);
}

TEST_F(BrokerTest, ARateLimitSpreadsDeliveries) {
  declare("q", {{"rate", "10"}});
  send("q", std::vector<Input>(5, input("x")));
  EXPECT_EQ(take("q", 9).messages.size(), 1u);
  const auto waiting = take_tag("q", 9, 60s);
  EXPECT_FALSE(answered(waiting));
  advance(101ms);
  EXPECT_EQ(wait(waiting).messages.size(), 1u);
}

TEST_F(BrokerTest, PurgeRemovesWhatWaitsAndLeavesWhatIsLeased) {
  send("q", {input("a"), input("b"), input("c")});
  const auto got = take("q");
  broker->purge(session, ++tag, "q");
  EXPECT_EQ(wait(tag).count, 2u);
  EXPECT_EQ(settle({got.messages[0].lease}).count, 1u);
  EXPECT_EQ(statistics("q").bytes, 0u);
}

TEST_F(BrokerTest, BrowsingShowsEveryStateAndTakesNothing) {
  auto later = input("later");
  later.not_before = clock.now() + 10s;
  send("q", {input("a"), input("b"), later});
  take("q");
  broker->browse(session, ++tag, "q", 10);
  const auto got = wait(tag);
  Strings states;
  for (const auto& m : got.messages) states.push_back(m.body + ":" + m.state);
  std::ranges::sort(states);
  EXPECT_EQ(states, (Strings{"a:leased", "b:ready", "later:scheduled"}));
  EXPECT_EQ(statistics("q").ready, 1u);
}

TEST_F(BrokerTest, ADeletedQueueTakesItsMessagesAndAnswersItsWaiters) {
  send("q", {input("a"), input("b")});
  take("q", 1);
  const auto waiting = take_tag("other", 1, 1s);
  broker->remove(session, ++tag, "q");
  EXPECT_EQ(wait(tag).count, 2u);
  broker->queue(session, ++tag, "q");
  EXPECT_EQ(wait(tag).kind, "error");
  (void)waiting;
  restart();
  EXPECT_TRUE(take("q").messages.empty());
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(BrokerTest, OptionsChangeLiveAndSurvive) {
  declare("q", {{"max_length", "5"}, {"lease", "7s"}});
  declare("q", {{"max_wait", "2s"}});
  crash();
  auto options_now = statistics("q").options;
  EXPECT_EQ(options_now.max_length, 5u);
  EXPECT_EQ(options_now.lease, 7s);
  EXPECT_EQ(options_now.max_wait, 2s);
  const auto wrong = declare("q", {{"max_lenght", "5"}});
  EXPECT_EQ(wrong.kind, "error");
  EXPECT_NE(wrong.error.hint.find("max_length"), std::string::npos);
  EXPECT_EQ(declare("q", {{"lease", "-1s"}}).kind, "error");
  EXPECT_EQ(declare(std::string(256, 'x'), {}).kind, "error");
}

TEST_F(BrokerTest, HeadersComeBackAsTheyWere) {
  HeaderWriter headers;
  headers.add("h", "v\n");
  auto m = input("a");
  m.headers = headers.view();
  send("q", {m});
  EXPECT_EQ(take("q").messages[0].header, "v\n");
}

TEST_F(BrokerTest, TooLargeAMessageIsAnErrorThatSaysHowLarge) {
  options.max_message_bytes = 1000;
  restart();
  const auto got = send("q", std::string(2000, 'x'));
  EXPECT_EQ(got.kind, "error");
  EXPECT_EQ(got.error.code, ErrorCode::too_large);
}

TEST_F(BrokerTest, OneAnswerCarriesAtMostSomeMegabytesHoweverManyWereAskedFor) {
  options.journal.segment_bytes = 16 << 20;
  broker.reset();
  directory.restore({});
  open();
  const std::string big(3 << 20, 'x');
  for (int n = 0; n < 5; ++n) ASSERT_EQ(send("q", big).kind, "published");
  EXPECT_EQ(take("q", 1000).messages.size(), 3u);
  EXPECT_EQ(take("q", 1000).messages.size(), 2u);
}

TEST_F(BrokerTest, AClosedSessionsDeliveriesComeBackAtOnce) {
  send("q", "a");
  Sink gone;
  const auto other = broker->open_session(gone);
  engine::Take unbound;
  unbound.queues = {"q"};
  unbound.connection_bound = false;
  broker->take(other, 1, unbound);
  broker->close_session(other);
  broker->settle_down();
  EXPECT_TRUE(gone.replies.empty());
  EXPECT_EQ(take("q").messages.size(), 1u);
}

TEST_F(BrokerTest, AMessageBeyondALimitIsRefusedByTheNameOfTheLimit) {
  const auto error_of = [this](const Input& message) { return send("q", {message}).error.message; };
  auto message = input("a");
  message.priority = engine::kPriorityMax + 1;
  EXPECT_EQ(error_of(message), "priority 16 is not one of 0 to 15");
  message = input("a");
  const std::string key(1025, 'k');
  message.key = key;
  EXPECT_EQ(error_of(message), "an idempotency key has at most 1024 bytes");
  message.key = std::string_view(key).substr(1);
  EXPECT_EQ(send("q", {message}).kind, "published");
  message = input("a");
  message.group = "a\nb";
  EXPECT_NE(error_of(message).find("has control characters"), std::string::npos);
  EXPECT_EQ(statistics("q").ready, 1u);
}

TEST_F(BrokerTest, KeysOfQueuesInMemoryEndWithTheProcess) {
  auto keyed = input("a");
  keyed.key = "k";
  declare("memory", {{"durable", "false"}});
  ASSERT_EQ(send("memory", {keyed}).duplicates, 0u);
  ASSERT_EQ(send("memory", {keyed}).duplicates, 1u);
  restart();
  declare("memory", {{"durable", "false"}});
  EXPECT_EQ(send("memory", {keyed}).duplicates, 0u);
}

}  // namespace
}  // namespace penstock::broker
