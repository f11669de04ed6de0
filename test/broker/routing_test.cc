// Exchanges, bindings, consumers, queues in memory, dead letters through exchanges: what they do,
// and what is left of them after a power cut and after a checkpoint.
#include "engine/deaths.h"
#include "engine/names.h"
#include "engine/route_header.h"
#include "test/broker/consumer_fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using Options = std::vector<std::pair<std::string_view, std::string_view>>;
using engine::ExchangeType;

class RoutingTest : public BrokerTest {
 protected:
  Got declare_exchange(std::string_view name, ExchangeType type, bool durable = true,
                       bool auto_delete = false) {
    engine::ExchangeSpec spec;
    spec.name = name;
    spec.type = type;
    spec.durable = durable;
    spec.auto_delete = auto_delete;
    broker->declare_exchange(session, ++tag, spec);
    return wait(tag);
  }
  engine::BindingSpec binding(std::string_view source, std::string_view queue,
                              std::string_view key) {
    engine::BindingSpec spec;
    spec.source = source;
    spec.destination = queue;
    spec.key = key;
    return spec;
  }
  Got bind(std::string_view source, std::string_view queue, std::string_view key) {
    broker->bind(session, ++tag, binding(source, queue, key));
    return wait(tag);
  }
  Got unbind(std::string_view source, std::string_view queue, std::string_view key) {
    broker->unbind(session, ++tag, binding(source, queue, key));
    return wait(tag);
  }
  Got publish(std::string_view exchange, std::string_view key, std::string_view body,
              Duration ttl = 0s) {
    const std::string_view keys[]{key};
    engine::RoutedPublish publish;
    publish.exchange = exchange;
    publish.keys = keys;
    Bytes route, headers;
    engine::encode_route(route, exchange, keys);
    Encoder(headers).text(kRouteHeader).prefixed(route);
    publish.message.headers = headers;
    publish.message.body = as_bytes(body);
    if (ttl.count() > 0) publish.message.expires_at = clock.now() + ttl;
    broker->publish_routed(session, ++tag, publish);
    return wait(tag);
  }
  Strings drain(const std::string& queue) {
    const auto got = take(queue, 100);
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : got.messages) leases.push_back(message.lease);
    if (!leases.empty()) settle(leases);
    return bodies(got);
  }
  // All that lasts must be there after a power cut and after a clean restart with its checkpoint.
  template <class Check>
  void after_restarts(Check check) {
    check();
    crash();
    check();
    restart();
    check();
  }
};

TEST_F(RoutingTest, TheDefaultExchangeSendsToTheQueueOfTheKey) {
  declare("q", {});
  EXPECT_EQ(publish("", "q", "a").ids.size(), 1u);
  EXPECT_TRUE(publish("", "nowhere", "b").ids.empty());
  EXPECT_EQ(drain("q"), Strings{"a"});
}

TEST_F(RoutingTest, APublishToAnExchangeThatIsNotThereIsAnError) {
  EXPECT_EQ(publish("none", "k", "a").error.code, ErrorCode::not_found);
}

TEST_F(RoutingTest, BindingsOutliveAPowerCutAndACheckpoint) {
  declare("one", {});
  declare("two", {});
  declare_exchange("logs", ExchangeType::topic);
  bind("logs", "one", "error.#");
  bind("logs", "two", "*.disk");
  bind("logs", "two", "gone");
  unbind("logs", "two", "gone");
  after_restarts([&] {
    EXPECT_EQ(publish("logs", "error.disk", "both").ids.size(), 2u);
    EXPECT_EQ(publish("logs", "gone", "neither").ids.size(), 0u);
    EXPECT_EQ(drain("one"), Strings{"both"});
    EXPECT_EQ(drain("two"), Strings{"both"});
  });
}

TEST_F(RoutingTest, AQueueThatGoesTakesItsBindingsAlong) {
  declare("q", {});
  declare_exchange("x", ExchangeType::fanout);
  bind("x", "q", "");
  broker->remove(session, ++tag, "q");
  wait(tag);
  declare("q", {});
  after_restarts([&] { EXPECT_TRUE(publish("x", "", "a").ids.empty()); });
}

TEST_F(RoutingTest, AnAutoDeleteExchangeGoesWithItsLastBindingForGood) {
  declare("q", {});
  declare("memory", {{"durable", "false"}});
  declare_exchange("x", ExchangeType::direct, true, true);
  bind("x", "q", "k");
  bind("x", "memory", "k");
  unbind("x", "q", "k");
  EXPECT_NE(broker->topology().find("x"), nullptr);
  // The last binding is one that is never written; that its exchange went is.
  broker->remove(session, ++tag, "memory");
  wait(tag);
  after_restarts([&] { EXPECT_EQ(broker->topology().find("x"), nullptr); });
}

TEST_F(RoutingTest, ExchangesThatGoWithEachOtherInACircleGoOnce) {
  for (const auto* name : {"a", "b", "c"}) declare_exchange(name, ExchangeType::fanout, true, true);
  const auto join = [&](std::string_view source, std::string_view destination) {
    auto spec = binding(source, destination, "");
    spec.to_exchange = true;
    broker->bind(session, ++tag, spec);
    return wait(tag);
  };
  join("a", "b");
  join("b", "a");
  join("c", "a");
  broker->remove_exchange(session, ++tag, "a", false);
  EXPECT_EQ(wait(tag).kind, "done");
  for (const auto* name : {"a", "b", "c"}) EXPECT_EQ(broker->topology().find(name), nullptr);
}

TEST_F(RoutingTest, AMessageGoesToAllItsQueuesOrToNone) {
  declare("roomy", {});
  declare("full", {{"max_length", "1"}});
  declare_exchange("x", ExchangeType::fanout);
  bind("x", "roomy", "");
  bind("x", "full", "");
  EXPECT_EQ(publish("x", "", "first").kind, "published");
  const auto refused = publish("x", "", "second");
  EXPECT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "max_length");
  EXPECT_EQ(drain("roomy"), Strings{"first"});
}

TEST_F(RoutingTest, AVirtualHostHasNamesOfItsOwn) {
  broker->declare_host(session, ++tag, "shop");
  wait(tag);
  const auto theirs = engine::scoped_name("shop", "q");
  declare("q", {});
  declare(theirs, {});
  after_restarts([&] {
    publish(engine::scoped_name("shop", ""), "q", "theirs");
    EXPECT_EQ(drain("q"), Strings{});
    EXPECT_EQ(drain(theirs), Strings{"theirs"});
    EXPECT_NE(broker->topology().find(engine::scoped_name("shop", "amq.topic")), nullptr);
  });
  broker->remove_host(session, ++tag, "shop");
  wait(tag);
  after_restarts([&] {
    EXPECT_EQ(broker->topology().find(engine::scoped_name("shop", "amq.topic")), nullptr);
    broker->queue(session, ++tag, theirs);
    EXPECT_EQ(wait(tag).kind, "error");
  });
}

// ---- queues in memory

TEST_F(RoutingTest, AQueueInMemoryWritesNothingAndGoesWithTheProcess) {
  declare("memory", {{"durable", "false"}});
  const auto written = broker->statistics().journal.appended_bytes;
  for (int n = 0; n < 100; ++n) send("memory", "message");
  EXPECT_EQ(broker->statistics().transient_bytes, 800u);
  EXPECT_EQ(drain("memory").size(), 100u);
  EXPECT_EQ(broker->statistics().transient_bytes, 0u);
  EXPECT_EQ(broker->statistics().journal.appended_bytes, written);
  broker->check();
  send("memory", "lost");
  crash();
  broker->queue(session, ++tag, "memory");
  EXPECT_EQ(wait(tag).kind, "error");
}

TEST_F(RoutingTest, AQueueInMemoryIsInNoCheckpoint) {
  declare("memory", {{"durable", "false"}});
  declare("disk", {});
  send("memory", "lost");
  send("disk", "kept");
  take("memory");
  restart();
  broker->check();
  EXPECT_EQ(drain("disk"), Strings{"kept"});
  declare("memory", {{"durable", "false"}});
  EXPECT_EQ(statistics("memory").ready, 0u);
}

TEST_F(RoutingTest, DeadLettersGoFromMemoryToDiskAsCopies) {
  declare("memory", {{"durable", "false"}, {"dead_letter", "dead"}});
  send("memory", "bad");
  settle({take("memory").messages.at(0).lease}, engine::Outcome::reject);
  broker->check();
  crash();
  EXPECT_EQ(drain("dead"), Strings{"bad"});
}

// ---- dead letters through exchanges

TEST_F(RoutingTest, ADeadLetterIsPublishedToItsExchangeInTheSameCommit) {
  declare("dead", {});
  declare("other", {});
  declare_exchange("dlx", ExchangeType::fanout);
  bind("dlx", "dead", "");
  bind("dlx", "other", "");
  declare("q", {{"dead_letter_exchange", "dlx"}});
  publish("", "q", "bad");
  settle({take("q").messages.at(0).lease}, engine::Outcome::reject);
  crash();
  EXPECT_EQ(statistics("q").ready + statistics("q").leased, 0u);
  EXPECT_EQ(drain("dead"), Strings{"bad"});
  EXPECT_EQ(drain("other"), Strings{"bad"});
}

TEST_F(RoutingTest, AMessageThatExpiresInACircleOfQueuesEnds) {
  declare(
      "a",
      {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "b"}, {"ttl", "10ms"}});
  declare(
      "b",
      {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "a"}, {"ttl", "10ms"}});
  publish("", "a", "round and round");
  for (int n = 0; n < 10; ++n) advance(20ms);
  EXPECT_EQ(statistics("a").ready + statistics("b").ready, 0u);
  broker->check();
}

TEST_F(RoutingTest, FullQueuesThatAreEachOthersDeadLettersMakeRoomAndEnd) {
  declare("a", {{"dead_letter_exchange", "amq.default"},
                {"dead_letter_routing_key", "b"},
                {"max_length", "2"},
                {"overflow", "dead_letter"}});
  declare("b", {{"dead_letter_exchange", "amq.default"},
                {"dead_letter_routing_key", "a"},
                {"max_length", "2"},
                {"overflow", "dead_letter"}});
  for (int n = 0; n < 10; ++n) EXPECT_EQ(publish("", "a", std::to_string(n)).kind, "published");
  broker->check();
  EXPECT_EQ(drain("a"), (Strings{"8", "9"}));
  EXPECT_EQ(statistics("b").ready, 2u);
}

TEST_F(RoutingTest, ADeadLetterThatFindsNoRoomWaitsAndKeepsItsReason) {
  declare("dead", {{"max_length", "1"}});
  declare("q", {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "dead"}});
  send("dead", "first");
  publish("", "q", "second");
  settle({take("q").messages.at(0).lease}, engine::Outcome::reject);
  EXPECT_EQ(statistics("q").scheduled, 1u);
  crash();
  EXPECT_EQ(drain("dead"), Strings{"first"});
  advance(10s);
  EXPECT_EQ(drain("dead"), Strings{"second"});
}

// ---- consumers

class ConsumerTest : public RoutingTest {
 protected:
  void consume(Tag consumer, std::string_view queue, std::int64_t credit, std::int32_t priority = 0,
               bool exclusive = false) {
    engine::Consume command;
    command.queue = queue;
    command.credit = credit;
    command.bytes = 1 << 20;
    command.priority = priority;
    command.exclusive = exclusive;
    broker->consume(theirs, 1000 + consumer, consumer, command);
    broker->settle_down();
  }
  void open_receiver() { theirs = broker->open_session(receiver); }

  Receiver receiver;
  SessionId theirs;
};

TEST_F(ConsumerTest, AConsumerGetsAsMuchAsItsCreditAllows) {
  open_receiver();
  for (int n = 0; n < 5; ++n) send("q", std::to_string(n));
  consume(1, "q", 2);
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1"}));
  broker->add_credit(theirs, 1, 2, 0);
  broker->settle_down();
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1", "2", "3"}));
}

TEST_F(ConsumerTest, ConsumersShareWhatThereIsAndHigherPrioritiesGoFirst) {
  open_receiver();
  declare("q", {});
  consume(1, "q", 100);
  consume(2, "q", 100);
  consume(3, "q", 1, 5);
  for (int n = 0; n < 5; ++n) send("q", std::to_string(n));
  EXPECT_EQ(receiver.bodies[3], Strings{"0"});
  EXPECT_EQ(receiver.bodies[1].size(), 2u);
  EXPECT_EQ(receiver.bodies[2].size(), 2u);
}

TEST_F(ConsumerTest, OneConsumerIsActiveUntilItGoes) {
  open_receiver();
  declare("q", {{"single_active_consumer", "true"}});
  consume(1, "q", 100);
  consume(2, "q", 100);
  send("q", "a");
  broker->cancel_consumer(theirs, 2000, 1);
  send("q", "b");
  EXPECT_EQ(receiver.bodies[1], Strings{"a"});
  EXPECT_EQ(receiver.bodies[2], Strings{"b"});
}

TEST_F(ConsumerTest, WhatAConsumerHeldComesBackInItsPlaceWhenItsConnectionEnds) {
  open_receiver();
  for (const auto* body : {"a", "b", "c"}) send("q", body);
  consume(1, "q", 2);
  broker->close_session(theirs);
  EXPECT_EQ(drain("q"), (Strings{"a", "b", "c"}));
}

TEST_F(ConsumerTest, WhatAConsumerHeldComesBackAtOnceAfterARestart) {
  open_receiver();
  declare("q", {{"max_attempts", "0"}});
  for (const auto* body : {"a", "b"}) send("q", body);
  consume(1, "q", 2);
  crash();
  open_receiver();
  consume(1, "q", 2);
  EXPECT_EQ(receiver.bodies[1], (Strings{"a", "b", "a", "b"}));
  EXPECT_EQ(receiver.redelivered, 2);
  restart();
  EXPECT_EQ(drain("q"), (Strings{"a", "b"}));
}

TEST_F(ConsumerTest, AConsumerIsToldThatItsQueueIsGone) {
  open_receiver();
  declare("q", {});
  consume(1, "q", 1);
  broker->remove(session, ++tag, "q");
  wait(tag);
  EXPECT_EQ(receiver.errors, std::vector<Tag>{1});
}

TEST_F(ConsumerTest, AnExclusiveQueueIsItsConnectionsAlone) {
  open_receiver();
  const Options exclusive{{"durable", "false"}, {"exclusive", "true"}};
  broker->declare(theirs, 1, "mine", exclusive);
  broker->settle_down();
  EXPECT_EQ(broker->check_queue(session, "mine").error().code, ErrorCode::locked);
  EXPECT_TRUE(broker->check_queue(theirs, "mine"));
  broker->close_session(theirs);
  EXPECT_EQ(broker->check_queue(session, "mine").error().code, ErrorCode::not_found);
}

TEST_F(ConsumerTest, AnUnusedQueueExpiresAndAUsedOneDoesNot) {
  open_receiver();
  declare("q", {{"expires", "10s"}});
  consume(1, "q", 1);
  advance(30s);
  EXPECT_TRUE(broker->check_queue(session, "q"));
  broker->cancel_consumer(theirs, 2000, 1);
  advance(9s);
  EXPECT_TRUE(broker->check_queue(session, "q"));
  advance(2s);
  EXPECT_FALSE(broker->check_queue(session, "q"));
}

TEST_F(ConsumerTest, ATransactionIsDoneAsAWholeOrNotAtAll) {
  declare("in", {});
  declare("out", {{"max_length", "1"}});
  send("in", "work");
  const auto lease = take("in").messages.at(0).lease;
  const std::string_view keys[]{"out"};
  engine::RoutedPublish publishes[2];
  for (auto& publish : publishes) {
    publish.keys = keys;
    publish.message.body = as_bytes("result");
  }
  engine::Settle settle;
  settle.leases = std::span(&lease, 1);
  broker->transact(session, ++tag, publishes, std::span(&settle, 1));
  EXPECT_EQ(wait(tag).kind, "refused");
  EXPECT_EQ(statistics("in").leased, 1u);
  EXPECT_EQ(statistics("out").ready, 0u);
  broker->transact(session, ++tag, std::span(publishes, 1), std::span(&settle, 1));
  EXPECT_EQ(wait(tag).kind, "done");
  crash();
  EXPECT_EQ(statistics("in").leased + statistics("in").ready, 0u);
  EXPECT_EQ(drain("out"), Strings{"result"});
}

// ---- streams

class StreamTest : public ConsumerTest {
 protected:
  void read(Tag consumer, engine::StreamStart start, std::int64_t credit = 100) {
    engine::Consume command;
    command.queue = "s";
    command.credit = credit;
    command.bytes = 1 << 20;
    command.start = start;
    broker->consume(theirs, 1000 + consumer, consumer, command);
    broker->settle_down();
  }
  void fill(int from, int to) {
    for (int n = from; n < to; ++n) send("s", std::to_string(n));
  }
  static constexpr engine::StreamStart kFirst{engine::StreamStart::Kind::first, 0, {}};
  static engine::StreamStart at(std::uint64_t offset) {
    return {engine::StreamStart::Kind::offset, offset, {}};
  }
};

TEST_F(StreamTest, EveryReaderReadsAllOfItAndNothingGoes) {
  open_receiver();
  declare("s", {{"stream", "true"}});
  fill(0, 3);
  read(1, kFirst);
  read(2, kFirst);
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1", "2"}));
  EXPECT_EQ(receiver.bodies[2], (Strings{"0", "1", "2"}));
  EXPECT_EQ(statistics("s").ready, 3u);
  fill(3, 4);
  EXPECT_EQ(receiver.bodies[1].back(), "3");
  EXPECT_EQ(take("s").error.code, ErrorCode::unsupported);
}

TEST_F(StreamTest, CreditIsKeptTo) {
  open_receiver();
  declare("s", {{"stream", "true"}});
  fill(0, 5);
  read(1, kFirst, 2);
  EXPECT_EQ(receiver.bodies[1].size(), 2u);
  broker->add_credit(theirs, 1, 2, 0);
  broker->settle_down();
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1", "2", "3"}));
}

TEST_F(StreamTest, OffsetsStayWhenTheOldestGoAndOverRestarts) {
  declare("s", {{"stream", "true"}, {"max_length", "5"}, {"overflow", "drop_oldest"}});
  fill(0, 8);
  Tag consumer = 0;
  after_restarts([&] {
    open_receiver();
    read(++consumer, at(6));
    EXPECT_EQ(receiver.bodies[consumer], (Strings{"6", "7"}));
    // What is gone is passed over.
    read(++consumer, at(1));
    EXPECT_EQ(receiver.bodies[consumer].front(), "3");
    broker->check();
  });
}

TEST_F(StreamTest, AReaderGoesOnBehindWhatWasForgotten) {
  open_receiver();
  declare("s", {{"stream", "true"}, {"max_length", "3"}, {"overflow", "drop_oldest"}});
  fill(0, 2);
  read(1, kFirst, 1);
  fill(2, 9);
  broker->add_credit(theirs, 1, 10, 0);
  broker->settle_down();
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "6", "7", "8"}));
}

TEST_F(StreamTest, ReadingBeyondTheEndWaitsForThatOffset) {
  open_receiver();
  declare("s", {{"stream", "true"}});
  fill(0, 2);
  read(1, at(4));
  read(2, {});
  fill(2, 6);
  EXPECT_EQ(receiver.bodies[1], (Strings{"4", "5"}));
  EXPECT_EQ(receiver.bodies[2], (Strings{"2", "3", "4", "5"}));
}

TEST_F(StreamTest, OldMessagesAreForgotten) {
  declare("s", {{"stream", "true"}, {"max_age", "10s"}});
  fill(0, 2);
  advance(11s);
  fill(2, 3);
  EXPECT_EQ(statistics("s").ready, 1u);
}

}  // namespace
}  // namespace penstock::broker
