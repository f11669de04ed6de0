// Taking and settling over HTTP.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, ALeaseHasItsDeadlineAndAnAckEndsIt) {
  ask("POST /v1/queues/q/messages", "x");
  const auto taken = ask("POST /v1/queues/q/lease", R"({"lease":"5s"})");
  EXPECT_EQ(taken.text("/messages/0/deadline"), "1700000005000");
  EXPECT_EQ(taken.text("/messages/0/attempts"), "1");
  EXPECT_EQ(taken.text("/messages/0/queue"), "q");
  const auto lease = taken.text("/messages/0/lease");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/ack").body, R"({"settled":1})");
  const auto again = ask("POST /v1/leases/" + lease + "/ack");
  EXPECT_EQ(again.status, 410);
  EXPECT_EQ(again.code(), "lease_lost");
}

TEST_F(HttpTest, ALongPollIsAnsweredWhenAMessageComes) {
  ask("PUT /v1/queues/q");
  EXPECT_EQ(raw(request("POST /v1/queues/q/lease", R"({"wait":"30s"})")), "");
  Peer producer(*service_);
  producer.give(request("POST /v1/queues/q/messages", "x"));
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).text("/messages/0/body"), "x");
}

TEST_F(HttpTest, ALongPollEndsEmptyWhenItsTimeIsOver) {
  ask("PUT /v1/queues/q");
  EXPECT_EQ(raw(request("POST /v1/queues/q/lease", R"({"wait":1000})")), "");
  pass(999ms);
  EXPECT_EQ(peer_->take_output(), "");
  pass(1ms);
  EXPECT_EQ(responses(peer_->take_output()).at(0).body, R"({"messages":[]})");
  EXPECT_EQ(broker_->statistics().waiting_takes, 0u);
}

TEST_F(HttpTest, AWaitIsCutToTheMost) {
  open({.wait_max = 1s});
  ask("PUT /v1/queues/q");
  EXPECT_EQ(raw(request("POST /v1/queues/q/lease", R"({"wait":"10h"})")), "");
  pass(1s);
  EXPECT_EQ(responses(peer_->take_output()).at(0).body, R"({"messages":[]})");
}

TEST_F(HttpTest, ANackBringsAMessageBackAfterItsDelay) {
  ask("POST /v1/queues/q/messages", "x");
  const auto nack =
      ask("POST /v1/leases/" + lease_of("q") + "/nack", R"({"delay":"2s","error":"E: no"})");
  EXPECT_EQ(nack.body, R"({"settled":1})");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").body, R"({"messages":[]})");
  EXPECT_EQ(ask("GET /v1/queues/q/messages").text("/messages/0/history/0/error"), "E: no");
  pass(2s);
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/attempts"), "2");
}

TEST_F(HttpTest, AFailureMayTellItsCause) {
  ask("POST /v1/queues/q/messages", "x");
  const auto nack = [&](const char* body) {
    return ask("POST /v1/leases/" + lease_of("q") + "/nack", body).status;
  };
  EXPECT_EQ(nack(R"({"delay":"0s","cause":"out_of_memory"})"), 200);
  EXPECT_EQ(ask("GET /v1/queues/q/messages").text("/messages/0/history/0/cause"), "out_of_memory");
  EXPECT_EQ(ask("GET /v1/queues/q").text("/counters/out_of_memory"), "1");
  ask("PUT /v1/queues/q", R"({"max_killed":1})");
  EXPECT_EQ(nack(R"({"cause":"killed"})"), 200);
  EXPECT_EQ(ask("GET /v1/queues/q.dead/messages").text("/messages/0/history/1/reason"), "poisoned");
}

TEST_F(HttpTest, ARejectSendsToTheDeadLetters) {
  ask("POST /v1/queues/q/messages", "x");
  EXPECT_EQ(ask("POST /v1/leases/" + lease_of("q") + "/reject", R"({"error":"bad"})").status, 200);
  EXPECT_EQ(ask("POST /v1/queues/q.dead/lease").text("/messages/0/body"), "x");
}

TEST_F(HttpTest, AGiveBackDoesNotCountAsAnAttempt) {
  ask("POST /v1/queues/q/messages", "x");
  EXPECT_EQ(ask("POST /v1/leases/" + lease_of("q") + "/give_back").status, 200);
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/attempts"), "1");
}

TEST_F(HttpTest, AnExtensionMovesTheDeadline) {
  ask("POST /v1/queues/q/messages", "x");
  const auto lease = ask("POST /v1/queues/q/lease", R"({"lease":"5s"})").text("/messages/0/lease");
  pass(4s);
  const auto extended = ask("POST /v1/leases/" + lease + "/extend", R"({"lease":"10s"})");
  EXPECT_EQ(extended.body, R"({"deadline":1700000014000,"cancelled":false})");
  pass(9s);
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/ack").status, 200);
}

TEST_F(HttpTest, ALeaseThatRanOutIsLostForEveryVerb) {
  ask("POST /v1/queues/q/messages", "x");
  const auto lease = ask("POST /v1/queues/q/lease", R"({"lease":"5s"})").text("/messages/0/lease");
  pass(6s);
  for (const auto verb : {"ack", "nack", "reject", "give_back", "extend", "progress"}) {
    const auto lost = ask("POST /v1/leases/" + lease + "/" + verb);
    EXPECT_EQ(lost.status, 410) << verb;
    EXPECT_EQ(lost.code(), "lease_lost") << verb;
  }
}

TEST_F(HttpTest, BadLeasesAndBadOptionsAreRefused) {
  ask("POST /v1/queues/q/messages", "x");
  for (const auto verb : {"ack", "nack", "reject", "give_back", "extend", "progress"}) {
    EXPECT_EQ(ask("POST /v1/leases/nonsense/" + std::string(verb)).status, 400) << verb;
  }
  for (const auto body :
       {R"({"max":0})", R"({"max":1001})", R"({"max":"1"})", R"({"max":1.5})", R"({"wait":"-1s"})",
        R"({"wait":-1})", R"({"wait":"1"})", R"({"wait":true})", R"({"lease":"0s"})",
        R"({"lease":0})", R"({"lease":"99999999999999d"})", R"({"leas":"1s"})", R"([])", R"({)",
        "null"}) {
    EXPECT_EQ(ask("POST /v1/queues/q/lease", body).status, 400) << body;
  }
  const auto lease = "POST /v1/leases/" + lease_of("q");
  for (const auto& [verb, body] :
       std::vector<std::pair<std::string, std::string>>{{"/ack", R"({"result":})"},
                                                        {"/ack", R"({"results":1})"},
                                                        {"/ack", "[]"},
                                                        {"/nack", R"({"delay":"-1s"})"},
                                                        {"/nack", R"({"error":5})"},
                                                        {"/nack", R"({"cause":"bored"})"},
                                                        {"/nack", "{"},
                                                        {"/reject", R"({"delay":"1s"})"},
                                                        {"/extend", R"({"lease":"0s"})"},
                                                        {"/extend", R"({"lease":-1})"},
                                                        {"/progress", R"({"value":"x"})"},
                                                        {"/progress", R"({"value":-1})"}}) {
    EXPECT_EQ(ask(lease + verb, body).status, 400) << verb << " " << body;
  }
  EXPECT_EQ(ask(lease + "/ack").status, 200);
}

TEST_F(HttpTest, WhatExceedsAnAnswerIsGivenBack) {
  open({.answer_bytes_max = 250});
  for (int i = 0; i < 5; ++i) ask("POST /v1/queues/q/messages", std::string(100, 'x'));
  const auto taken = ask("POST /v1/queues/q/lease", R"({"max":5})");
  EXPECT_EQ(taken.json().at("messages").as_array().size(), 2u);
  settle();
  EXPECT_EQ(ask("GET /v1/queues/q").text("/ready"), "3");
  EXPECT_EQ(ask("POST /v1/queues/q/lease", R"({"max":5})").text("/messages/0/attempts"), "1");
}

TEST_F(HttpTest, LeasesOutliveTheirConnection) {
  ask("POST /v1/queues/q/messages", "x");
  const auto lease = lease_of("q");
  peer_->close();
  settle();
  EXPECT_EQ(ask("POST /v1/queues/q/lease").body, R"({"messages":[]})");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/ack").status, 200);
}

}  // namespace
}  // namespace penstock::protocol::http
