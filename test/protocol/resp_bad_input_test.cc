// What a client gets for what it should not have said.
#include "test/protocol/resp_fixture.h"

namespace penstock::protocol::resp {
namespace {

class RespBadInput : public RespTest {};

struct Bad {
  std::vector<std::string_view> words;
  std::string_view answer;  // part of it
};

const std::string kLongName(256, 'n');

const Bad kBad[] = {
    {{"NOSUCH"}, "ERR unknown command \"NOSUCH\""},
    {{"SEND"}, "ERR wrong number of arguments: SEND queue body"},
    {{"ECHO", "a", "b"}, "ERR wrong number of arguments: ECHO message"},
    {{"SEND", "q", "b", "COLOUR", "red"}, "unknown option \"COLOUR\"; accepted are DELAY, AT"},
    {{"SEND", "q", "b", "DELAY"}, "DELAY: its value is missing"},
    {{"SEND", "q", "b", "DELAY", "soon"}, "DELAY: "},
    {{"SEND", "q", "b", "DELAY", "-5s"}, "DELAY: "},
    {{"SEND", "q", "b", "DELAY", "99999999999999d"}, "DELAY: "},
    {{"SEND", "q", "b", "DELAY", "100000d"}, "at most 36500d"},
    {{"SEND", "q", "b", "AT", "tomorrow"}, "AT: not a time"},
    {{"SEND", "q", "b", "AT", "18446744073709551615"}, "AT: not a time"},
    {{"SEND", "q", "b", "PRIORITY", "10"}, "PRIORITY: not a number from 0 to 9"},
    {{"SEND", "q", "b", "KEY", ""}, "KEY: "},
    {{"SEND", "q", "b", "HEADER", "only-a-name"}, "HEADER: its value is missing"},
    {{"SEND", "q", "b", "HEADER", "penstock-task", "x"}, "TASK.SUBMIT only"},
    {{"SEND", "", "b"}, "queue name"},
    {{"SEND", kLongName, "b"}, "queue name"},
    {{"SEND", "a\nb", "b"}, "queue name"},
    {{"SEND", "\xff\xfe", "b"}, "queue name"},
    {{"SENDMANY", "q", "BODIES", "3", "a", "b"}, "BODIES: \"3\" was said, and 2 follow"},
    {{"SENDMANY", "q", "BODIES", "0", "a"}, "BODIES: "},
    {{"SENDMANY", "q", "KEY", "k", "KEYFROM", "-1", "BODIES", "1", "a"}, "KEYFROM: "},
    {{"SENDMANY", "q", "PRIORITY", "1", "KEY", "k"}, "BODIES n body... is missing"},
    {{"RECEIVE", "q", "MAX", "0"}, "MAX: not a number from 1 to 1000000"},
    {{"RECEIVE", "q", "MAX", "4294967296"}, "MAX: not a number"},
    {{"RECEIVE", "q", "WAIT", "1"}, "WAIT: "},
    {{"RECEIVE", "q", "LEASE", "0s"}, "LEASE: "},
    {{"ACK", "12"}, "not a lease: \"12\""},
    {{"ACK", "1-2-3x"}, "not a lease"},
    {{"EXTEND", "1-1-7ebbbf10720e5051", "long"}, "ERR "},
    {{"TASK.SUBMIT", "t", "{}"}, "not a JSON array"},
    {{"TASK.SUBMIT", "t", "[1"}, "JSON: the text ends too early"},
    {{"TASK.SUBMIT", "t", "[],\"kwargs\":{}"}, "JSON: something follows"},
    {{"TASK.SUBMIT", "t", "[\"\xff\"]"}, "JSON: "},
    {{"TASK.SUBMIT", "t", "[]", "KWARGS", "[]"}, "KWARGS: not a JSON object"},
    {{"TASK.SUBMIT", "t", "[]", "BACKOFF", "often"}, "BACKOFF: not a backoff"},
    {{"TASK.SUBMIT", "t", "[]", "BACKOFF", "exponential:1s"}, "BACKOFF: not a backoff"},
    {{"TASK.SUBMITMANY", "t", "ARGS", "2", "[]"}, "ARGS: \"2\" was said, and 1 follow"},
    {{"TASK.DONE", "1-1-1", "nope"}, "result: JSON: "},
    {{"TASK.DONEMANY", "1-1-1"}, "wrong number of arguments"},
    {{"TASK.DONEMANY", "1-1-1", "1", "2-2-2"}, "pairs of a lease and a result"},
    {{"TASK.DONEPACKED", "junk"}, "not packed ends of tasks"},
    {{"TASK.DONEPACKED", ""}, "not packed ends of tasks"},
    {{"TASK.DONEPACKED", "\x02\x05\x01sealsealslot\x04nope"}, "result: JSON: "},
    {{"NACK", "1-1-1", "CAUSE", "bored"}, "no cause is \"bored\"; there are raised, timed_out"},
    {{"TASK.FAIL", "1-1-1", "e", "RETRY", "maybe"}, "RETRY: neither yes nor no"},
    {{"TASK.PROGRESS", "1-1-7ebbbf10720e5051", "nan", "2"}, "value: not a number"},
    {{"TASK.GET", "abc"}, "not an id"},
    {{"TASK.GET", "0"}, "not an id"},
    {{"TASK.CANCEL", "99"}, "NOTFOUND"},
    {{"QUEUE.DECLARE", "q", "max_length"}, "option \"max_length\" has no value"},
    {{"QUEUE.DECLARE", "q", "colour", "red"}, "colour"},
    {{"QUEUE.DECLARE", "q", "col\x1b[2J", "red"}, "no queue option \"col\\x1b[2j\""},
    {{"QUEUE.DECLARE", "q", "max_wait", kLongName}, "nnn\"...: "},
    {{"QUEUE.STATS", kLongName}, "nnn\"..."},
    {{"QUEUE.DECLARE", "q", "max_wait", "never"}, "max_wait"},
    {{"QUEUE.PURGE", "nothing"}, "NOTFOUND"},
    {{"QUEUE.BROWSE", "q", "LIMIT", "no"}, "LIMIT: "},
    {{"SELECT", "1"}, "ERR there is one database"},
    {{"CLIENT", "DANCE"}, "unknown subcommand of CLIENT \"DANCE\"; accepted are SETNAME"},
    {{"CLIENT", "SETNAME", "a b"}, "client name"},
    {{"AUTH", "secret"}, "no users are configured"},
    {{"HELLO", "4"}, "NOPROTO"},
    {{"HELLO", "3", "AUTH", "default", "x"}, "no users are configured"},
};

TEST_F(RespBadInput, AnErrorNamesTheOptionAndWhatIsAccepted) {
  Talker peer(*service_, *broker_);
  for (const auto& bad : kBad) {
    std::string command;
    wire::resp::write_command(command, bad.words);
    const auto replies = decoded(peer.raw(command));
    ASSERT_EQ(replies.size(), 1u) << bad.words[0];
    EXPECT_TRUE(replies[0].is_error()) << bad.words[0];
    EXPECT_NE(replies[0].text.find(bad.answer), std::string::npos)
        << bad.answer << " is not in: " << replies[0].text;
  }
  EXPECT_EQ(peer.text({"PING"}), "PONG") << "the connection goes on";
  EXPECT_EQ(broker_->statistics().messages, 0u) << "nothing bad came in";
}

TEST_F(RespBadInput, BadFramingIsAnsweredAndEndsTheConnection) {
  for (const std::string_view bytes :
       {"*1\r\n#4\r\nPING\r\n", "*-5\r\n", "*1\r\n$-7\r\n", "*99999999999\r\n",
        "*1\r\n$4\r\nPINGxx", "POST / HTTP/1.1\r\n", "*1\r\n$999999999999\r\n"}) {
    Talker peer(*service_, *broker_);
    const auto answer = peer.raw(std::string("PING\r\n") + std::string(bytes));
    EXPECT_TRUE(answer.starts_with("+PONG\r\n-ERR Protocol error: ")) << answer;
    EXPECT_TRUE(peer.conversation().finished());
    EXPECT_FALSE(peer.conversation().wants_input());
  }
}

TEST_F(RespBadInput, BadFramingBehindAWaitEndsTheWaitInOrder) {
  Talker peer(*service_, *broker_);
  const auto answer = peer.raw(encoded({"RECEIVE", "q", "WAIT", "1h"}) + "*x\r\n");
  EXPECT_TRUE(answer.starts_with("*0\r\n-ERR Protocol error: ")) << answer;
  EXPECT_TRUE(peer.conversation().finished());
}

TEST_F(RespBadInput, ABatchWithOneBadMemberLeavesNothingBehind) {
  Talker peer(*service_, *broker_);
  peer.say({"TASK.SUBMITMANY", "t", "ARGS", "3", "[1]", "oops", "[3]"});
  EXPECT_EQ(broker_->statistics().messages, 0u);
  peer.say({"SEND", "q", "a"});
  const auto lease = at(peer.say({"RECEIVE", "q"}).items[0], "lease").text;
  EXPECT_TRUE(peer.say({"TASK.DONEMANY", lease, "1", "junk", "2"}).is_error());
  EXPECT_EQ(peer.say({"ACK", lease}).integer, 1) << "the good half was not settled alone";
}

}  // namespace
}  // namespace penstock::protocol::resp
