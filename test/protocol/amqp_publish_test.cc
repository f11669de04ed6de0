// Coming in: confirms, refusals, stalls, transactions.
#include "test/protocol/amqp_fixture.h"

namespace penstock::protocol::amqp {
namespace {

class AmqpPublish : public AmqpTest {
 protected:
  void SetUp() override { log_in(); }
  void log_in(const Login& login = {}) {
    client_ = std::make_unique<Client>(*world_);
    EXPECT_EQ(count_of(client_->log_in(login), "channel.open-ok"), 1u);
  }
  void TearDown() override { client_.reset(); }

  std::unique_ptr<Client> client_;
};

constexpr std::string_view kReject = "reject-publish";

// ---- confirms

TEST_F(AmqpPublish, ConfirmsOfOneTurnAreOneFrame) {
  client_->say(declare("q") + confirms());
  std::string three;
  for (const auto* body : {"a", "b", "c"}) three += publish({.key = "q", .body = body});
  EXPECT_EQ(client_->say(three), Lines{"1 basic.ack(3,true)"});
  EXPECT_EQ(client_->say(publish({.key = "q", .body = "d"})), Lines{"1 basic.ack(4,false)"});
}

TEST_F(AmqpPublish, AConfirmComesOnlyWhenTheMessageIsDurable) {
  client_->say(declare("q") + confirms());
  client_->give(publish({.key = "q", .body = "x"}));
  world_->broker->turn();
  EXPECT_TRUE(client_->conversation().output().empty());
  EXPECT_EQ(client_->hear(), Lines{"1 basic.ack(1,false)"});
}

TEST_F(AmqpPublish, AConfirmThatHasLeftIsNotWrittenOver) {
  client_->say(declare("q") + confirms());
  client_->give(publish({.key = "q", .body = "a"}));
  world_->broker->settle_down();
  const auto half = client_->conversation().output().size() / 2;
  std::string heard(as_text(client_->conversation().output().first(half)));
  client_->conversation().sent(half);
  client_->give(publish({.key = "q", .body = "b"}));
  world_->broker->settle_down();
  heard += client_->take_output();
  EXPECT_EQ(lines_of(heard), (Lines{"1 basic.ack(1,false)", "1 basic.ack(2,false)"}));
}

TEST_F(AmqpPublish, ChannelsHaveTheirOwnConfirms) {
  client_->say(declare("q") + confirms() + method(2, wa::ChannelOpen{}) +
               method(2, wa::ConfirmSelect{}));
  EXPECT_EQ(
      client_->say(publish({.key = "q", .body = "a"}) + publish({.key = "q", .body = "b"}, 2) +
                   publish({.key = "q", .body = "c"})),
      (Lines{"1 basic.ack(1,false)", "2 basic.ack(1,false)", "1 basic.ack(2,false)"}));
}

TEST_F(AmqpPublish, ARefusedPublishIsNackedInItsTurn) {
  client_->say(declare("q", table(with("x-max-length", 2), with("x-overflow", kReject))) +
               confirms());
  std::string four;
  for (const auto* body : {"a", "b", "c", "d"}) four += publish({.key = "q", .body = body});
  EXPECT_EQ(client_->say(four), (Lines{"1 basic.ack(2,true)", "1 basic.nack(3,false,false)",
                                       "1 basic.nack(4,false,false)"}));
  EXPECT_EQ(client_->say(get("q", true)).size(), 3u);
  EXPECT_EQ(client_->say(publish({.key = "q", .body = "e"})), Lines{"1 basic.ack(5,false)"});
  EXPECT_EQ(world_->service->statistics().nacks, 2u);
}

TEST_F(AmqpPublish, WhatNobodyWantsIsReturnedAndConfirmed) {
  client_->say(confirms());
  const auto heard = client_->say(publish({.key = "none", .body = "x", .mandatory = true}) +
                                  publish({.key = "none", .body = "y"}));
  EXPECT_EQ(heard, (Lines{"1 basic.return(312,NO_ROUTE,,none)", "1 header 1", "1 body x",
                          "1 basic.ack(2,true)"}));
}

TEST_F(AmqpPublish, ACloseOfTheChannelComesBehindTheConfirmsThatItOwes) {
  client_->say(declare("q") + confirms());
  const auto heard = client_->say(publish({.key = "q", .body = "a"}) + get("none") +
                                  publish({.key = "q", .body = "ignored"}));
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0], "1 basic.ack(1,false)");
  EXPECT_EQ(heard[1].find("1 channel.close(404,NOT_FOUND"), 0u);
  EXPECT_EQ(messages(), 1u);
  EXPECT_EQ(client_->say(method(1, wa::ChannelCloseOk{}) + method(1, wa::ChannelOpen{})),
            Lines{"1 channel.open-ok()"});
  EXPECT_EQ(client_->say(publish({.key = "q", .body = "x"}) + method(1, wa::ChannelClose{})),
            Lines{"1 channel.close-ok()"});
  EXPECT_EQ(messages(), 2u);
}

// ---- without confirms: the publisher is slowed down

TEST_F(AmqpPublish, WithoutConfirmsAFullQueueStallsThePublisherUntilThereIsRoom) {
  Client other(*world_);
  other.log_in();
  client_->say(declare("q", table(with("x-max-length", 1), with("x-overflow", kReject))));
  client_->say(publish({.key = "q", .body = "a"}));
  client_->say(publish({.key = "q", .body = "b"}) + qos(1));
  EXPECT_FALSE(client_->conversation().wants_input());
  EXPECT_EQ(client_->held(), qos(1).size());
  pass(6s, {client_.get()});
  EXPECT_FALSE(client_->conversation().wants_input()) << "there is no room yet";
  EXPECT_EQ(count_of(other.say(get("q", true)), "body a"), 1u);
  pass(6s, {client_.get()});
  EXPECT_EQ(client_->hear(), Lines{"1 basic.qos-ok()"});
  EXPECT_EQ(count_of(other.say(get("q", true)), "body b"), 1u);
  EXPECT_EQ(world_->service->statistics().stalls, 2u);
}

TEST_F(AmqpPublish, AStalledPublisherThatLeavesTakesItsMessageAlong) {
  client_->say(declare("q", table(with("x-max-length", 1), with("x-overflow", kReject))) +
               publish({.key = "q", .body = "a"}) + publish({.key = "q", .body = "b"}));
  EXPECT_FALSE(client_->conversation().wants_input());
  client_.reset();
  world_->broker->settle_down();
  EXPECT_EQ(messages(), 1u);
  EXPECT_EQ(world_->broker->statistics().sessions, 0u);
}

TEST_F(AmqpPublish, AStalledPublisherIsNotMissedForItsHeartbeats) {
  client_.reset();
  log_in({.heartbeat = 2});
  client_->say(declare("q", table(with("x-max-length", 1), with("x-overflow", kReject))) +
               publish({.key = "q", .body = "a"}) + publish({.key = "q", .body = "b"}));
  for (int n = 0; n < 20; ++n) {
    pass(1s, {client_.get()});
    client_->hear();
  }
  EXPECT_FALSE(client_->conversation().finished());
  EXPECT_FALSE(client_->conversation().wants_input());
}

TEST_F(AmqpPublish, AClientThatWantsToBeToldHearsOfShortMemoryAndOfItsEnd) {
  client_.reset();
  world_->close();
  world_->options.max_transient_bytes = 1000;
  world_->open();
  Client other(*world_);
  other.log_in();
  log_in({.blocked = true});
  const std::string body(600, 'x');
  client_->say(declare("q", {}, false) + publish({.key = "q", .body = body}));
  const auto blocked = client_->say(publish({.key = "q", .body = body}));
  ASSERT_EQ(blocked.size(), 1u);
  EXPECT_EQ(blocked[0].find("0 connection.blocked(the queues that live in memory"), 0u);
  other.say(get("q", true));
  pass(5s, {client_.get()});
  EXPECT_EQ(client_->hear(), Lines{"0 connection.unblocked()"});
  EXPECT_TRUE(client_->conversation().wants_input());
}

TEST_F(AmqpPublish, AClientThatDoesNotWantToBeToldIsOnlyStalled) {
  client_.reset();
  world_->close();
  world_->options.max_transient_bytes = 1000;
  world_->open();
  log_in();
  const std::string body(600, 'x');
  client_->say(declare("q", {}, false));
  EXPECT_EQ(client_->say(publish({.key = "q", .body = body}) + publish({.key = "q", .body = body})),
            Lines{});
  EXPECT_FALSE(client_->conversation().wants_input());
}

// ---- bodies

TEST_F(AmqpPublish, ABodyComesInAsManyFramesAsItsClientLikes) {
  client_->say(declare("q") + confirms());
  const std::string body(20'000, 'b');
  EXPECT_EQ(client_->say(publish({.key = "q", .body = body})), Lines{"1 basic.ack(1,false)"});
  EXPECT_EQ(client_->say(publish({.key = "q", .body = body}, 1, 131'072)),
            Lines{"1 basic.ack(2,false)"});
  EXPECT_EQ(client_->say(publish({.key = "q", .body = ""})), Lines{"1 basic.ack(3,false)"});
  EXPECT_EQ(client_->say(get("q", true)).back(), "1 body " + body);
}

TEST_F(AmqpPublish, ABodyThatIsNotWhatItsHeaderSaysEndsTheConnection) {
  const auto good = publish({.key = "q", .body = "12345"});
  const auto longer = good.substr(0, good.size() - 13);  // without its body
  std::string bytes = longer;
  wa::write_body(bytes, 1, as_bytes(std::string_view("123456")), 0);
  EXPECT_EQ(count_of(client_->say(bytes), "connection.close(501"), 1u);
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpPublish, AMessageThatIsTooLargeIsRefusedByItsHeader) {
  Settings settings;
  settings.max_message_bytes = 1000;
  client_.reset();
  open(settings);
  log_in();
  wa::BasicPublish one;
  auto bytes = method(1, one);
  wa::write_content_header(bytes, 1, 1001, wa::Properties{});
  EXPECT_EQ(count_of(client_->say(bytes), "channel.close(406"), 1u);
  EXPECT_EQ(client_->conversation().held_bytes(), 0u);
}

// ---- transactions

class AmqpTransaction : public AmqpPublish {
 protected:
  void SetUp() override {
    AmqpPublish::SetUp();
    client_->say(declare("a") + declare("b") + method(1, wa::TxSelect{}));
  }
  const std::string commit_ = method(1, wa::TxCommit{}), rollback_ = method(1, wa::TxRollback{});
};

TEST_F(AmqpTransaction, WhatIsPublishedIsThereWithTheCommit) {
  EXPECT_EQ(client_->say(publish({.key = "a", .body = "1"}) + publish({.key = "b", .body = "2"})),
            Lines{});
  EXPECT_EQ(messages(), 0u);
  EXPECT_EQ(client_->say(commit_), Lines{"1 tx.commit-ok()"});
  EXPECT_EQ(messages(), 2u);
  EXPECT_EQ(client_->say(publish({.key = "a", .body = "3"}) + rollback_),
            Lines{"1 tx.rollback-ok()"});
  EXPECT_EQ(messages(), 2u);
}

TEST_F(AmqpTransaction, ACommitThatIsRefusedDoesNothingOfIt) {
  client_->say(declare("small", table(with("x-max-length", 1), with("x-overflow", kReject))));
  const auto heard =
      client_->say(publish({.key = "a", .body = "1"}) + publish({.key = "small", .body = "2"}) +
                   publish({.key = "small", .body = "3"}) + commit_);
  EXPECT_EQ(count_of(heard, "close(506"), 1u);
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpTransaction, AnAckHoldsWithTheCommitOnly) {
  client_->say(publish({.key = "a", .body = "1"}) + commit_);
  client_->say(get("a"));
  client_->say(ack(1) + publish({.key = "b", .body = "2"}));
  EXPECT_EQ(messages(), 1u);
  client_->say(rollback_ + ack(1) + commit_);
  EXPECT_EQ(messages(), 0u);
  client_->say(publish({.key = "a", .body = "1"}) + commit_);
  client_->say(get("a"));
  client_->say(ack(2));
  client_.reset();
  world_->broker->settle_down();
  EXPECT_EQ(messages(), 1u) << "it was not committed";
}

TEST_F(AmqpTransaction, ARefusedCommitGivesBackWhatItWouldHaveSettled) {
  Client other(*world_);
  other.log_in();
  client_->say(declare("small", table(with("x-max-length", 1), with("x-overflow", kReject))));
  client_->say(publish({.key = "a", .body = "1"}) + commit_);
  client_->say(get("a"));
  const auto heard = client_->say(ack(1) + publish({.key = "small", .body = "2"}) +
                                  publish({.key = "small", .body = "3"}) + commit_);
  EXPECT_EQ(count_of(heard, "channel.close(506"), 1u);
  EXPECT_EQ(only(other.say(get("a")), "get-ok"), Lines{"1 basic.get-ok(1,true,,a,0)"})
      << "its connection is open still";
}

TEST_F(AmqpTransaction, WhatIsTakenWithoutAcknowledgementIsNoPartOfIt) {
  client_->say(publish({.key = "a", .body = "1"}) + commit_);
  EXPECT_EQ(count_of(client_->say(get("a", true)), "body 1"), 1u);
  EXPECT_EQ(messages(), 0u);
  EXPECT_EQ(client_->say(rollback_), Lines{"1 tx.rollback-ok()"});
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpTransaction, ATransactionHasABound) {
  Settings settings;
  settings.max_transaction_bytes = 4000;
  client_.reset();
  open(settings);
  log_in();
  client_->say(declare("a") + method(1, wa::TxSelect{}));
  std::string many;
  for (int n = 0; n < 20; ++n) many += publish({.key = "a", .body = std::string(300, 'x')});
  EXPECT_EQ(count_of(client_->say(many), "close(506"), 1u);
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpTransaction, TransactionsAndConfirmsExcludeEachOther) {
  EXPECT_EQ(count_of(client_->say(confirms()), "channel.close(406"), 1u);
}

}  // namespace
}  // namespace penstock::protocol::amqp
