// Replies in order, waits, pressure, and the ends of connections.
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

using namespace std::chrono_literals;

class RespOrder : public RespTest {};

TEST_F(RespOrder, RepliesKeepTheirOrderAroundATaskThatIsWaitedFor) {
  Talker worker(*service_, *broker_), peer(*service_, *broker_);
  worker.say({"TASK.SUBMIT", "t", "[]"});
  const auto lease = at(worker.say({"TASK.TAKE", "default"}).items[0], "lease").text;
  peer.give("PING one\r\n" + encoded({"TASK.GET", "1", "WAIT", "10s"}) +
            encoded({"SEND", "q", "b"}) + "PING two\r\n");
  settle();
  EXPECT_EQ(peer.take_output(), "$3\r\none\r\n");
  EXPECT_EQ(broker_->statistics().messages, 2u) << "SEND was carried out while TASK.GET waits";
  worker.say({"TASK.DONE", lease, "42"});
  const auto rest = decoded(peer.take_output());
  ASSERT_EQ(rest.size(), 3u);
  EXPECT_EQ(at(rest[0], "result").text, "42");
  EXPECT_EQ(rest[1].text, "2");
  EXPECT_EQ(rest[2].text, "two");
}

TEST_F(RespOrder, AnAnswerThatIsKnownAtOnceGoesOutInItsTurnAndOnlyWhenAllIsDurable) {
  Peer peer(*service_);
  peer.give(encoded({"SEND", "q", "b"}) + encoded({"QUEUE.LIST"}) + encoded({"WORKER.LIST"}) +
            "PING one\r\n");
  EXPECT_EQ(peer.take_output(), "");
  settle();
  const auto replies = decoded(peer.take_output());
  ASSERT_EQ(replies.size(), 4u);
  EXPECT_EQ(replies[0].text, "1");
  EXPECT_EQ(replies[2].text, R"({"workers":[]})");
  EXPECT_EQ(replies[3].text, "one");
  Peer other(*service_);
  other.give(encoded({"SEND", "q", "b"}));
  peer.give(encoded({"WORKER.LIST"}));
  EXPECT_EQ(peer.take_output(), "") << "what it tells may rest on what is not on disk yet";
  settle();
  EXPECT_EQ(decoded(peer.take_output()).size(), 1u);
}

TEST_F(RespOrder, AWaitingTakeIsAnsweredByThePublishAndOneInVainByItsTime) {
  Talker consumer(*service_, *broker_), producer(*service_, *broker_);
  consumer.give(encoded({"RECEIVE", "a", "b", "WAIT", "20s"}) +
                encoded({"RECEIVE", "c", "WAIT", "5s"}));
  settle();
  EXPECT_EQ(consumer.take_output(), "");
  consumer.wakes = 0;
  producer.say({"SEND", "b", "x"});
  EXPECT_GT(consumer.wakes, 0);
  const auto first = decoded(consumer.take_output());
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(at(first[0].items[0], "queue").text, "b");
  pass(5s);
  EXPECT_EQ(consumer.take_output(), "*0\r\n");
}

TEST_F(RespOrder, HowTheInputIsCutChangesNothing) {
  const std::string dialogue =
      "HELLO 3\r\n" + encoded({"SEND", "q", std::string(300, 'x')}) + "\r\n" +
      encoded({"QUEUE.DECLARE", "q", "max_length", "5"}) + "PING \"a b\"\r\n" +
      encoded({"SENDMANY", "q", "BODIES", "2", "", "\r\n"}) +
      encoded({"RECEIVE", "q", "MAX", "3"}) + encoded({"RECEIVE", "empty", "WAIT", "1s"}) +
      encoded({"NOSUCH"}) + encoded({"QUIT"});
  std::string expected;
  for (const std::size_t chunk :
       {std::size_t{SIZE_MAX}, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{64}}) {
    open({});
    Peer peer(*service_);
    peer.give(dialogue, chunk);
    settle();
    const auto output = peer.take_output();
    EXPECT_TRUE(peer.conversation().finished());
    if (expected.empty()) expected = output;
    EXPECT_EQ(output.size(), expected.size());
    EXPECT_EQ(output, expected) << "in pieces of " << chunk;
    peer.close();
  }
  EXPECT_NE(expected.find("unknown command"), std::string::npos);
}

TEST_F(RespOrder, TheVersionOfAnAnswerIsThatOfItsCommand) {
  Talker worker(*service_, *broker_), peer(*service_, *broker_);
  peer.give(encoded({"RECEIVE", "q", "WAIT", "9s"}) + "HELLO 3\r\n" + encoded({"RECEIVE", "q"}));
  worker.say({"SENDMANY", "q", "BODIES", "1", "x"});
  const auto replies = decoded(peer.take_output());
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[0].items[0].type, ReplyType::array) << "asked in RESP2";
  EXPECT_EQ(replies[1].type, ReplyType::map);
}

TEST_F(RespOrder, TooManyUnansweredCommandsStopTheInputUntilOneIsAnswered) {
  Settings settings;
  settings.max_unanswered = 4;
  open(std::move(settings));
  Talker peer(*service_, *broker_), other(*service_, *broker_);
  peer.give(encoded({"RECEIVE", "q", "WAIT", "10s"}));
  for (int n = 0; n < 6; ++n) peer.give("PING\r\n");
  EXPECT_FALSE(peer.conversation().wants_input());
  EXPECT_EQ(peer.held(), 3 * std::string_view("PING\r\n").size());
  other.say({"SEND", "q", "x"});
  EXPECT_TRUE(peer.conversation().wants_input());
  peer.feed();
  EXPECT_EQ(decoded(peer.take_output()).size(), 7u);
  EXPECT_EQ(peer.held(), 0u);
}

TEST_F(RespOrder, OutputThatNobodyReadsStopsTheInput) {
  Settings settings;
  settings.max_output_bytes = 1000;
  open(std::move(settings));
  Talker peer(*service_, *broker_);
  const auto echo = encoded({"ECHO", std::string(400, 'e')});
  peer.give(echo + echo + echo + echo);
  EXPECT_FALSE(peer.conversation().wants_input());
  EXPECT_EQ(peer.held(), echo.size());
  peer.take_output();
  EXPECT_TRUE(peer.conversation().wants_input());
}

TEST_F(RespOrder, AnswersThatWaitForAnEarlierOneCountAsOutput) {
  Settings settings;
  settings.max_output_bytes = 1000;
  open(std::move(settings));
  Talker peer(*service_, *broker_);
  peer.give(encoded({"RECEIVE", "q", "WAIT", "10s"}));
  for (int n = 0; n < 5; ++n) peer.give(encoded({"ECHO", std::string(400, 'e')}));
  EXPECT_FALSE(peer.conversation().wants_input());
  EXPECT_TRUE(peer.conversation().output().empty());
}

TEST_F(RespOrder, AWaitIsEndedByUnblockOnItsOwnConnectionAndFromAnother) {
  Talker peer(*service_, *broker_), other(*service_, *broker_);
  const auto id = std::to_string(peer.say({"CLIENT", "ID"}).integer);
  EXPECT_EQ(peer.raw(encoded({"RECEIVE", "q", "WAIT", "1h"})), "");
  EXPECT_EQ(peer.raw(encoded({"CLIENT", "UNBLOCK", id})), "*0\r\n:1\r\n");
  const auto task = peer.say({"TASK.SUBMIT", "t", "[]"}).text;
  EXPECT_EQ(peer.raw(encoded({"TASK.GET", task, "WAIT", "1h"})), "");
  EXPECT_EQ(other.say({"CLIENT", "UNBLOCK", id}).integer, 1);
  const auto replies = decoded(peer.take_output());
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(at(replies[0], "state").text, "queued");
  pass(2h);
  EXPECT_EQ(peer.take_output(), "") << "the wait that was ended answers once";
  EXPECT_EQ(other.say({"CLIENT", "UNBLOCK", id}).integer, 0);
}

TEST_F(RespOrder, APeerThatStopsSendingGetsItsAnswersAndNoFurtherMessages) {
  Talker peer(*service_, *broker_), other(*service_, *broker_);
  peer.give("PING\r\n" + encoded({"RECEIVE", "q", "WAIT", "1h"}));
  peer.conversation().on_end_of_input();
  settle();
  EXPECT_EQ(peer.take_output(), "+PONG\r\n*0\r\n");
  EXPECT_TRUE(peer.conversation().finished());
  other.say({"SEND", "q", "x"});
  EXPECT_EQ(peer.take_output(), "");
}

TEST_F(RespOrder, ADrainingServerAnswersWhatItHasAndTakesNothingNew) {
  Talker peer(*service_, *broker_);
  peer.give(encoded({"SEND", "q", "x"}) + encoded({"RECEIVE", "other", "WAIT", "1h"}));
  peer.conversation().drain();
  EXPECT_FALSE(peer.conversation().wants_input());
  settle();
  EXPECT_EQ(peer.take_output(), "$1\r\n1\r\n*0\r\n");
  EXPECT_TRUE(peer.conversation().finished());
}

// The dialogue of a worker, cut off after each of its bytes: whatever it held is there for the
// next.
TEST_F(RespOrder, ADisconnectAtAnyByteLosesNothingAndLeaksNothing) {
  const std::string dialogue =
      "HELLO 3\r\n" + encoded({"SEND", "q", "mine"}) + encoded({"RECEIVE", "q", "MAX", "2"}) +
      encoded({"RECEIVE", "empty", "WAIT", "1h"}) + encoded({"TASK.GET", "1", "WAIT", "1h"}) +
      encoded({"SEND", "full", "x", "WAIT", "1h"}) + encoded({"RECEIVE", "q", "WAIT", "1h"});
  for (std::size_t cut = 0; cut <= dialogue.size(); ++cut) {
    for (const bool settled : {false, true}) {
      open({});
      Talker other(*service_, *broker_);
      other.say({"TASK.SUBMIT", "t", "[]", "QUEUE", "later", "DELAY", "1h"});
      other.say({"QUEUE.DECLARE", "full", "max_length", "1", "overflow", "block"});
      other.say({"SEND", "full", "first"});
      other.say({"SEND", "q", "theirs"});
      {
        Peer peer(*service_);
        peer.give(std::string_view(dialogue).substr(0, cut), 16);
        if (settled) settle();
      }
      settle();
      EXPECT_EQ(broker_->statistics().sessions, 1u);
      EXPECT_EQ(broker_->statistics().waiting_takes, 0u);
      EXPECT_EQ(service_->statistics().connections, 1u);
      const auto taken = other.say({"RECEIVE", "q", "MAX", "10"});
      ASSERT_GE(taken.items.size(), 1u) << "cut at " << cut;
      EXPECT_EQ(at(taken.items[0], "body").text, "theirs");
      other.close();
    }
  }
}

// Each answer was made and kept, as many as had been asked for before the first went out.
TEST_F(RespOrder, AnswersThatWereAskedForInOneGoComeAsTheyAreRead) {
  Settings settings;
  settings.max_output_bytes = 1000;
  open(std::move(settings));
  Talker writer(*service_, *broker_), peer(*service_, *broker_);
  std::string all;
  for (int n = 0; n < 20; ++n) {
    writer.say({"SEND", "q", std::string(400, 'm')});
    all += encoded({"RECEIVE", "q"});
  }
  peer.give(all);
  std::size_t replies = 0;
  for (int rounds = 0; replies < 20 && rounds < 20; ++rounds) {
    settle();
    EXPECT_LT(peer.conversation().output_memory(), 6000u);
    replies += decoded(peer.take_output()).size();
  }
  EXPECT_EQ(replies, 20u);
  EXPECT_GT(broker_->statistics().replies_put_off, 15u);
}

TEST_F(RespOrder, AnswersThatWaitBehindAnotherAreBoundedAndComeAfterIt) {
  Settings settings;
  settings.max_output_bytes = 1000;
  open(std::move(settings));
  Talker worker(*service_, *broker_), peer(*service_, *broker_);
  worker.say({"TASK.SUBMIT", "t", "[]"});
  const auto lease = at(worker.say({"TASK.TAKE", "default"}).items[0], "lease").text;
  std::string all = encoded({"TASK.GET", "1", "WAIT", "10s"});
  for (int n = 0; n < 20; ++n) {
    worker.say({"SEND", "q", std::string(400, 'm')});
    all += encoded({"RECEIVE", "q"});
  }
  peer.give(all);
  settle();
  EXPECT_TRUE(peer.conversation().output().empty());
  EXPECT_LT(peer.conversation().output_memory(), 6000u);
  worker.say({"TASK.DONE", lease, "42"});
  std::size_t replies = 0;
  for (int rounds = 0; replies < 21 && rounds < 40; ++rounds) {
    replies += decoded(peer.take_output()).size();
    settle();
  }
  EXPECT_EQ(replies, 21u);
}

}  // namespace
}  // namespace penstock::protocol::resp
