// The connection: its beginning, its heartbeats, who is shown, and its end.
#include "test/protocol/amqp_fixture.h"

namespace penstock::protocol::amqp {
namespace {

class AmqpConnection : public AmqpTest {};

TEST_F(AmqpConnection, TheHandshakeGoesStepByStep) {
  Client client(*world_);
  const auto started = client.say(wa::kProtocolHeader);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].find("0 connection.start(0,9,{\"capabilities\""), 0u) << started[0];
  EXPECT_EQ(client.say(start_ok()), Lines{"0 connection.tune(2047,131072,60)"});
  EXPECT_EQ(client.say(tune_ok()), Lines{});
  EXPECT_EQ(client.say(open_host()), Lines{"0 connection.open-ok()"});
  EXPECT_EQ(client.say(method(1, wa::ChannelOpen{})), Lines{"1 channel.open-ok()"});
  EXPECT_EQ(client.say(method(1, wa::ChannelClose{})), Lines{"1 channel.close-ok()"});
  EXPECT_EQ(client.say(method(0, wa::ConnectionClose{})), Lines{"0 connection.close-ok()"});
  EXPECT_TRUE(client.conversation().finished());
}

TEST_F(AmqpConnection, AnotherProtocolIsToldWhichOneIsSpoken) {
  Peer client(*world_->service);
  client.give(std::string_view("AMQP\x00\x01\x00\x00", 8));
  EXPECT_EQ(client.take_output(), wa::kProtocolHeader);
  EXPECT_TRUE(client.conversation().finished());
}

TEST_F(AmqpConnection, AHandshakeHasItsTime) {
  for (const auto& said : {std::string(), std::string(wa::kProtocolHeader),
                           std::string(wa::kProtocolHeader) + start_ok(),
                           std::string(wa::kProtocolHeader) + start_ok() + tune_ok()}) {
    Client client(*world_);
    client.say(said);
    pass(9s, {&client});
    EXPECT_FALSE(client.conversation().finished());
    pass(1s, {&client});
    EXPECT_TRUE(client.conversation().finished());
  }
}

TEST_F(AmqpConnection, WhoIsNotGuestFromThisMachineIsRefusedAndTold) {
  for (const Login& login : {Login{.user = "guest", .password = "wrong"}, Login{.user = "root"}}) {
    Client client(*world_);
    const auto heard = client.log_in(login);
    EXPECT_EQ(count_of(heard, "connection.close(403,ACCESS_REFUSED"), 1u);
    EXPECT_EQ(count_of(heard, "connection.tune"), 0u);
  }
  Client client(*world_);
  client.loopback = false;
  EXPECT_EQ(count_of(client.log_in(), "connection.close(403"), 1u);
  Client lost(*world_);
  EXPECT_EQ(count_of(lost.log_in({.vhost = "nowhere"}), "connection.close(530"), 1u);
}

TEST_F(AmqpConnection, ASilentServerIsHeardTwiceInEachInterval) {
  Client client(*world_);
  client.log_in({.heartbeat = 10});
  client.say();
  for (int n = 0; n < 6; ++n) {
    pass(5s, {&client});
    EXPECT_EQ(client.hear(), Lines{"0 heartbeat"}) << n;
    std::string beat;
    wa::write_heartbeat(beat);
    EXPECT_EQ(client.say(beat), Lines{});
  }
  EXPECT_FALSE(client.conversation().finished());
}

TEST_F(AmqpConnection, WhatIsSentAnywayIsAHeartbeatToo) {
  Client client(*world_);
  client.log_in({.heartbeat = 10});
  for (int n = 0; n < 6; ++n) {
    pass(4s, {&client});
    EXPECT_EQ(client.say(qos(1)), Lines{"1 basic.qos-ok()"});
  }
}

TEST_F(AmqpConnection, AClientThatSaysNothingForTwoIntervalsIsGone) {
  Client client(*world_);
  client.log_in({.heartbeat = 10});
  pass(10s, {&client});
  client.hear();
  pass(10s, {&client});
  client.hear();
  EXPECT_FALSE(client.conversation().finished());
  pass(5s, {&client});
  EXPECT_TRUE(client.conversation().finished());
  EXPECT_EQ(world_->service->statistics().missed_heartbeats, 1u);
}

TEST_F(AmqpConnection, WithoutAnIntervalNobodyIsMissed) {
  Client client(*world_);
  client.log_in();
  pass(24h, {&client});
  EXPECT_EQ(client.hear(), Lines{});
  EXPECT_FALSE(client.conversation().finished());
}

TEST_F(AmqpConnection, AServerThatStopsSaysSoAndWaitsForTheAnswer) {
  Client client(*world_);
  client.log_in();
  client.say(confirms() + declare("q"));
  client.give(publish({.key = "q", .body = "x"}));
  client.conversation().drain();
  const auto heard = client.hear();
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0], "1 basic.ack(1,false)") << "or it would be sent again elsewhere";
  EXPECT_EQ(heard[1].find("0 connection.close(320,CONNECTION_FORCED"), 0u);
  EXPECT_EQ(messages(), 1u);
  EXPECT_FALSE(client.conversation().finished());
  EXPECT_EQ(client.say(publish({.key = "q", .body = "late"})), Lines{});
  EXPECT_EQ(messages(), 1u) << "nothing is listened to any more";
  client.say(method(0, wa::ConnectionCloseOk{}));
  EXPECT_TRUE(client.conversation().finished());
}

// Whoever takes without acknowledging would lose what comes behind a close, by whomever.
TEST_F(AmqpConnection, NothingIsDeliveredToWhoLeaves) {
  Client other(*world_);
  other.log_in();
  other.say(declare("q"));
  const auto closing = [&](Client& client, bool by_itself) {
    if (by_itself)
      client.give(method(0, wa::ConnectionClose{}));
    else
      client.conversation().drain();
  };
  for (const bool by_itself : {false, true}) {
    Client client(*world_);
    client.log_in();
    client.say(consume("q", true));
    other.give(publish({.key = "q", .body = "on its way"}));
    closing(client, by_itself);
    other.give(publish({.key = "q", .body = "later"}));
    const auto heard = client.hear();
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].find("0 connection.close"), 0u);
    client.close();
    world_->broker->settle_down();
    EXPECT_EQ(count_of(other.say(get("q", true) + get("q", true)), "get-ok"), 2u);
  }
}

TEST_F(AmqpConnection, AClientThatDoesNotAnswerACloseIsNotWaitedForLonger) {
  Client client(*world_);
  client.log_in();
  client.conversation().drain();
  pass(10s, {&client});
  EXPECT_TRUE(client.conversation().finished());
  Client early(*world_);
  early.say(wa::kProtocolHeader);
  early.conversation().drain();
  EXPECT_TRUE(early.conversation().finished());
}

// ---- who is shown

class Shown final : public ConnectionVisitor {
 public:
  void on_connection(const ConnectionView& one) override {
    lines.push_back(fmt::format("{} {} {} {}", one.peer, one.user, one.vhost, one.state));
    name = one.name;
  }
  void on_channel(const ChannelView& one) override {
    lines.push_back(fmt::format("channel {} prefetch {} unacked {} consumers {}", one.number,
                                one.prefetch, one.unacknowledged, one.consumers));
  }
  void on_consumer(const ConsumerView& one) override {
    lines.push_back(fmt::format("consumer {} of {} acks {}", one.tag, one.queue, one.acknowledges));
  }
  Lines lines;
  std::string name;
};

TEST_F(AmqpConnection, ConnectionsAreShownAndCanBeClosedFromElsewhere) {
  Client early(*world_), client(*world_);
  early.say(wa::kProtocolHeader);
  client.log_in();
  client.say(declare("q") + qos(7) + consume("q") + publish({.key = "q", .body = "x"}));
  Shown shown;
  world_->service->visit(shown);
  EXPECT_EQ(shown.lines,
            (Lines{"127.0.0.1:50000 guest / running", "channel 1 prefetch 7 unacked 1 consumers 1",
                   "consumer t of q acks true"}));
  EXPECT_FALSE(world_->service->close_connection("nobody", "why"));
  EXPECT_TRUE(world_->service->close_connection(shown.name, "because"));
  EXPECT_EQ(client.hear(), Lines{"0 connection.close(320,CONNECTION_FORCED - because,0,0)"});
  client.say(method(0, wa::ConnectionCloseOk{}));
  client.close();
  world_->broker->settle_down();
  Client other(*world_);
  other.log_in();
  EXPECT_EQ(count_of(other.say(get("q")), "basic.get-ok(1,true"), 1u) << "what it held is back";
  world_->service->close_connections_of("elsewhere", "gone");
  EXPECT_EQ(other.hear(), Lines{});
  world_->service->close_connections_of("/", "gone");
  EXPECT_EQ(count_of(other.hear(), "connection.close(320"), 1u);
}

TEST_F(AmqpConnection, TextsThatAreNoUtf8AreRefusedAndNotRepeated) {
  Client client(*world_);
  client.log_in();
  const auto refused = client.say(declare(
      "q", table(with("x-dead-letter-exchange", ""), with("x-dead-letter-routing-key", "k\xdd"))));
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_NE(refused[0].find("406,PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key'"),
            std::string::npos)
      << refused[0];
  client.say(method(1, wa::ChannelCloseOk{}) + method(1, wa::ChannelOpen{}));
  const auto type = client.say(declare("q", table(with("x-queue-type", "direc\xdd"))));
  EXPECT_EQ(count_of(type, "channel.close(406"), 1u) << "and it can be read";
}

TEST_F(AmqpConnection, MethodsOutOfTheirTurnEndTheConnection) {
  const std::pair<std::string, std::string_view> said[] = {
      {hello() + open_host(), "(503"},
      {hello() + start_ok(), "(503"},
      {hello() + tune_ok(), "(503"},
      {hello() + method(1, wa::ChannelOpen{}), "(504"},
      {hello() + method(2, wa::BasicQos{}), "(504"},
      {hello() + method(0, wa::BasicQos{}), "(503"},
      {hello() + method(1, wa::ConnectionOpen{}), "(503"},
      {hello() + method(101, wa::ChannelOpen{}), "(530"},
      {hello() + method(1, wa::BasicPublish{}) + method(1, wa::BasicQos{}), "(505"},
      {hello() + publish({.key = "q", .body = "x"}).substr(0, 0) + "\x09garbage-in-frames", "(501"},
  };
  for (const auto& [bytes, code] : said) {
    Client client(*world_);
    EXPECT_EQ(count_of(client.say(bytes), std::string("connection.close") + std::string(code)), 1u)
        << code;
  }
}

}  // namespace
}  // namespace penstock::protocol::amqp
