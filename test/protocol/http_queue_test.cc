// Queues over HTTP: declared, shown, paused, emptied, deleted.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, APutCreatesAQueueAndASecondOneChangesIt) {
  const auto created =
      ask("PUT /v1/queues/mail", R"({"max_length":5,"max_wait":"2s","paused":false})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.body, R"({"queue":"mail","created":true})");
  const auto changed =
      ask("PUT /v1/queues/mail", R"({"lease":1500,"overflow":"block","rate":10.5})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.body, R"({"queue":"mail","created":false})");
  const auto shown = ask("GET /v1/queues/mail");
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.text("/options/max_length"), "5");
  EXPECT_EQ(shown.text("/options/max_wait"), "2s");
  EXPECT_EQ(shown.text("/options/lease"), "1500ms");
  EXPECT_EQ(shown.text("/options/overflow"), "block");
  EXPECT_EQ(shown.text("/options/paused"), "false");
}

TEST_F(HttpTest, OptionsThatAQueueShowsCanBePutBack) {
  ask("PUT /v1/queues/a", R"({"max_length":7,"backoff":"fixed:2s","ttl":"1h"})");
  const auto shown = ask("GET /v1/queues/a");
  const auto options = boost::json::serialize(shown.json().at("options"));
  EXPECT_EQ(ask("PUT /v1/queues/b", options).status, 201);
  EXPECT_EQ(ask("GET /v1/queues/b").json().at("options"), shown.json().at("options"));
}

TEST_F(HttpTest, StatisticsFollowWhatHappens) {
  ask("POST /v1/queues/q/messages", "one");
  ask("POST /v1/queues/q/messages", "two", "Penstock-Delay: 1h\r\n");
  ask("POST /v1/queues/q/messages", "three");
  ask("POST /v1/leases/" + lease_of("q") + "/ack");
  const auto shown = ask("GET /v1/queues/q");
  EXPECT_EQ(shown.text("/ready"), "1");
  EXPECT_EQ(shown.text("/scheduled"), "1");
  EXPECT_EQ(shown.text("/leased"), "0");
  EXPECT_EQ(shown.text("/counters/published"), "3");
  EXPECT_EQ(shown.text("/counters/acked"), "1");
  EXPECT_EQ(shown.text("/refused"), "0");
}

TEST_F(HttpTest, QueuesAreListedByNameAndInPages) {
  for (const auto name : {"c", "a", "b"}) ask("PUT /v1/queues/" + std::string(name));
  const auto page = ask("GET /v1/queues?limit=2");
  EXPECT_EQ(page.text("/queues/0/name"), "a");
  EXPECT_EQ(page.text("/queues/1/name"), "b");
  EXPECT_EQ(page.text("/next"), "b");
  const auto rest = ask("GET /v1/queues?limit=2&after=b");
  EXPECT_EQ(rest.text("/queues/0/name"), "c");
  EXPECT_EQ(rest.text("/next"), "(nothing)");
  EXPECT_EQ(ask("GET /v1/queues?limit=0").status, 400);
  EXPECT_EQ(ask("GET /v1/queues?limit=x").status, 400);
}

TEST_F(HttpTest, APausedQueueDeliversNothingUntilItIsResumed) {
  ask("POST /v1/queues/q/messages", "x");
  EXPECT_EQ(ask("POST /v1/queues/q/pause").body, R"({"queue":"q","paused":true})");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").body, R"({"messages":[]})");
  EXPECT_EQ(ask("POST /v1/queues/q/resume").body, R"({"queue":"q","paused":false})");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/body"), "x");
}

TEST_F(HttpTest, PausingAQueueThatIsNotThereCreatesNone) {
  EXPECT_EQ(ask("POST /v1/queues/none/pause").status, 404);
  EXPECT_EQ(ask("GET /v1/queues/none").status, 404);
}

TEST_F(HttpTest, APurgeDropsWhatWaits) {
  ask("POST /v1/queues/q/messages", "1");
  ask("POST /v1/queues/q/messages", "2");
  EXPECT_EQ(ask("POST /v1/queues/q/purge").body, R"({"queue":"q","purged":2})");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").body, R"({"messages":[]})");
  EXPECT_EQ(ask("POST /v1/queues/none/purge").status, 404);
}

TEST_F(HttpTest, DeadLettersAreRedriven) {
  ask("POST /v1/queues/q/messages", "x");
  EXPECT_EQ(ask("POST /v1/leases/" + lease_of("q") + "/reject", R"({"error":"no"})").status, 200);
  EXPECT_EQ(ask("GET /v1/queues/q.dead").text("/ready"), "1");
  const auto redriven = ask("POST /v1/queues/q.dead/redrive", R"({"max":10})");
  EXPECT_EQ(redriven.body, R"({"queue":"q.dead","redriven":1})");
  EXPECT_EQ(ask("POST /v1/queues/q/lease").text("/messages/0/body"), "x");
  EXPECT_EQ(ask("POST /v1/queues/q.dead/redrive", R"({"max":-1})").status, 400);
}

TEST_F(HttpTest, ADeletedQueueIsGone) {
  ask("POST /v1/queues/q/messages", "x");
  EXPECT_EQ(ask("DELETE /v1/queues/q").body, R"({"queue":"q","deleted":1})");
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
  const auto again = ask("DELETE /v1/queues/q");
  EXPECT_EQ(again.status, 404);
  EXPECT_EQ(again.code(), "not_found");
}

TEST_F(HttpTest, ANameMayHaveSlashesAndLettersOfAnyScript) {
  EXPECT_EQ(ask("PUT /v1/queues/a%2Fb%20%C3%BC").text("/queue"), "a/b \xc3\xbc");
  EXPECT_EQ(ask("GET /v1/queues").text("/queues/0/name"), "a/b \xc3\xbc");
}

TEST_F(HttpTest, BadOptionsAreRefusedWithTheOnesThatAreKnown) {
  const auto unknown = ask("PUT /v1/queues/q", R"({"max_lenght":5})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_NE(unknown.text("/error/hint").find("max_length"), std::string::npos);
  for (const auto body :
       {R"({"max_wait":"-1s"})", R"({"max_wait":-1})", R"({"max_wait":"99999999999999d"})",
        R"({"lease":"0s"})", R"({"lease":"soon"})", R"({"max_length":-1})", R"({"max_length":"x"})",
        R"({"max_length":1e300})", R"({"overflow":"explode"})", R"({"paused":"maybe"})",
        R"({"backoff":{"kind":"fixed"}})", R"({"max_attempts":[3]})", R"({"ttl":null})", R"([])",
        R"("x")", R"({"a":1)", R"({"max_length":5}x)", "\xff"}) {
    const auto refused = ask("PUT /v1/queues/q", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.code(), "invalid") << body;
  }
  EXPECT_EQ(ask("GET /v1/queues/q").status, 404);
}

TEST_F(HttpTest, BadNamesAreRefused) {
  const std::string longest(255, 'n');
  EXPECT_EQ(ask("PUT /v1/queues/" + longest).status, 201);
  for (const auto& name : {longest + "n", std::string("%FF%FE"), std::string("a%C2%80b")}) {
    for (const auto start : {"PUT /v1/queues/", "GET /v1/queues/", "DELETE /v1/queues/"}) {
      EXPECT_EQ(ask(start + name).status, 400) << name;
    }
    for (const auto end : {"/messages", "/lease", "/pause", "/resume", "/purge", "/redrive"}) {
      EXPECT_EQ(ask("POST /v1/queues/" + name + end).status, 400) << name << end;
    }
  }
}

}  // namespace
}  // namespace penstock::protocol::http
