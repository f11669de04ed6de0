// Going out: prefetch, credit in bytes, settles, and the ends of consumers.
#include "test/protocol/amqp_fixture.h"

namespace penstock::protocol::amqp {
namespace {

class AmqpConsume : public AmqpTest {
 protected:
  void SetUp() override {
    EXPECT_EQ(count_of(client_.log_in(), "channel.open-ok"), 1u);
    other_.log_in();
    client_.say(declare("q"));
  }
  void TearDown() override {
    client_.close();
    other_.close();
  }
  void fill(int count, std::size_t bytes = 1) {
    for (int n = 0; n < count; ++n)
      other_.say(publish({.key = "q", .body = std::string(bytes, static_cast<char>('a' + n % 26))},
                         1, 131'072));
  }

  Client client_{*world_}, other_{*world_};
};

TEST_F(AmqpConsume, APrefetchIsWhatMayBeUnacknowledged) {
  fill(5);
  const auto first = client_.say(qos(2) + consume("q"));
  EXPECT_EQ(only(first, "basic.deliver"),
            (Lines{"1 basic.deliver(t,1,false,,q)", "1 basic.deliver(t,2,false,,q)"}));
  EXPECT_EQ(only(client_.say(ack(1)), "basic.deliver"), Lines{"1 basic.deliver(t,3,false,,q)"});
  EXPECT_EQ(count_of(client_.say(ack(3, true)), "basic.deliver"), 2u);
  EXPECT_EQ(client_.say(ack(0, true)), Lines{});
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpConsume, APrefetchOfTheChannelIsSharedAndCanBeChanged) {
  fill(6);
  wa::BasicConsume second;
  second.queue = "q";
  second.consumer_tag = "u";
  EXPECT_EQ(count_of(client_.say(qos(3, true) + consume("q") + method(1, second)), "deliver"), 3u);
  EXPECT_EQ(count_of(client_.say(qos(5, true)), "deliver"), 2u);
  EXPECT_EQ(count_of(client_.say(qos(1, true) + ack(2, true)), "deliver"), 0u);
  EXPECT_EQ(count_of(client_.say(ack(5, true)), "deliver"), 1u);
}

TEST_F(AmqpConsume, ADeliveryIsMadeOnlyWhenItIsDurable) {
  client_.say(consume("q"));
  other_.give(publish({.key = "q", .body = "x"}));
  world_->broker->turn();
  EXPECT_TRUE(client_.conversation().output().empty());
  EXPECT_EQ(count_of(client_.hear(), "body x"), 1u);
}

// What is in the output of a consumer that does not read is bounded, whatever its prefetch is.
TEST_F(AmqpConsume, AConsumerThatDoesNotReadHoldsFourMebibytesAndNoMore) {
  constexpr std::size_t kBody = 200u << 10, kOnTheWay = 4u << 20, kLow = 1u << 20;
  fill(60, kBody);
  client_.hear();
  client_.give(consume("q"));
  world_->broker->settle_down();
  const auto& conversation = client_.conversation();
  EXPECT_GT(conversation.output().size(), kOnTheWay);
  EXPECT_LT(conversation.output().size(), kOnTheWay + kBody + 4096);
  // Who reads slowly gets all of it, and as much may be on the way again once little is left.
  std::string heard;
  std::size_t most = 0;
  while (!conversation.output().empty()) {
    const auto part =
        conversation.output().first(std::min<std::size_t>(conversation.output().size(), 300'000));
    heard.append(as_text(part));
    client_.conversation().sent(part.size());
    world_->broker->settle_down();
    most = std::max(most, conversation.output().size());
  }
  EXPECT_LT(most, kLow + kOnTheWay + kBody + 4096);
  EXPECT_EQ(count_of(lines_of(heard), "basic.deliver"), 60u);
}

TEST_F(AmqpConsume, AConsumerThatReadsOnGetsAll) {
  fill(60, 200u << 10);
  EXPECT_EQ(count_of(client_.say(consume("q", true)), "basic.deliver"), 60u);
  EXPECT_EQ(messages(), 0u);
}

TEST_F(AmqpConsume, WhatIsRejectedComesBackInItsPlaceAndRedelivered) {
  fill(3);
  client_.say(qos(1) + consume("q"));
  wa::BasicReject reject;
  reject.delivery_tag = 1;
  reject.requeue = true;
  const auto again = client_.say(method(1, reject));
  EXPECT_EQ(only(again, "deliver"), Lines{"1 basic.deliver(t,2,true,,q)"});
  EXPECT_EQ(only(again, "body"), Lines{"1 body a"});
  reject.delivery_tag = 2;
  reject.requeue = false;
  EXPECT_EQ(only(client_.say(method(1, reject)), "body"), Lines{"1 body b"});
}

TEST_F(AmqpConsume, AnUnknownDeliveryTagClosesTheChannelAndGivesAllBack) {
  fill(2);
  client_.say(consume("q"));
  EXPECT_EQ(count_of(client_.say(ack(3)), "channel.close(406"), 1u);
  EXPECT_EQ(count_of(other_.say(get("q") + get("q")), "basic.get-ok"), 2u);
}

TEST_F(AmqpConsume, AGetWithoutAcknowledgementIsSettledAtOnce) {
  fill(1);
  EXPECT_EQ(count_of(client_.say(get("q", true)), "basic.get-ok"), 1u);
  EXPECT_EQ(messages(), 0u) << "and not only when its client says something again";
}

TEST_F(AmqpConsume, TheSameTagIsSettledOnce) {
  fill(1);
  client_.say(get("q"));
  EXPECT_EQ(client_.say(ack(1)), Lines{});
  EXPECT_EQ(count_of(client_.say(ack(1)), "channel.close(406"), 1u);
}

TEST_F(AmqpConsume, AConsumerIsToldThatItsQueueIsGone) {
  client_.say(consume("q"));
  wa::QueueDelete gone;
  gone.queue = "q";
  EXPECT_EQ(other_.say(method(1, gone)), Lines{"1 queue.delete-ok(0)"});
  EXPECT_EQ(client_.hear(), Lines{"1 basic.cancel(t,true)"});
}

TEST_F(AmqpConsume, ACancelledConsumerGetsNothingMoreAndKeepsWhatItHas) {
  fill(2);
  client_.say(qos(1) + consume("q"));
  wa::BasicCancel cancel;
  cancel.consumer_tag = "t";
  EXPECT_EQ(client_.say(method(1, cancel)), Lines{"1 basic.cancel-ok(t)"});
  EXPECT_EQ(client_.say(ack(1)), Lines{});
  EXPECT_EQ(messages(), 1u);
}

TEST_F(AmqpConsume, AClosedChannelGivesBackWhatItHeld) {
  fill(2);
  client_.say(consume("q"));
  EXPECT_EQ(client_.say(method(1, wa::ChannelClose{})), Lines{"1 channel.close-ok()"});
  const auto taken = other_.say(get("q") + get("q"));
  EXPECT_EQ(only(taken, "get-ok"),
            (Lines{"1 basic.get-ok(1,true,,q,1)", "1 basic.get-ok(2,true,,q,0)"}));
}

TEST_F(AmqpConsume, HeadersAndIdsComeOutAsTheyWentIn) {
  wa::Properties properties;
  const auto headers = table(with("n", 1), with("s", "text"));
  properties.headers = wa::TableView::trusted(as_bytes(headers));
  properties.message_id = "id";
  other_.say(publish({.key = "q", .body = "x", .properties = properties}));
  EXPECT_EQ(only(client_.say(get("q")), "header"),
            Lines{R"(1 header 1 {"n":1,"s":"text"} message_id=id)"});
}

}  // namespace
}  // namespace penstock::protocol::amqp
