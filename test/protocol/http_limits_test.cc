// Unique, debounced and throttled messages and the groups of a queue, over HTTP.
#include <fmt/format.h>

#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

TEST_F(HttpTest, ATaskMayBeUnique) {
  const auto* const task = R"({"args":[1],"options":{"unique":{"key":"k","until":"start"}}})";
  const auto first = ask("POST /v1/tasks/t", task);
  ASSERT_EQ(first.status, 202) << first.body;
  const auto refused = ask("POST /v1/tasks/t", task);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.text("/error/code"), "duplicate");
  EXPECT_EQ(refused.text("/error/id"), first.text("/id"));
  const auto known =
      ask("POST /v1/tasks/t",
          R"({"options":{"unique":{"key":"k","until":"start","on_conflict":"return"}}})");
  EXPECT_EQ(known.text("/id"), first.text("/id"));
}

TEST_F(HttpTest, LinesOfABatchHaveKeysOfTheirOwn) {
  const auto* const lines =
      R"({"body":"a","throttle":{"key":"x","rate":"1/10s"}}
{"body":"b","debounce":{"key":"x","delay":1500,"max_wait":"1m"}}
{"body":"c","unique":{"key":"x"}})";
  const auto type = "Content-Type: application/x-ndjson\r\n";
  EXPECT_EQ(ask("POST /v1/queues/q/messages", lines, type).status, 202);
  const auto refused = ask("POST /v1/queues/q/messages",
                           R"({"body":"a","throttle":{"key":"x","rate":"1/10s"}})", type);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.text("/error/reason"), "throttle");
  EXPECT_EQ(refused.text("/error/retry_after_ms"), "10000");
}

TEST_F(HttpTest, FieldsOfARequestSayItToo) {
  const auto send = [this](const std::string& fields) {
    return ask("POST /v1/queues/q/messages", "x", fields);
  };
  const auto first = send("Penstock-Unique: k\r\n");
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(send("Penstock-Unique: k\r\nPenstock-Until: 10m\r\n").text("/error/id"),
            first.text("/id"));
  EXPECT_EQ(send("Penstock-On-Conflict: return\r\nPenstock-Unique: k\r\n").text("/id"),
            first.text("/id"));
  EXPECT_EQ(send("Penstock-Debounce: k\r\nPenstock-Debounce-Delay: 1s\r\n").status, 202);
  EXPECT_EQ(send("Penstock-Throttle: k\r\nPenstock-Throttle-Rate: 2/1m\r\n").status, 202);
  for (const auto* fields :
       {"Penstock-Until: done\r\n", "Penstock-Debounce: k\r\n", "Penstock-On-Conflict: return\r\n",
        "Penstock-Throttle-Rate: 1/1s\r\n", "Penstock-Unique: k\r\nPenstock-Until: never\r\n",
        "Penstock-Unique: k\r\nPenstock-Throttle: k\r\nPenstock-Throttle-Rate: 1/1s\r\n"})
    EXPECT_EQ(send(fields).status, 400) << fields;
}

TEST_F(HttpTest, ALimitInJsonThatMakesNoSenseIsRefused) {
  for (const auto* limit :
       {R"({"unique":{"key":"k","untill":"done"}})", R"({"unique":{}})", R"({"unique":"k"})",
        R"({"debounce":{"key":"k"}})", R"({"throttle":{"key":"k","rate":"0/1s"}})",
        R"({"unique":{"key":"k"},"debounce":{"key":"k","delay":1}})"})
    EXPECT_EQ(ask("POST /v1/tasks/t", fmt::format(R"({{"options":{}}})", limit)).status, 400)
        << limit;
}

TEST_F(HttpTest, GroupsArePutListedAndDeleted) {
  EXPECT_EQ(ask("PUT /v1/queues/q", R"({"group_rate":10})").status, 201);
  const auto put = ask("PUT /v1/queues/q/groups", R"({"name":"a","weight":3,"rate":2.5})");
  EXPECT_EQ(put.status, 201) << put.body;
  EXPECT_EQ(ask("PUT /v1/queues/q/groups", R"({"name":"a","limit":2,"rate":null})").status, 200);
  EXPECT_EQ(ask("GET /v1/queues/q/groups").body,
            R"({"groups":[{"name":"a","weight":3,"rate":null,"limit":2,"ready":0,"held":0}]})");
  EXPECT_EQ(ask("PUT /v1/queues/q/groups", R"({"name":"a","weight":0})").status, 400);
  EXPECT_EQ(ask("PUT /v1/queues/q/groups", R"({"weight":2})").status, 400);
  EXPECT_EQ(ask("DELETE /v1/queues/q/groups?name=a").status, 204);
  EXPECT_EQ(ask("DELETE /v1/queues/q/groups?name=a").status, 404);
  EXPECT_EQ(ask("GET /v1/queues/nowhere/groups").status, 404);
}

}  // namespace
}  // namespace penstock::protocol::http
