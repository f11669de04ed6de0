// Tasks over HTTP, submitted, worked and watched.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, ATaskIsSubmittedWorkedAndItsResultIsThere) {
  const auto submitted =
      ask("POST /v1/tasks/resize", R"({"args":["cat.png",3.10],"kwargs":{"w":320}})");
  EXPECT_EQ(submitted.status, 202);
  EXPECT_EQ(submitted.body, R"({"id":"1"})");
  EXPECT_EQ(submitted.field("Location"), "/v1/tasks/1");
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/state"), "queued");

  const auto taken = ask("POST /v1/queues/default/lease");
  EXPECT_EQ(taken.text("/messages/0/task"), "resize");
  EXPECT_EQ(taken.text("/messages/0/body"), R"({"args":["cat.png",3.10],"kwargs":{"w":320}})");
  const auto lease = "POST /v1/leases/" + taken.text("/messages/0/lease");
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/state"), "running");
  EXPECT_EQ(ask(lease + "/progress", R"({"value":1,"total":2,"text":"half"})").text("/cancelled"),
            "false");
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/progress/text"), "half");
  EXPECT_EQ(ask(lease + "/ack", R"( {"result" : {"a": [1.0, "}"]} } )").status, 200);

  const auto done = ask("GET /v1/tasks/1");
  EXPECT_EQ(done.text("/state"), "done");
  EXPECT_EQ(done.text("/name"), "resize");
  EXPECT_EQ(done.text("/queue"), "default");
  EXPECT_EQ(done.text("/attempts"), "1");
  EXPECT_NE(done.body.find(R"("result":{"a": [1.0, "}"]})"), std::string::npos) << done.body;
}

TEST_F(HttpTest, WaitingForATaskCostsOneRequest) {
  ask("POST /v1/tasks/t");
  const auto lease = lease_of("default");
  EXPECT_EQ(raw(request("GET /v1/tasks/1?wait=10s")), "");
  Peer worker(*service_);
  worker.give(request("POST /v1/leases/" + lease + "/ack", R"({"result":7})"));
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).text("/result"), "7");
}

TEST_F(HttpTest, AWaitForATaskEndsWithWhatIsKnown) {
  ask("POST /v1/tasks/t");
  EXPECT_EQ(raw(request("GET /v1/tasks/1?wait=10s")), "");
  pass(10s);
  EXPECT_EQ(responses(peer_->take_output()).at(0).text("/state"), "queued");
}

TEST_F(HttpTest, OptionsOfATaskAreObeyed) {
  const auto submitted = ask("POST /v1/tasks/t",
                             R"({"args":[],"options":{"queue":"thumbs","delay":"5s","priority":3,
                                 "key":"k","group":"g","expires":"1h","max_attempts":1,
                                 "backoff":"fixed:1s","lease":"7s","result_ttl":"1m"}})");
  EXPECT_EQ(submitted.status, 202) << submitted.body;
  EXPECT_EQ(
      ask("POST /v1/tasks/t", R"({"options":{"queue":"thumbs","key":"k"}})").text("/duplicate"),
      "true");
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/state"), "scheduled");
  pass(5s);
  const auto taken = ask("POST /v1/queues/thumbs/lease");
  EXPECT_EQ(taken.text("/messages/0/deadline"), "1700000012000");
  EXPECT_EQ(taken.text("/messages/0/group"), "g");
  EXPECT_EQ(taken.text("/messages/0/priority"), "3");
  const auto lease = taken.text("/messages/0/lease");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/nack", R"({"error":"ValueError: no"})").status, 200);
  const auto failed = ask("GET /v1/tasks/1");
  EXPECT_EQ(failed.text("/state"), "failed");
  EXPECT_EQ(failed.text("/error"), "ValueError: no");
}

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

std::string trace_fields(std::string_view parent) {
  return "Traceparent: " + std::string(parent) + "\r\ntracestate: rojo=1\r\nTraceState: b=2\r\n";
}

TEST_F(HttpTest, TheTraceOfARequestIsKeptWithItsTask) {
  ask("POST /v1/tasks/t", "{}", trace_fields(kParent));
  ask("POST /v1/queues/default/messages", "x", trace_fields(kParent));
  const std::string headers =
      R"({"traceparent":")" + std::string(kParent) + R"(","tracestate":"rojo=1,b=2"})";
  for (int n = 0; n < 2; ++n)
    EXPECT_EQ(ask("POST /v1/queues/default/lease").text("/messages/0/headers"), headers);
}

TEST_F(HttpTest, ATraceThatTheGrammarDoesNotAllowIsLeftOut) {
  for (const std::string& fields :
       {trace_fields("00-nonsense"),
        "traceparent: " + std::string(kParent) + "\r\n" + trace_fields(kParent)}) {
    EXPECT_EQ(ask("POST /v1/tasks/t", "{}", fields).status, 202);
    EXPECT_EQ(ask("POST /v1/queues/default/lease").text("/messages/0/headers"), "{}");
  }
}

TEST_F(HttpTest, EveryLineOfABatchIsOfTheRequestsTraceUnlessItNamesItsOwn) {
  const std::string own = R"({"traceparent":"mine"})";
  ask("POST /v1/queues/q/messages",
      R"({"body":"1"})"
      "\n"
      R"({"body":"2","headers":{"a":"b"}})"
      "\n"
      R"({"body":"3","headers":)" +
          own + "}",
      "Content-Type: application/x-ndjson\r\ntraceparent: " + std::string(kParent) + "\r\n");
  const auto next = [&] { return ask("POST /v1/queues/q/lease").text("/messages/0/headers"); };
  EXPECT_EQ(next(), R"({"traceparent":")" + std::string(kParent) + R"("})");
  EXPECT_EQ(next(), R"({"a":"b","traceparent":")" + std::string(kParent) + R"("})");
  EXPECT_EQ(next(), own);
}

TEST_F(HttpTest, ABatchOfTasksComesInWholeAndItsRepeatGivesTheSameIds) {
  const auto batch =
      R"({"args":[1]})"
      "\n\n"
      R"({"args":[2],"kwargs":{"a":"\u00e4"},"options":{"priority":3,"max_attempts":1}})"
      "\n{}";
  const auto fields =
      "Content-Type: application/x-ndjson\r\nIdempotency-Key: k\r\nPenstock-Header-A: b\r\n";
  const auto first = ask("POST /v1/tasks/t?queue=jobs", batch, fields);
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(first.body, R"({"ids":["1","2","3"]})");
  const auto again = ask("POST /v1/tasks/t?queue=jobs", batch, fields);
  EXPECT_EQ(again.body, R"({"ids":["1","2","3"],"duplicates":3})");
  const auto taken = ask("POST /v1/queues/jobs/lease", R"({"max":9})");
  EXPECT_EQ(taken.text("/messages/0/id"), "2");
  EXPECT_EQ(taken.text("/messages/0/body"), R"({"args":[2],"kwargs":{"a":"\u00e4"}})");
  EXPECT_EQ(taken.text("/messages/0/headers"), R"({"a":"b"})");
  EXPECT_EQ(taken.text("/messages/1/body"), R"({"args":[1]})");
  EXPECT_EQ(taken.text("/messages/2/task"), "t");
}

TEST_F(HttpTest, ATaskGoesToTheQueueOfTheRequestUnlessItNamesAnother) {
  (void)ask("POST /v1/tasks/t?queue=a", "{}");
  (void)ask("POST /v1/tasks/t?queue=a", R"({"options":{"queue":"b"}})");
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/queue"), "a");
  EXPECT_EQ(ask("GET /v1/tasks/2").text("/queue"), "b");
  EXPECT_EQ(ask("POST /v1/tasks/t?queue=", "{}").status, 400);
}

TEST_F(HttpTest, OneBadTaskRefusesTheWholeBatchAndNamesTheLine) {
  const auto type = "Content-Type: application/x-ndjson\r\n";
  for (const auto bad : {R"({"args":{}})", R"({"options":{"priority":10}})", "[]", "x"}) {
    const auto answer = ask("POST /v1/tasks/t",
                            R"({"args":[1]})"
                            "\n" +
                                std::string(bad),
                            type);
    EXPECT_EQ(answer.status, 400) << bad;
    EXPECT_TRUE(answer.text("/error/message").starts_with("line 2: ")) << answer.body;
  }
  EXPECT_EQ(ask("POST /v1/tasks/t", R"({"options":{"queue":"q"}})", type).text("/error/message"),
            "line 1: options: queue: a batch goes to one queue");
  EXPECT_EQ(ask("POST /v1/tasks/t?queue=", "{}", type).status, 400);
  EXPECT_EQ(ask("POST /v1/tasks/t", "", type).status, 400);
  EXPECT_EQ(broker_->statistics().messages, 0u);
}

TEST_F(HttpTest, ACancelledTaskIsNotRunAndARunningOneLearnsOfIt) {
  ask("POST /v1/tasks/t");
  EXPECT_EQ(ask("DELETE /v1/tasks/1").status, 200);
  EXPECT_EQ(ask("GET /v1/tasks/1").text("/state"), "cancelled");
  EXPECT_EQ(ask("POST /v1/queues/default/lease").body, R"({"messages":[]})");
  ask("POST /v1/tasks/t");
  const auto lease = lease_of("default");
  EXPECT_EQ(ask("DELETE /v1/tasks/2").status, 200);
  EXPECT_EQ(ask("GET /v1/tasks/2").text("/cancel_requested"), "true");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/progress").text("/cancelled"), "true");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/extend").text("/cancelled"), "true");
}

TEST_F(HttpTest, AnUnknownTaskIsNotFound) {
  for (const auto start : {"GET /v1/tasks/99", "DELETE /v1/tasks/99", "GET /v1/tasks/99?wait=1s"}) {
    EXPECT_EQ(ask(start).status, 404) << start;
  }
  for (const auto start : {"GET /v1/tasks/x", "GET /v1/tasks/0", "DELETE /v1/tasks/-1",
                           "GET /v1/tasks/99999999999999999999", "GET /v1/tasks/1?wait=-1s",
                           "GET /v1/tasks/1?wait=5"}) {
    EXPECT_EQ(ask(start).status, 400) << start;
  }
}

TEST_F(HttpTest, BadTasksAreRefused) {
  for (const auto body :
       {R"({"args":{}})", R"({"args":1})", R"({"kwargs":[]})", R"({"argz":[]})", R"([])",
        R"({"args":[})", R"({"args":[1,]})", R"({"options":[]})", R"({"options":{"queue":""}})",
        R"({"options":{"queue":5}})", R"({"options":{"colour":"red"}})",
        R"({"options":{"delay":"-1s"}})", R"({"options":{"delay":1,"at":2}})",
        R"({"options":{"backoff":"sometimes"}})", R"({"options":{"max_attempts":-1}})",
        R"({"options":{"lease":"0s"}})", R"({"options":{"result_ttl":"99999999999999d"}})"}) {
    EXPECT_EQ(ask("POST /v1/tasks/t", body).status, 400) << body;
  }
  EXPECT_EQ(ask("POST /v1/tasks/" + std::string(256, 't')).status, 400);
  EXPECT_EQ(ask("POST /v1/tasks/%FF").status, 400);
  const auto deep = R"({"args":[)" + std::string(40, '[') + std::string(40, ']') + "]}";
  EXPECT_EQ(ask("POST /v1/tasks/t", deep).status, 400);
  EXPECT_EQ(broker_->statistics().messages, 0u);
}

}  // namespace
}  // namespace penstock::protocol::http
