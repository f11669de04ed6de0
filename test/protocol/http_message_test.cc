// Publishing and browsing over HTTP.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, APublishIsAnsweredWithItsIdAsBytesThatClientsKnow) {
  EXPECT_EQ(
      raw("POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"),
      "HTTP/1.1 202 Accepted\r\n"
      "X-Content-Type-Options: nosniff\r\n"
      "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
      "Cache-Control: no-store\r\n"
      "Content-Type: application/json\r\n"
      "Content-Length: 10\r\n"
      "\r\n"
      "{\"id\":\"1\"}");
}

TEST_F(HttpTest, APublishIsNotAnsweredBeforeItIsDurable) {
  peer().give(request("POST /v1/queues/q/messages", "x"));
  broker_->turn();
  EXPECT_EQ(peer_->take_output(), "");
  auto* batch = broker_->seal();
  ASSERT_NE(batch, nullptr);
  broker_->write(*batch);
  EXPECT_EQ(peer_->take_output(), "");
  broker_->complete(*batch);
  EXPECT_NE(peer_->take_output().find("202 Accepted"), std::string::npos);
}

TEST_F(HttpTest, ABodyComesBackAsItWentInWhateverItsBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  ask("POST /v1/queues/q/messages", bytes, "Content-Type: image/png\r\n");
  ask("POST /v1/queues/q/messages", "\"gr\xc3\xbc\xc3\x9f\x65\"\n");
  ask("POST /v1/queues/q/messages");
  const auto taken = ask("POST /v1/queues/q/lease", R"({"max":3})");
  EXPECT_EQ(*base64_decode(taken.text("/messages/0/body_base64")), bytes);
  EXPECT_EQ(taken.text("/messages/0/headers/content-type"), "image/png");
  EXPECT_EQ(taken.text("/messages/1/body"), "\"gr\xc3\xbc\xc3\x9f\x65\"\n");
  EXPECT_EQ(taken.text("/messages/2/body"), "");
}

TEST_F(HttpTest, FieldsOfTheRequestBecomeTheMessages) {
  const auto fields =
      "Penstock-Priority: 7\r\nPenstock-Group: g\r\nPenstock-Expires: 1h\r\n"
      "penstock-header-Trace-Id: abc\r\nPenstock-Header-x: y z\r\n";
  ask("POST /v1/queues/q/messages", "low");
  ask("POST /v1/queues/q/messages", "high", fields);
  const auto taken = ask("POST /v1/queues/q/lease");
  EXPECT_EQ(taken.text("/messages/0/body"), "high");
  EXPECT_EQ(taken.text("/messages/0/priority"), "7");
  EXPECT_EQ(taken.text("/messages/0/group"), "g");
  EXPECT_EQ(taken.text("/messages/0/expires_at"), "1700003600000");
  EXPECT_EQ(taken.text("/messages/0/enqueued_at"), "1700000000000");
  EXPECT_EQ(taken.text("/messages/0/headers"), R"({"trace-id":"abc","x":"y z"})");
}

TEST_F(HttpTest, ADelayAndATimeHoldAMessageBack) {
  ask("POST /v1/queues/q/messages", "late", "Penstock-Delay: 10s\r\n");
  ask("POST /v1/queues/q/messages", "later", "Penstock-At: 1700000020000\r\n");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").body, R"({"messages":[]})");
  pass(10s);
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/body"), "late");
  pass(10s);
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/body"), "later");
}

TEST_F(HttpTest, ARepeatedKeyGivesTheFirstIdAgain) {
  const auto first = ask("POST /v1/queues/q/messages", "a", "Idempotency-Key: k\r\n");
  const auto again = ask("POST /v1/queues/q/messages", "a", "Idempotency-Key: k\r\n");
  EXPECT_EQ(first.body, R"({"id":"1"})");
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, R"({"id":"1","duplicate":true})");
}

TEST_F(HttpTest, ARefusalSaysWhichBoundAndWhenToComeBack) {
  ask("PUT /v1/queues/q", R"({"max_length":1})");
  ask("POST /v1/queues/q/messages", "a");
  const auto refused = ask("POST /v1/queues/q/messages", "b");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "busy");
  EXPECT_EQ(refused.text("/error/reason"), "max_length");
  EXPECT_EQ(refused.text("/error/queue"), "q");
  const auto ms = std::stoll(refused.field("Penstock-Retry-After-Ms"));
  const auto seconds = std::stoll(refused.field("Retry-After"));
  EXPECT_GE(ms, 1);
  EXPECT_EQ(refused.text("/error/retry_after_ms"), std::to_string(ms));
  EXPECT_EQ(seconds, (ms + 999) / 1000);
  EXPECT_GE(seconds, 1);
}

TEST_F(HttpTest, AWaitHoldsThePublishUntilThereIsRoom) {
  ask("PUT /v1/queues/q", R"({"max_length":1,"overflow":"block"})");
  ask("POST /v1/queues/q/messages", "a");
  EXPECT_EQ(raw(request("POST /v1/queues/q/messages", "b", "Penstock-Wait: 10s\r\n")), "");
  Peer worker(*service_);
  const auto say = [&](const std::string& bytes) {
    worker.give(bytes);
    broker_->settle_down();
    return responses(worker.take_output()).at(0);
  };
  const auto lease = say(request("POST /v1/queues/q/lease")).text("/messages/0/lease");
  EXPECT_EQ(say(request("POST /v1/leases/" + lease + "/ack")).status, 200);
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).status, 202);
}

TEST_F(HttpTest, AWaitInVainEndsInTheRefusal) {
  ask("PUT /v1/queues/q", R"({"max_length":1,"overflow":"block"})");
  ask("POST /v1/queues/q/messages", "a");
  EXPECT_EQ(raw(request("POST /v1/queues/q/messages", "b", "Penstock-Wait: 10s\r\n")), "");
  pass(11s);
  EXPECT_EQ(responses(peer_->take_output()).at(0).status, 503);
}

constexpr auto kBatch = "Content-Type: application/x-ndjson; charset=utf-8\r\n";

TEST_F(HttpTest, ABatchIsOneMessageALine) {
  const auto batch =
      ask("POST /v1/queues/q/messages",
          "{\"body\":\"plain\"}\r\n\n"
          R"({"body":"esc\"aped\n","priority":9,"group":"g","headers":{"A":"b","c":"d"}})"
          "\n"
          R"({"body_base64":"AP8=","expires":"1m"})"
          "\n"
          R"({"body":"","delay":"1h"})"
          "\n"
          R"({"body":"at","at":1700000600000,"key":"k"})",
          kBatch);
  EXPECT_EQ(batch.status, 202);
  EXPECT_EQ(batch.body, R"({"ids":["1","2","3","4","5"]})");
  const auto taken = ask("POST /v1/queues/q/lease", R"({"max":10})");
  EXPECT_EQ(taken.text("/messages/0/body"), "esc\"aped\n");
  EXPECT_EQ(taken.text("/messages/0/headers"), R"({"A":"b","c":"d"})");
  EXPECT_EQ(taken.text("/messages/1/body"), "plain");
  EXPECT_EQ(taken.text("/messages/2/body_base64"), "AP8=");
  EXPECT_EQ(taken.text("/messages/0/group"), "g");
  EXPECT_EQ(taken.text("/messages/3"), "(nothing)");
  EXPECT_EQ(ask("GET /v1/queues/q").text("/scheduled"), "2");
}

TEST_F(HttpTest, FieldsOfTheRequestAreTheDefaultsOfABatch) {
  ask("POST /v1/queues/q/messages", "{\"body\":\"a\"}\n{\"body\":\"b\",\"priority\":1}\n",
      "Content-Type: application/x-ndjson\r\nPenstock-Priority: 5\r\n");
  const auto seen = ask("GET /v1/queues/q/messages");
  EXPECT_EQ(seen.text("/messages/0/priority"), "5");
  EXPECT_EQ(seen.text("/messages/1/priority"), "1");
}

TEST_F(HttpTest, ARepeatedBatchRepeatsEachOfItsMessages) {
  const auto fields = "Content-Type: application/x-ndjson\r\nIdempotency-Key: k\r\n";
  const auto lines = "{\"body\":\"a\"}\n{\"body\":\"b\"}\n";
  EXPECT_EQ(ask("POST /v1/queues/q/messages", lines, fields).body, R"({"ids":["1","2"]})");
  EXPECT_EQ(ask("POST /v1/queues/q/messages", lines, fields).body,
            R"({"ids":["1","2"],"duplicates":2})");
}

TEST_F(HttpTest, OneBadLineRefusesTheWholeBatchAndNamesTheLine) {
  for (const auto bad : {R"({"body":5})",
                         R"({"body":null})",
                         R"({})",
                         R"({"body":"x","body_base64":"eA=="})",
                         R"({"body_base64":"?"})",
                         R"({"body_base64":"eA"})",
                         R"({"body":"x","colour":"red"})",
                         R"({"body":"x","delay":"-1s"})",
                         R"({"body":"x","delay":-1})",
                         R"({"body":"x","delay":1.5})",
                         R"({"body":"x","delay":"9999999999d"})",
                         R"({"body":"x","delay":1,"at":1})",
                         R"({"body":"x","at":-5})",
                         R"({"body":"x","at":99999999999999999})",
                         R"({"body":"x","priority":10})",
                         R"({"body":"x","priority":"high"})",
                         R"({"body":"x","headers":[]})",
                         R"({"body":"x","headers":{"a":1}})",
                         R"({"body":"x","headers":{"penstock-task":"t"}})",
                         R"({"body":"x","key":""})",
                         R"({"body":"x","headers":{"":"v"}})",
                         R"([1])",
                         R"(x)",
                         R"({"body":"x")",
                         "{\"body\":\"\xff\"}"}) {
    const auto refused = ask("POST /v1/queues/q/messages",
                             "{\"body\":\"good\"}\n" + std::string(bad) + "\n", kBatch);
    EXPECT_EQ(refused.status, 400) << bad;
    EXPECT_EQ(refused.text("/error/message").substr(0, 7), "line 2:") << bad;
  }
  EXPECT_EQ(ask("POST /v1/queues/q/messages", "\n\n", kBatch).status, 400);
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
}

TEST_F(HttpTest, ABatchWithTooManyMessagesIsRefused) {
  open({.batch_max = 2});
  EXPECT_EQ(ask("POST /v1/queues/q/messages", "{\"body\":\"\"}\n{\"body\":\"\"}", kBatch).status,
            202);
  const auto refused = ask("POST /v1/queues/q/messages",
                           "{\"body\":\"\"}\n{\"body\":\"\"}\n{\"body\":\"\"}", kBatch);
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(ask("GET /v1/queues/q").text("/ready"), "2");
}

TEST_F(HttpTest, BadFieldsOfAPublishAreRefused) {
  const std::string long_key(1025, 'k');
  for (const auto& field :
       {std::string("Penstock-Delay: -1s"), std::string("Penstock-Delay: 5"),
        std::string("Penstock-Delay: 99999999999999999999s"), std::string("Penstock-At: tomorrow"),
        std::string("Penstock-At: -1"), std::string("Penstock-Priority: 10"),
        std::string("Penstock-Priority: -1"), std::string("Penstock-Priority: "),
        std::string("Penstock-Expires: x"), std::string("Penstock-Wait: 1"),
        std::string("Penstock-Dealy: 1s"), std::string("Penstock-Group: "),
        std::string("Idempotency-Key: "), "Idempotency-Key: " + long_key,
        std::string("Penstock-Header-Penstock-Task: t"), std::string("Penstock-Header-a: \xff"),
        std::string("Penstock-Delay: 1s\r\nPenstock-At: 1700000000001")}) {
    const auto refused = ask("POST /v1/queues/q/messages", "x", field + "\r\n");
    EXPECT_EQ(refused.status, 400) << field;
    EXPECT_EQ(refused.code(), "invalid") << field;
  }
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
}

TEST_F(HttpTest, ABodyOverTheLimitIsRefusedBeforeItHasCome) {
  open({.max_body_bytes = 1000});
  EXPECT_EQ(ask("POST /v1/queues/q/messages", std::string(1000, 'x')).status, 202);
  const auto refused = responses(raw(
      "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n"));
  EXPECT_EQ(refused.at(0).status, 413);
  EXPECT_EQ(refused.at(0).field("Connection"), "close");
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, BrowsingTakesNothing) {
  ask("POST /v1/queues/q/messages", "now");
  ask("POST /v1/queues/q/messages", "later", "Penstock-Delay: 1m\r\n");
  for (int i = 0; i < 2; ++i) {
    const auto seen = ask("GET /v1/queues/q/messages?limit=10");
    EXPECT_EQ(seen.status, 200);
    EXPECT_EQ(seen.text("/messages/0/body"), "now");
    EXPECT_EQ(seen.text("/messages/0/state"), "ready");
    EXPECT_EQ(seen.text("/messages/0/lease"), "(nothing)");
    EXPECT_EQ(seen.text("/messages/1/state"), "scheduled");
    EXPECT_EQ(seen.text("/messages/1/not_before"), "1700000060000");
  }
  EXPECT_EQ(ask("GET /v1/queues/q/messages?limit=1").text("/messages/1"), "(nothing)");
  EXPECT_EQ(ask("GET /v1/queues/q/messages?limit=-1").status, 400);
  EXPECT_EQ(ask("GET /v1/queues/none/messages").status, 404);
}

}  // namespace
}  // namespace penstock::protocol::http
