// Schedules over HTTP: put, shown, listed, paused, triggered, deleted.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, AScheduleIsPutByItsNameAndSubmitsItsTask) {
  const auto* const nightly =
      R"({"when":"@every 1h","zone":"Europe/Berlin","queue":"reports","task":"report",
          "args":["daily"],"kwargs":{"year":2026},"headers":{"team":"a"},"priority":3,
          "max_attempts":2,"missed":"all","overlap":"skip"})";
  const auto created = ask("PUT /v1/schedules/nightly", nightly);
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(created.body, R"({"name":"nightly","created":true,"changed":true})");
  const auto again = ask("PUT /v1/schedules/nightly", nightly);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body, R"({"name":"nightly","created":false,"changed":false})");
  EXPECT_EQ(ask("PUT /v1/schedules/other", R"({"when":"@daily","body":""})").status, 201);
  EXPECT_EQ(ask("PUT /v1/schedules/other", R"({"when":"@daily","body":"b"})").body,
            R"({"name":"other","created":false,"changed":true})");
  const auto shown = ask("GET /v1/schedules/nightly");
  EXPECT_EQ(shown.text("/task"), "report");
  EXPECT_EQ(shown.text("/body"), R"({"args":["daily"],"kwargs":{"year":2026}})");
  EXPECT_EQ(shown.text("/headers/team"), "a");
  EXPECT_EQ(shown.text("/missed"), "all");
  EXPECT_EQ(shown.text("/overlap"), "skip");
  EXPECT_EQ(shown.text("/zone"), "Europe/Berlin");
  EXPECT_EQ(shown.text("/error"), "null");
  const auto triggered = ask("POST /v1/schedules/nightly/trigger");
  EXPECT_EQ(triggered.status, 202);
  const auto task = ask("GET /v1/tasks/" + triggered.text("/id"));
  EXPECT_EQ(task.text("/name"), "report");
  EXPECT_EQ(task.text("/queue"), "reports");
  EXPECT_EQ(ask("GET /v1/schedules/nightly").text("/fired_total"), "1");
}

TEST_F(HttpTest, SchedulesArePausedListedInPagesAndDeleted) {
  for (const auto* name : {"b", "a", "c"})
    EXPECT_EQ(
        ask("PUT /v1/schedules/" + std::string(name), R"({"when":"@daily","body":"x"})").status,
        201);
  EXPECT_EQ(ask("POST /v1/schedules/a/pause").body, R"({"name":"a","paused":true})");
  EXPECT_EQ(ask("GET /v1/schedules/a").text("/next_at"), "null");
  EXPECT_EQ(ask("POST /v1/schedules/a/resume").body, R"({"name":"a","paused":false})");
  const auto page = ask("GET /v1/schedules?limit=2");
  EXPECT_EQ(page.text("/schedules/0/name"), "a");
  EXPECT_EQ(page.text("/schedules/0/body"), "(nothing)") << "a list tells nothing of payloads";
  EXPECT_EQ(page.text("/next"), "b");
  EXPECT_EQ(ask("GET /v1/schedules?limit=2&after=b").text("/schedules/0/name"), "c");
  EXPECT_EQ(ask("DELETE /v1/schedules/a").status, 204);
  for (const auto* start : {"GET /v1/schedules/a", "DELETE /v1/schedules/a",
                            "POST /v1/schedules/a/pause", "POST /v1/schedules/a/trigger"})
    EXPECT_EQ(ask(start).status, 404) << start;
}

TEST_F(HttpTest, AScheduleKeepsTheNumbersOfItsTask) {
  EXPECT_EQ(ask("PUT /v1/schedules/s",
                R"({"when":"@daily","task":"t","args":[1.50,1e3],"kwargs":{"k":2.0}})")
                .status,
            201);
  (void)ask("POST /v1/schedules/s/trigger");
  EXPECT_EQ(ask("POST /v1/queues/default/lease", "{}").text("/messages/0/body"),
            R"({"args":[1.50,1e3],"kwargs":{"k":2.0}})");
}

TEST_F(HttpTest, AScheduleThatMakesNoSenseIsRefused) {
  const char* bodies[] = {R"({"body":"x"})",
                          R"({"when":"0 0 30 2 *"})",
                          R"({"when":"@daily","zone":"Mars/Olympus"})",
                          R"({"when":"@daily","task":"t","body":"x"})",
                          R"({"when":"@daily","args":[1]})",
                          R"({"when":"@daily","queue":"q"})",
                          R"({"when":"@daily","missed":"some"})",
                          R"({"when":"@daily","overlap":"never"})",
                          R"({"when":"@daily","headers":{"a":1}})",
                          R"({"when":"@daily","surprise":1})",
                          R"({"when":"@at 2001-01-01T00:00Z"})"};
  for (const auto* body : bodies) {
    const auto refused = ask("PUT /v1/schedules/s", body);
    EXPECT_GE(refused.status, 400) << body;
    EXPECT_LT(refused.status, 500) << body;
  }
  EXPECT_EQ(ask("GET /v1/schedules").body, R"({"schedules":[]})");
}

}  // namespace
}  // namespace penstock::protocol::http
