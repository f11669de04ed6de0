// Requests as bytes, replies as values; no connection.
#include <gtest/gtest.h>

#include "client/api.h"
#include "client/decode.h"

namespace penstock::client {
namespace {

using namespace std::chrono_literals;

// The words of a command, each followed by a space.
std::string words_of(std::string_view command) {
  wire::resp::ReplyReader reader;
  const auto outcome = reader.parse(as_bytes(command));
  EXPECT_EQ(outcome.status, wire::resp::ReplyReader::Status::reply);
  EXPECT_EQ(outcome.consumed, command.size());
  std::string words;
  for (const auto& word : reader.reply().items) words.append(word.text).append(" ");
  return words;
}

Reply reply_of(std::string_view bytes) {
  wire::resp::ReplyReader reader;
  EXPECT_EQ(reader.parse(as_bytes(bytes)).status, wire::resp::ReplyReader::Status::reply);
  return Reply{std::move(reader.reply())};
}

TEST(Request, OptionsThatSayNothingAreNotSent) {
  EXPECT_EQ(words_of(send("mail", "hello").command), "SEND mail hello ");
  EXPECT_EQ(words_of(submit("t", "[]").command), "TASK.SUBMIT t [] ");
  EXPECT_EQ(words_of(task(MessageId(7)).command), "TASK.GET 7 ");
}

TEST(Request, EveryOptionIsSentInItsOwnWords) {
  const SendOptions options{.delay = 1500ms,
                            .at = time_from_micros(1'700'000'000'123'000),
                            .priority = std::uint8_t{9},
                            .key = "k",
                            .group = "g",
                            .expires = 2h,
                            .headers = {{"a", "b"}, {"c", ""}},
                            .wait = 10s};
  EXPECT_EQ(words_of(send("q", "b", options).command),
            "SEND q b DELAY 1500ms AT 1700000000123 PRIORITY 9 KEY k GROUP g EXPIRES 2h "
            "HEADER a b HEADER c  WAIT 10s ");
  EXPECT_EQ(send("q", "b", options).wait, 10s);
  TaskOptions task_options;
  task_options.queue = "q";
  task_options.max_attempts = 0;
  task_options.backoff = flow::Backoff{.base = 1s, .cap = 60s, .jitter = false};
  task_options.lease = 30s;
  task_options.result_ttl = Duration(0);
  EXPECT_EQ(words_of(submit("t", "[1]", "{}", task_options).command),
            "TASK.SUBMIT t [1] KWARGS {} QUEUE q MAXATTEMPTS 0 BACKOFF exponential:1s:1m:nojitter "
            "LEASE 30s RESULTTTL 0s ");
}

TEST(Request, ARefusalKeepsItsTimeItsReasonAndItsQueue) {
  const auto failure =
      failure_of("BUSY retry-after-ms=120 reason=max_wait queue=my%20mail%25 predicted 3s");
  EXPECT_EQ(failure.error.code, ErrorCode::busy);
  ASSERT_TRUE(failure.refusal);
  EXPECT_EQ(failure.refusal->retry_after, 120ms);
  EXPECT_EQ(failure.refusal->reason, "max_wait");
  EXPECT_EQ(failure.refusal->queue, "my mail%");
  EXPECT_EQ(failure.refusal->message, "predicted 3s");
}

TEST(Request, ErrorsHaveTheirCodes) {
  EXPECT_EQ(failure_of("NOTFOUND no such queue").error.code, ErrorCode::not_found);
  EXPECT_EQ(failure_of("LOST too late").error.code, ErrorCode::conflict);
  EXPECT_EQ(failure_of("NOAUTH who are you").error.code, ErrorCode::denied);
  EXPECT_EQ(failure_of("ERR DELAY: bad").error.message, "DELAY: bad");
  EXPECT_EQ(failure_of("WEIRD thing").error.message, "WEIRD thing");
  EXPECT_FALSE(failure_of("BUSY come back later").refusal);
  EXPECT_EQ(failure_of("").error.code, ErrorCode::invalid);
}

TEST(Request, AReplyOfAnotherShapeIsAnErrorAndNotANumber) {
  for (const std::string_view bytes : {"$5\r\nhello\r\n", "*0\r\n", "_\r\n", "%0\r\n", "+OK\r\n"}) {
    auto reply = reply_of(bytes);
    const auto count = read_count(reply);
    ASSERT_FALSE(count) << bytes;
    EXPECT_EQ(count.error().error.code, ErrorCode::unsupported);
  }
  auto number = reply_of(":3\r\n");
  EXPECT_FALSE(read_messages(number));
  EXPECT_FALSE(read_task_status(number));
  EXPECT_EQ(read_count(number), 3u);
}

TEST(Request, AMessageIsReadWhateverTheOrderOfItsFields) {
  auto reply = reply_of(
      "*1\r\n%5\r\n$5\r\nlease\r\n$5\r\n1-1-9\r\n$7\r\nunknown\r\n*1\r\n:1\r\n$2\r\nid\r\n$"
      "1\r\n1\r\n"
      "$7\r\nheaders\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n$11\r\nenqueued_at\r\n:1500\r\n");
  const auto messages = read_messages(reply);
  ASSERT_TRUE(messages);
  ASSERT_EQ(messages->size(), 1u);
  EXPECT_EQ(messages->front().id, MessageId(1));
  EXPECT_EQ(messages->front().lease, "1-1-9");
  EXPECT_EQ(messages->front().headers, (std::vector<Header>{{"a", "b"}}));
  EXPECT_EQ(messages->front().enqueued_at, time_from_micros(1'500'000));
}

TEST(Url, HostAndPortAreReadFromEveryForm) {
  const auto check = [](std::string_view url, std::string_view host, int port) {
    const auto endpoint = parse_url(url);
    ASSERT_TRUE(endpoint) << url;
    EXPECT_EQ(endpoint->host, host);
    EXPECT_EQ(endpoint->port, port);
  };
  check("penstock://127.0.0.1:7000", "127.0.0.1", 7000);
  check("penstock://queue.example/", "queue.example", 7411);
  check("localhost:1", "localhost", 1);
  check("penstock://[::1]:65535", "::1", 65535);
  check("[::1]", "::1", 7411);
}

TEST(Url, UserAndPasswordAreEncodedThereAndNeverShown) {
  const auto url = with_user("penstock://old:secret@[::1]:7000", "a@b", "p:/% w");
  ASSERT_TRUE(url);
  EXPECT_EQ(*url, "penstock://a%40b:p%3A%2F%25%20w@[::1]:7000");
  const auto endpoint = parse_url(*url);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->user, "a@b");
  EXPECT_EQ(endpoint->password, "p:/% w");
  EXPECT_EQ(endpoint->address(), "[::1]:7000");
  EXPECT_FALSE(parse_url("user:secret@host:0").error().message.contains("secret"));
}

TEST(Url, WhatIsNoAddressIsRefusedWithAHint) {
  for (const std::string_view url :
       {"", "penstock://", ":7411", "host:", "host:0", "host:65536", "host:12x", "redis://host:1",
        "penstock://host/path", "[::1", "[]:1", "[::1]7411", "user@host:1", ":password@host:1",
        "redis://user:password@host:1", "user:%zz@host:1", "a b:1"}) {
    const auto endpoint = parse_url(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::invalid);
    EXPECT_FALSE(endpoint.error().hint.empty());
  }
}

}  // namespace
}  // namespace penstock::client
