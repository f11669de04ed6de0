// Each command, as a client sees it.
#include "base/headers.h"
#include "test/protocol/fake_passwords.h"
#include "test/protocol/resp_fixture.h"
#include "wire/resp/packed.h"

namespace penstock::protocol::resp {
namespace {

using namespace std::chrono_literals;

class RespDialogue : public RespTest {
 protected:
  void SetUp() override {
    RespTest::SetUp();
    peer_ = std::make_unique<Talker>(*service_, *broker_);
  }
  void TearDown() override { peer_.reset(); }

  Reply say(std::initializer_list<std::string_view> words) { return peer_->say(words); }
  // The first message of `queue`, which must have one.
  Reply take_one(std::string_view command, std::string_view queue) {
    auto reply = say({command, queue});
    EXPECT_EQ(reply.items.size(), 1u);
    return reply.items.empty() ? Reply{} : reply.items.front();
  }

  std::unique_ptr<Talker> peer_;
};

TEST_F(RespDialogue, AMessageIsSentReceivedAndAcknowledged) {
  const auto id = say({"SEND", "mail", "hello", "PRIORITY", "7", "HEADER", "to", "ann"}).text;
  EXPECT_EQ(id, "1");
  const auto message = take_one("RECEIVE", "mail");
  EXPECT_EQ(at(message, "id").text, id);
  EXPECT_EQ(at(message, "body").text, "hello");
  EXPECT_EQ(at(message, "queue").text, "mail");
  EXPECT_EQ(at(message, "priority").integer, 7);
  EXPECT_EQ(at(message, "attempts").integer, 1);
  EXPECT_EQ(at(message, "enqueued_at").integer, 1'700'000'000'000);
  EXPECT_EQ(at(at(message, "headers"), "to").text, "ann");
  const auto lease = at(message, "lease").text;
  EXPECT_EQ(say({"ACK", lease}).integer, 1);
  EXPECT_TRUE(say({"ACK", lease}).text.starts_with("LOST "));
  EXPECT_TRUE(say({"RECEIVE", "mail"}).items.empty());
}

TEST_F(RespDialogue, ABatchComesInWholeAndIsSettledWithOneAnswer) {
  const auto ids = say({"SENDMANY", "q", "BODIES", "3", "a", "b", "c"});
  ASSERT_EQ(ids.items.size(), 3u);
  const auto taken = say({"RECEIVE", "q", "MAX", "10"});
  ASSERT_EQ(taken.items.size(), 3u);
  EXPECT_EQ(at(taken.items[2], "body").text, "c");
  const auto acked =
      say({"ACK", at(taken.items[0], "lease").text, at(taken.items[1], "lease").text});
  EXPECT_EQ(acked.integer, 2);
  EXPECT_EQ(say({"GIVEBACK", at(taken.items[2], "lease").text}).integer, 1);
  const auto again = take_one("RECEIVE", "q");
  EXPECT_EQ(at(again, "attempts").integer, 1) << "a message given back was not tried";
}

TEST_F(RespDialogue, AKeyMakesARepeatHarmlessAloneAndInABatch) {
  EXPECT_EQ(say({"SEND", "q", "a", "KEY", "k"}).text, say({"SEND", "q", "a", "KEY", "k"}).text);
  const auto first = say({"SENDMANY", "q", "KEY", "batch", "BODIES", "2", "x", "y"});
  const auto repeat = say({"SENDMANY", "q", "KEY", "batch", "BODIES", "2", "x", "y"});
  EXPECT_EQ(first, repeat);
  EXPECT_NE(first.items[0], first.items[1]);
  const auto rest = say({"SENDMANY", "q", "KEY", "batch", "KEYFROM", "1", "BODIES", "2", "y", "z"});
  EXPECT_EQ(rest.items[0], first.items[1]) << "a part of the batch goes on where another ended";
  EXPECT_NE(rest.items[1], first.items[0]);
}

TEST_F(RespDialogue, AFailedMessageComesBackAfterItsDelayAndARejectedOneIsADeadLetter) {
  say({"SEND", "q", "a"});
  auto lease = at(take_one("RECEIVE", "q"), "lease").text;
  EXPECT_EQ(say({"NACK", lease, "DELAY", "5s", "ERROR", "no luck"}).integer, 1);
  EXPECT_TRUE(say({"RECEIVE", "q"}).items.empty());
  pass(5s);
  const auto again = take_one("RECEIVE", "q");
  EXPECT_EQ(at(again, "attempts").integer, 2);
  EXPECT_EQ(
      say({"REJECT", at(again, "lease").text, "ERROR", "hopeless", "CAUSE", "killed"}).integer, 1);
  const auto dead = say({"QUEUE.BROWSE", "q.dead"});
  ASSERT_EQ(dead.items.size(), 1u);
  EXPECT_EQ(at(dead.items[0], "body").text, "a");
  EXPECT_EQ(at(dead.items[0], "state").text, "ready");
  EXPECT_NE(at(dead.items[0], "history").text.find("hopeless"), std::string::npos);
  EXPECT_NE(at(dead.items[0], "history").text.find(R"("cause":"killed")"), std::string::npos);
  EXPECT_EQ(say({"QUEUE.REDRIVE", "q.dead", "MAX", "5"}).integer, 1);
  EXPECT_EQ(at(take_one("RECEIVE", "q"), "body").text, "a");
}

TEST_F(RespDialogue, ALeaseIsExtendedToItsNewDeadline) {
  say({"SEND", "q", "a"});
  const auto lease = at(take_one("RECEIVE", "q"), "lease").text;
  EXPECT_EQ(say({"EXTEND", lease, "1m"}).integer, 1'700'000'060'000);
  pass(59s);
  EXPECT_TRUE(say({"RECEIVE", "q"}).items.empty());
  pass(2s);
  EXPECT_EQ(at(take_one("RECEIVE", "q"), "attempts").integer, 2);
  EXPECT_TRUE(say({"EXTEND", lease, "1m"}).text.starts_with("LOST "));
}

TEST_F(RespDialogue, ATaskIsSubmittedTakenReportedOnAndDone) {
  const auto id = say({"TASK.SUBMIT", "resize", R"(["cat.png",320])", "KWARGS", R"({"fast":true})",
                       "MAXATTEMPTS", "3", "BACKOFF", "exponential:1s:60s", "LEASE", "30s"})
                      .text;
  EXPECT_EQ(at(say({"TASK.GET", id}), "state").text, "queued");
  const auto task = take_one("TASK.TAKE", "default");
  EXPECT_EQ(at(task, "name").text, "resize");
  EXPECT_EQ(at(task, "payload").text, R"({"args":["cat.png",320],"kwargs":{"fast":true}})");
  EXPECT_EQ(at(task, "deadline").integer, 1'700'000'030'000);
  const auto lease = at(task, "lease").text;
  EXPECT_EQ(say({"TASK.PROGRESS", lease, "3", "10", "half way"}).integer, 1);
  const auto running = say({"TASK.GET", id});
  EXPECT_EQ(at(running, "state").text, "running");
  EXPECT_EQ(at(at(running, "progress"), "text").text, "half way");
  EXPECT_EQ(say({"TASK.DONE", lease, R"("small.png")"}).integer, 1);
  const auto done = say({"TASK.GET", id});
  EXPECT_EQ(at(done, "state").text, "done");
  EXPECT_EQ(at(done, "result").text, R"("small.png")");
  EXPECT_EQ(at(done, "name").text, "resize");
}

TEST_F(RespDialogue, ManyTasksAreSubmittedAndDoneAtOnceEachWithItsResult) {
  const auto ids = say({"TASK.SUBMITMANY", "add", "QUEUE", "sums", "ARGS", "2", "[1]", "[2]"});
  ASSERT_EQ(ids.items.size(), 2u);
  const auto taken = say({"TASK.TAKE", "sums", "MAX", "256"});
  ASSERT_EQ(taken.items.size(), 2u);
  EXPECT_EQ(say({"TASK.DONEMANY", at(taken.items[0], "lease").text, "11",
                 at(taken.items[1], "lease").text, "22"})
                .integer,
            2);
  EXPECT_EQ(at(say({"TASK.GET", ids.items[1].text}), "result").text, "22");
}

TEST_F(RespDialogue, TasksArePackedOnRequestAndSettledTheSameWay) {
  const auto ids = say({"TASK.SUBMITMANY", "add", "QUEUE", "sums", "ARGS", "2", "[1]", "[2]"});
  ASSERT_EQ(ids.items.size(), 2u);
  const auto taken = say({"TASK.TAKE", "sums", "MAX", "256", "PACKED"});
  ASSERT_EQ(taken.type, wire::resp::ReplyType::bulk);
  Bytes ends;
  wire::resp::EndPacker packer(ends);
  wire::resp::MessageReader rows(as_bytes(taken.text));
  while (const auto row = rows.next()) {
    EXPECT_EQ(row->queue, "sums");
    EXPECT_EQ(row->attempts, 1u);
    EXPECT_EQ(find_header(row->headers, kTaskHeader), "add");
    packer.add({.lease = row->lease, .result = as_text(row->body).substr(8, 3)});
  }
  EXPECT_FALSE(rows.damaged());
  EXPECT_EQ(say({"TASK.DONEPACKED", as_text(ends)}).integer, 2);
  EXPECT_EQ(at(say({"TASK.GET", ids.items[1].text}), "result").text, "[2]");
  EXPECT_EQ(say({"TASK.DONEPACKED", as_text(ends)}).integer, 0) << "they have ended";
}

// Those with the same result are settled together; each still has its own, and counts for itself.
TEST_F(RespDialogue, TasksThatEndAlikeEndEachOnItsOwn) {
  const auto ids =
      say({"TASK.SUBMITMANY", "add", "QUEUE", "sums", "ARGS", "4", "[1]", "[2]", "[3]", "[4]"});
  const auto taken = say({"TASK.TAKE", "sums", "MAX", "4"});
  ASSERT_EQ(taken.items.size(), 4u);
  const auto lease = [&](std::size_t n) { return at(taken.items[n], "lease").text; };
  EXPECT_EQ(say({"TASK.DONE", lease(1), "1"}).integer, 1);
  EXPECT_EQ(say({"TASK.DONEMANY", lease(0), "1", lease(1), "1", lease(0), "1", lease(3), "1",
                 lease(2), "2"})
                .integer,
            3);
  const std::vector<std::string> results{"1", "1", "2", "1"};
  for (std::size_t n = 0; n < 4; ++n)
    EXPECT_EQ(at(say({"TASK.GET", ids.items[n].text}), "result").text, results[n]) << n;
}

TEST_F(RespDialogue, PackedMessagesShowNoHiddenHeaders) {
  HeaderWriter headers;
  headers.add(kDeathsHeader, "secret").add("colour", "red");
  engine::MessageInput message;
  message.body = as_bytes("x");
  message.headers = headers.view();
  NoReplies nobody;
  const auto session = broker_->open_session(nobody);
  broker_->publish(session, 1, {.queue = "q", .messages = {&message, 1}});
  settle();
  const auto taken = say({"RECEIVE", "q", "PACKED"});
  wire::resp::MessageReader rows(as_bytes(taken.text));
  const auto row = rows.next();
  ASSERT_TRUE(row);
  EXPECT_EQ(find_header(row->headers, "colour"), "red");
  EXPECT_FALSE(find_header(row->headers, kDeathsHeader));
  broker_->close_session(session);
}

TEST_F(RespDialogue, AFailedTaskIsTriedAgainOrEndsWithItsError) {
  const auto id = say({"TASK.SUBMIT", "t", "[]"}).text;
  auto lease = at(take_one("TASK.TAKE", "default"), "lease").text;
  EXPECT_EQ(say({"TASK.FAIL", lease, "timeout: no answer", "DELAY", "1s"}).integer, 1);
  EXPECT_EQ(at(say({"TASK.GET", id}), "state").text, "retrying");
  pass(1s);
  lease = at(take_one("TASK.TAKE", "default"), "lease").text;
  EXPECT_EQ(say({"TASK.FAIL", lease, "value: bad", "RETRY", "no"}).integer, 1);
  const auto failed = say({"TASK.GET", id});
  EXPECT_EQ(at(failed, "state").text, "failed");
  EXPECT_EQ(at(failed, "error").text, "value: bad");
}

TEST_F(RespDialogue, ARunningTaskHearsOfItsCancellation) {
  const auto id = say({"TASK.SUBMIT", "t", "[]"}).text;
  const auto lease = at(take_one("TASK.TAKE", "default"), "lease").text;
  EXPECT_EQ(say({"TASK.CANCEL", id}).integer, 1);
  EXPECT_EQ(say({"TASK.PROGRESS", lease, "1", "2"}).integer, 0);
  EXPECT_EQ(at(say({"TASK.EXTEND", lease, "10s"}), "cancelled").integer, 1);
  EXPECT_EQ(at(say({"TASK.GET", id}), "cancel_requested").integer, 1);
}

TEST_F(RespDialogue, AQueueIsDeclaredChangedShownAndDeleted) {
  EXPECT_EQ(say({"QUEUE.DECLARE", "mail", "MAX_LENGTH", "2", "max_wait", "2s"}).text, "OK");
  say({"SEND", "mail", "a"});
  const auto stats = say({"QUEUE.STATS", "mail"});
  EXPECT_EQ(at(stats, "ready").integer, 1);
  EXPECT_EQ(at(at(stats, "options"), "max_length").text, "2");
  EXPECT_EQ(at(at(stats, "counters"), "published").integer, 1);
  EXPECT_TRUE(say({"QUEUE.PAUSE", "mial"}).text.starts_with("NOTFOUND")) << "none is made";
  EXPECT_EQ(say({"QUEUE.PAUSE", "mail"}).text, "OK");
  EXPECT_TRUE(say({"RECEIVE", "mail"}).items.empty());
  EXPECT_EQ(say({"QUEUE.RESUME", "mail"}).text, "OK");
  ASSERT_EQ(say({"QUEUE.LIST"}).items.size(), 1u);
  EXPECT_EQ(say({"QUEUE.STATS"}).items.size(), 1u);
  EXPECT_EQ(say({"QUEUE.PURGE", "mail"}).integer, 1);
  say({"SEND", "mail", "b"});
  EXPECT_EQ(say({"QUEUE.DELETE", "mail"}).integer, 1);
  EXPECT_TRUE(say({"QUEUE.STATS", "mail"}).text.starts_with("NOTFOUND "));
}

TEST_F(RespDialogue, ARefusalSaysWhichBoundAndWhenToComeBack) {
  say({"QUEUE.DECLARE", "my mail", "max_length", "1"});
  say({"SEND", "my mail", "a"});
  const auto refused = say({"SEND", "my mail", "b"});
  ASSERT_TRUE(refused.is_error());
  EXPECT_TRUE(refused.text.starts_with("BUSY retry-after-ms=")) << refused.text;
  EXPECT_NE(refused.text.find(" reason=max_length queue=my%20mail "), std::string::npos)
      << refused.text;
  EXPECT_EQ(service_->statistics().refusals, 1u);
}

TEST_F(RespDialogue, AFullQueueThatBlocksHoldsThePublishUntilThereIsRoom) {
  say({"QUEUE.DECLARE", "q", "max_length", "1", "overflow", "block"});
  say({"SEND", "q", "a"});
  const auto lease = at(take_one("RECEIVE", "q"), "lease").text;
  Talker producer(*service_, *broker_);
  EXPECT_EQ(producer.raw(encoded({"SEND", "q", "b", "WAIT", "10s"})), "");
  say({"ACK", lease});
  settle();
  EXPECT_EQ(producer.take_output(), "$1\r\n2\r\n");
}

TEST_F(RespDialogue, StatusAndInfoTellTheSameFigures) {
  say({"SEND", "q", "a"});
  const auto status = say({"STATUS"});
  EXPECT_EQ(at(status, "messages").integer, 1);
  EXPECT_EQ(at(status, "native_connections").integer, 1);
  const auto info = say({"INFO"}).text;
  EXPECT_NE(info.find("\r\nmessages:1\r\n"), std::string::npos) << info;
  EXPECT_NE(info.find("redis_version:"), std::string::npos);
  EXPECT_EQ(say({"INFO", "native"}).text.find("messages:"), std::string::npos);
}

TEST_F(RespDialogue, AWorkflowIsSubmittedListedReplacedAndResumed) {
  const auto id =
      say({"WORKFLOW.SUBMIT",
           R"({"run":{"chain":[{"task":"a"},{"task":"b","options":{"max_attempts":1}}]}})"})
          .text;
  EXPECT_EQ(at(say({"TASK.GET", id}), "state").text, "running");
  const auto first = take_one("TASK.TAKE", "default");
  EXPECT_EQ(say({"TASK.REPLACE", at(first, "lease").text, R"({"run":{"task":"c"}})"}).integer, 1);
  EXPECT_TRUE(say({"TASK.REPLACE", at(first, "lease").text, R"({"run":{"task":"c"}})"})
                  .text.starts_with("LOST "));
  say({"TASK.DONE", at(take_one("TASK.TAKE", "default"), "lease").text, "3"});
  const auto second = take_one("TASK.TAKE", "default");
  EXPECT_EQ(at(second, "payload").text + at(second, "name").text, "{\"args\":[3]}b");
  say({"TASK.FAIL", at(second, "lease").text, "oops"});
  EXPECT_EQ(at(say({"TASK.GET", id}), "state").text, "failed");
  const auto listed = say({"WORKFLOW.LIST", "LIMIT", "5"});
  ASSERT_EQ(listed.items.size(), 1u);
  EXPECT_NE(at(listed.items[0], "workflow").text.find("\"failed\":1"), std::string::npos);
  EXPECT_EQ(say({"WORKFLOW.RESUME", id}).integer, 1);
  say({"TASK.DONE", at(take_one("TASK.TAKE", "default"), "lease").text, "4"});
  EXPECT_EQ(at(say({"TASK.GET", id}), "result").text, "4");
  EXPECT_TRUE(say({"WORKFLOW.SUBMIT", "{}"}).text.starts_with("ERR "));
  const auto once = say({"WORKFLOW.SUBMIT", R"({"run":{"task":"a"}})", "KEY", "order 7"}).text;
  EXPECT_EQ(say({"WORKFLOW.SUBMIT", R"({"run":{"task":"a"}})", "key", "order 7"}).text, once);
  EXPECT_NE(say({"WORKFLOW.SUBMIT", R"({"run":{"task":"a"}})", "KEY", "order 8"}).text, once);
  EXPECT_TRUE(say({"WORKFLOW.SUBMIT", R"({"run":{"task":"a"}})", "KEY"}).text.starts_with("ERR "));
  EXPECT_TRUE(say({"WORKFLOW.LIST", "LIMIT", "0"}).text.starts_with("ERR "));
}

}  // namespace
}  // namespace penstock::protocol::resp
