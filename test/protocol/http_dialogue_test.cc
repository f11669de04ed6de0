// The conversation itself: framing, order, refusals, deadlines, and ends at any moment.
#include "protocol/http/deadlines.h"
#include "protocol/http/dialogue.h"
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

// A dialogue that uses most of the API; ids and leases are known beforehand because nothing is
// random.
std::string long_dialogue() {
  return request("PUT /v1/queues/q", R"({"max_length":10})") +
         request("POST /v1/queues/q/messages", "a\nb", "Penstock-Priority: 1\r\n") +
         request("POST /v1/queues/q/messages", "{\"body\":\"x\"}\n{\"body\":\"y\"}\n",
                 "Content-Type: application/x-ndjson\r\n") +
         request("POST /v1/queues/q/lease", R"({"max":2,"wait":"1s"})") +
         request("GET /v1/queues/q/messages?limit=5") + request("GET /v1/nothing") +
         request("POST /v1/tasks/t", R"({"args":[1]})") + request("DELETE /v1/tasks/4") +
         "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
         "chunked\r\n\r\n"
         "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n" +
         request("GET /v1/queues") + request("GET /healthz");
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  const auto all = responses(raw(long_dialogue()));
  std::vector<int> statuses;
  for (const auto& one : all) statuses.push_back(one.status);
  EXPECT_EQ(statuses, (std::vector{201, 202, 202, 200, 200, 404, 202, 200, 202, 200, 200}));
  EXPECT_EQ(all.at(3).text("/messages/0/body"), "a\nb");
  EXPECT_EQ(all.at(8).text("/id"), "5");
}

TEST_F(HttpTest, TheAnswersDoNotDependOnHowTheBytesWereCut) {
  const auto expected = raw(long_dialogue());
  for (const std::size_t chunk : {1, 2, 3, 7, 64, 1000}) {
    open({});
    EXPECT_EQ(raw(long_dialogue(), chunk), expected) << chunk;
  }
}

TEST_F(HttpTest, APeerMayLeaveAtAnyByteAndNothingIsKept) {
  const auto bytes = long_dialogue();
  for (std::size_t cut = 0; cut <= bytes.size(); cut += 3) {
    for (const bool end_first : {false, true}) {
      open({});
      peer().give(std::string_view(bytes).substr(0, cut));
      if (cut % 2 == 0) broker_->turn();
      if (end_first) peer_->conversation().on_end_of_input();
      if (end_first && cut % 5 == 0) settle();
      peer_->close();
      broker_->settle_down();
      const auto left = broker_->statistics();
      ASSERT_EQ(left.sessions, 0u) << cut;
      ASSERT_EQ(left.waiting_takes, 0u) << cut;
      ASSERT_EQ(service_->counters().connections, 0u) << cut;
    }
  }
}

TEST_F(HttpTest, WhatWasOnItsWayToAPeerThatLeftComesBackAtOnce) {
  ask("POST /v1/queues/q/messages", "x");
  peer().give(request("POST /v1/queues/q/lease"));
  broker_->turn();  // decided, not yet durable
  peer_->conversation().on_end_of_input();
  peer_->close();
  broker_->settle_down();
  const auto taken = ask("POST /v1/queues/q/lease");
  EXPECT_EQ(taken.text("/messages/0/body"), "x");
  EXPECT_EQ(taken.text("/messages/0/attempts"), "1");
}

TEST_F(HttpTest, ALongPollEndsWithItsPeer) {
  ask("PUT /v1/queues/q");
  raw(request("POST /v1/queues/q/lease", R"({"wait":"1h"})"));
  EXPECT_EQ(broker_->statistics().waiting_takes, 1u);
  EXPECT_TRUE(peer_->conversation().wants_input());  // so that the peer's end is seen
  peer_->conversation().on_end_of_input();
  EXPECT_TRUE(peer_->conversation().finished());
  broker_->settle_down();
  EXPECT_EQ(broker_->statistics().waiting_takes, 0u);
}

TEST_F(HttpTest, APeerThatOnlyEndsItsSideGetsItsAnswer) {
  peer().give(request("POST /v1/queues/q/messages", "x"));
  peer_->conversation().on_end_of_input();
  EXPECT_FALSE(peer_->conversation().finished());
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).status, 202);
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, WhatIsSaidDuringALongPollWaitsForItsEnd) {
  ask("PUT /v1/queues/q");
  const auto poll = request("POST /v1/queues/q/lease", R"({"wait":"5s"})");
  EXPECT_EQ(raw(poll + request("GET /healthz")), "");
  EXPECT_GT(peer_->held(), 0u);
  peer_->give(std::string(Dialogue::kReadAhead, ' '));
  EXPECT_FALSE(peer_->conversation().wants_input());
}

TEST_F(HttpTest, ASlowReaderIsNotReadFrom) {
  for (int i = 0; i < 3; ++i) ask("POST /v1/queues/q/messages", std::string(600'000, 'x'));
  const auto browse = request("GET /v1/queues/q/messages");
  peer().give(browse + browse + browse);
  settle();
  EXPECT_FALSE(peer_->conversation().wants_input());
  EXPECT_EQ(peer_->held(), 2 * browse.size());
  EXPECT_LT(peer_->conversation().output().size(), 2'000'000u);
  EXPECT_EQ(responses(peer_->take_output()).size(), 1u);
  EXPECT_TRUE(peer_->conversation().wants_input());
}

TEST_F(HttpTest, HeadIsAsGetWithoutTheBody) {
  const auto got = raw(request("GET /healthz"));
  const auto head = raw(request("HEAD /healthz"));
  EXPECT_EQ(head, got.substr(0, got.find("\r\n\r\n") + 4));
}

TEST_F(HttpTest, OptionsTellsTheMethods) {
  const auto options = ask("OPTIONS /v1/queues/q");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.field("Allow"), "GET, HEAD, PUT, DELETE, OPTIONS");
  EXPECT_EQ(options.field("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(ask("OPTIONS *").status, 204);
  EXPECT_EQ(ask("OPTIONS /nothing").status, 404);
}

TEST_F(HttpTest, AWrongMethodIsToldTheRightOnes) {
  const auto wrong = ask("PATCH /v1/queues/q/messages");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.field("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(wrong.code(), "method_not_allowed");
  EXPECT_EQ(ask("DELETE /metrics").status, 405);
}

TEST_F(HttpTest, AnUnknownPathIsNotFoundWithAHint) {
  for (const auto path : {"/v1", "/v1/", "/v1/queues/", "/v1/queues/q/", "/v1/queues//messages",
                          "/v1/queues/q/messages/x/y/z", "/v2/queues", "//", "/healthz/"}) {
    const auto unknown = ask("GET " + std::string(path));
    EXPECT_EQ(unknown.status, 404) << path;
    EXPECT_FALSE(unknown.text("/error/hint").empty()) << path;
  }
  // The connection goes on, and so it does after a body that nobody wanted.
  EXPECT_EQ(ask("POST /nothing", "body").status, 404);
  EXPECT_EQ(ask("GET /healthz").status, 200);
}

TEST_F(HttpTest, AnUnknownParameterIsRefusedWithThoseThatThereAre) {
  const auto misspelt = ask("POST /v1/tasks/t?quue=mail", "{}");
  EXPECT_EQ(misspelt.status, 400);
  EXPECT_EQ(misspelt.text("/error/message"), R"(there is no parameter "quue")");
  EXPECT_EQ(misspelt.text("/error/hint"), "these are taken here: queue");
  EXPECT_EQ(ask("GET /v1/queues?limit=1&after=a&li=2").text("/error/hint"),
            "these are taken here: limit, after");
  EXPECT_EQ(ask("GET /v1/queues?").status, 200);
  EXPECT_EQ(ask("GET /v1/queues?l%69mit=1").status, 200);
  EXPECT_EQ(ask("GET /v1/queues?limi").status, 400);
  EXPECT_EQ(ask("PUT /v1/queues/q?limit=1").text("/error/hint"), "no parameter is taken here");
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
  // What probes and scrapers add makes no difference.
  EXPECT_EQ(ask("GET /healthz?probe=1").status, 200);
  EXPECT_EQ(ask("GET /metrics?collect[]=x").status, 200);
}

TEST_F(HttpTest, AForeignHostIsRefused) {
  for (const auto host :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7411"}) {
    const auto refused =
        responses(raw("GET /healthz HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"));
    EXPECT_EQ(refused.at(0).status, 403) << host;
    EXPECT_EQ(refused.at(0).code(), "foreign_host");
    EXPECT_FALSE(refused.at(0).text("/error/hint").empty());
    EXPECT_TRUE(peer_->conversation().finished());
  }
  EXPECT_EQ(service_->counters().foreign, 3u);
  open({.allowed_hosts = {"queue.example"}});
  EXPECT_EQ(
      responses(raw("GET /healthz HTTP/1.1\r\nHost: queue.example:7411\r\n\r\n")).at(0).status,
      200);
}

TEST_F(HttpTest, AWebPageOfAnotherSiteIsRefusedBeforeItsBodyIsRead) {
  for (const auto field : {"Origin: https://evil.example\r\n", "Origin: null\r\n",
                           "Origin: http://localhost:8080\r\n", "Sec-Fetch-Site: cross-site\r\n"}) {
    const auto refused = responses(
        raw("POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost:7411\r\nContent-Length: 5\r\n" +
            std::string(field) + "\r\n"));
    EXPECT_EQ(refused.at(0).status, 403) << field;
    EXPECT_EQ(refused.at(0).code(), "cross_site");
  }
  EXPECT_EQ(ask("GET /healthz", {}, "Origin: http://localhost:7411\r\n").status, 200);
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
}

TEST_F(HttpTest, MalformedRequestsAreAnsweredAndTheConnectionCloses) {
  const std::pair<std::string_view, int> bad[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501},
      {"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /../etc HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /v1/queues/%0a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /v1/queues/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
       "chunked\r\n\r\n",
       400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n", 413},
      {"POST /v1/queues/q/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
       413},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
  };
  for (const auto& [bytes, status] : bad) {
    open({});
    const auto refused = responses(raw(std::string(bytes) + "GET /healthz HTTP/1.1\r\n"));
    ASSERT_EQ(refused.size(), 1u) << bytes;
    EXPECT_EQ(refused[0].status, status) << bytes;
    EXPECT_EQ(refused[0].field("Connection"), "close") << bytes;
    EXPECT_FALSE(refused[0].code().empty()) << bytes;
    EXPECT_TRUE(peer_->conversation().finished()) << bytes;
  }
  const std::string head(20'000, 'x');
  EXPECT_EQ(responses(raw("GET / HTTP/1.1\r\nHost: localhost\r\nA: " + head)).at(0).status, 431);
}

TEST_F(HttpTest, AnExpectationIsMetOrRefusedBeforeTheBody) {
  const std::string fields = "Host: localhost\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_EQ(raw("POST /v1/queues/q/messages HTTP/1.1\r\n" + fields),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(responses(raw("x")).at(0).status, 202);
  EXPECT_EQ(responses(raw("POST /nothing HTTP/1.1\r\n" + fields)).at(0).status, 404);
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, OldClientsAreServedAndTheirConnectionsClosed) {
  const auto answer = responses(raw("GET /healthz HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(answer.at(0).status, 200);
  EXPECT_EQ(answer.at(0).field("Connection"), "close");
  EXPECT_TRUE(peer_->conversation().finished());
  raw("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_FALSE(peer_->conversation().finished());
}

TEST_F(HttpTest, AHeadMustComeWithinItsTimeHoweverItDrips) {
  peer().give("GET /healthz HT");
  for (int second = 1; second < 10; ++second) {
    pass(1s);
    peer_->give("T");
    ASSERT_FALSE(peer_->conversation().finished());
  }
  pass(1s);
  const auto late = responses(peer_->take_output());
  EXPECT_EQ(late.at(0).status, 408);
  EXPECT_TRUE(peer_->conversation().finished());
  EXPECT_EQ(service_->counters().timeouts, 1u);
}

TEST_F(HttpTest, ABodyMustKeepTheLeastRate) {
  const auto begin =
      "POST /v1/queues/q/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n";
  peer().give(begin);
  for (int second = 0; second < 40; ++second) {
    peer_->give(std::string(5000, 'x'));
    pass(1s);
  }
  EXPECT_FALSE(peer_->conversation().finished());  // slow, but steady
  pass(20s);
  EXPECT_EQ(responses(peer_->take_output()).at(0).status, 408);
}

TEST_F(HttpTest, AnIdleConnectionIsClosedWithoutAWordAndABusyOneIsNot) {
  ask("GET /healthz");
  pass(74s);
  ask("GET /healthz");
  pass(74s);
  EXPECT_FALSE(peer_->conversation().finished());
  pass(1s);
  EXPECT_TRUE(peer_->conversation().finished());
  EXPECT_EQ(peer_->take_output(), "");
  ask("PUT /v1/queues/q");
  raw(request("POST /v1/queues/q/lease", R"({"wait":"5m"})"));
  pass(4min);
  EXPECT_FALSE(peer_->conversation().finished());
}

TEST_F(HttpTest, ADrainAnswersWhatIsUnderWayAndEnds) {
  ask("PUT /v1/queues/q");
  raw(request("POST /v1/queues/q/lease", R"({"wait":"5m"})"));
  peer_->conversation().drain();
  settle();
  const auto empty = responses(peer_->take_output());
  EXPECT_EQ(empty.at(0).body, R"({"messages":[]})");
  EXPECT_EQ(empty.at(0).field("Connection"), "close");
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, ADrainEndsAWaitForATaskWithWhatIsKnown) {
  ask("POST /v1/tasks/t");
  raw(request("GET /v1/tasks/1?wait=5m"));
  peer_->conversation().drain();
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).text("/state"), "queued");
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, ADrainLetsARequestFinishThatHasBegun) {
  peer().give("GET /healthz HTTP/1.1\r\n");
  peer_->conversation().drain();
  EXPECT_FALSE(peer_->conversation().finished());
  const auto answer = responses(raw("Host: localhost\r\n\r\n"));
  EXPECT_EQ(answer.at(0).field("Connection"), "close");
  peer().conversation().drain();
  EXPECT_TRUE(peer_->conversation().finished());
}

TEST_F(HttpTest, AnIdleConnectionHoldsNoSession) {
  ask("GET /healthz");
  EXPECT_EQ(broker_->statistics().sessions, 0u);
  ask("GET /v1/queues");
  EXPECT_EQ(broker_->statistics().sessions, 1u);
}

TEST_F(HttpTest, TellsWhatItHoldsOfABodyUntilItIsComplete) {
  const std::string body(300'000, 'x');
  const auto text = request("POST /v1/queues/q/messages", body);
  peer().give(std::string_view(text).substr(0, 200'000), 10'000);
  EXPECT_GE(peer_->conversation().held_bytes(), 190'000u);
  EXPECT_LE(peer_->conversation().held_bytes(), 400'000u);
  peer().give(std::string_view(text).substr(200'000), 10'000);
  EXPECT_EQ(peer_->conversation().held_bytes(), 0u);
  settle();
  EXPECT_EQ(responses(peer_->take_output()).front().status, 202);
}

TEST(HttpDeadlines, ABodyBuysTimeByItsBytes) {
  const Settings settings;
  const auto begin = time_from_micros(1'000'000);
  Deadlines deadlines(settings, begin);
  EXPECT_EQ(deadlines.due(), begin + settings.idle_time);
  deadlines.enter(Deadlines::Phase::head, begin + 1s);
  EXPECT_EQ(deadlines.due(), begin + 1s + settings.head_time);
  deadlines.enter(Deadlines::Phase::head, begin + 5s);
  EXPECT_EQ(deadlines.due(), begin + 1s + settings.head_time);
  deadlines.enter(Deadlines::Phase::body, begin + 2s);
  deadlines.on_body(settings.body_bytes_per_second_min * 7);
  EXPECT_EQ(deadlines.due(), begin + 2s + settings.body_grace + 7s);
  deadlines.enter(Deadlines::Phase::busy, begin + 3s);
  EXPECT_EQ(deadlines.due(), Time::max());
}

}  // namespace
}  // namespace penstock::protocol::http
