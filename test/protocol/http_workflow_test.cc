// Workflows over HTTP: every kind of node, what is wrong with one, and steering them.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

class HttpWorkflow : public HttpTest {
 protected:
  std::string submit(std::string_view workflow) {
    const auto response = ask("POST /v1/workflows", workflow);
    EXPECT_EQ(response.status, 202) << response.body;
    EXPECT_EQ(response.field("Location"), "/v1/workflows/" + response.text("/id"));
    return response.text("/id");
  }
  // What the next step of "default" was given; it ends with `result`.
  std::string run(std::string_view result) {
    const auto taken = ask("POST /v1/queues/default/lease", "{}");
    if (taken.text("/messages/0/lease") == "(nothing)") return "nothing";
    const auto done = ask("POST /v1/leases/" + taken.text("/messages/0/lease") + "/ack",
                          "{\"result\":" + std::string(result) + "}");
    EXPECT_EQ(done.status, 200) << done.body;
    return taken.text("/messages/0/body");
  }
  std::string error_of(std::string_view workflow) {
    const auto response = ask("POST /v1/workflows", workflow);
    EXPECT_EQ(response.status, 400) << response.body;
    return response.text("/error/message");
  }
  Response look(const std::string& id) { return ask("GET /v1/workflows/" + id); }
};

TEST_F(HttpWorkflow, AChainOfATaskAChordAndATask) {
  const auto id = submit(R"({"name":"n","run":{"chain":[{"task":"a","args":[1]},
      {"chord":{"group":[{"task":"b"},{"task":"c","args":["x"],"kwargs":{"k":1}}],
                "body":{"task":"d"}}}, {"task":"e","input":false}]}})");
  EXPECT_EQ(look(id).text("/workflow/state"), "running");
  EXPECT_EQ(run("7"), R"({"args":[1]})");
  EXPECT_EQ(run("8"), R"({"args":[7]})");
  EXPECT_EQ(run("[9]"), R"({"args":[7,"x"],"kwargs":{"k":1}})");
  EXPECT_EQ(run("10"), R"({"args":[[8,[9]]]})");
  EXPECT_EQ(run("{\"done\":true}"), R"({"args":[]})");
  const auto end = look(id);
  EXPECT_EQ(end.text("/name"), "n");
  EXPECT_EQ(end.text("/workflow/state"), "succeeded");
  EXPECT_EQ(end.text("/workflow/done"), "5");
  EXPECT_EQ(end.text("/result"), R"({"done":true})");
  EXPECT_EQ(end.text("/workflow/tree/members/1/kind"), "chain");
  EXPECT_EQ(end.text("/workflow/tree/members/0/task"), "a");
  EXPECT_EQ(ask("GET /v1/tasks/" + id).text("/result"), R"({"done":true})");
}

TEST_F(HttpWorkflow, NumbersOfArgumentsComeAsTheyWereWritten) {
  (void)submit(R"({"run":{"group":[
      {"task":"a","args":[1.50,123456789012345678901234567890],"kwargs":{"k":2.0}},
      {"map":{"task":"b","args":[[0.10]]}}]}})");
  EXPECT_EQ(run("1"), R"({"args":[1.50,123456789012345678901234567890],"kwargs":{"k":2.0}})");
  EXPECT_EQ(run("1"), R"({"args":[0.10]})");
  EXPECT_NE(error_of(R"({"run":{"task":"a","options":{"headers":{"h":1.5}}}})"), "");
  EXPECT_NE(error_of(R"({"name":1.5,"run":{"task":"a"}})"), "");
}

TEST_F(HttpWorkflow, DurationsMayBeWholeMilliseconds) {
  (void)submit(R"({"ttl":60000,"run":{"task":"a","options":{"delay":1,"lease":5000}}})");
  EXPECT_NE(error_of(R"({"ttl":-1,"run":{"task":"a"}})"), "");
  EXPECT_NE(error_of(R"({"run":{"task":"a","options":{"delay":1.5}}})"), "");
}

TEST_F(HttpWorkflow, AKeyGivesTheFirstOne) {
  const auto id = submit(R"({"key":"order 7","run":{"task":"a"}})");
  const auto repeat =
      ask("POST /v1/workflows", R"({"run":{"task":"a"}})", "Idempotency-Key: order 7\r\n");
  EXPECT_EQ(repeat.status, 202);
  EXPECT_EQ(repeat.text("/id"), id);
  EXPECT_EQ(repeat.text("/duplicate"), "true");
  EXPECT_EQ(repeat.field("Location"), "/v1/workflows/" + id);
  EXPECT_NE(submit(R"({"key":"order 8","run":{"task":"a"}})"), id);
  EXPECT_EQ(error_of(R"({"key":"","run":{"task":"a"}})"),
            "workflow: field \"key\" must not be empty");
}

TEST_F(HttpWorkflow, WhatAStepCannotHaveIsRefusedAndTold) {
  for (const std::string name : {"key", "unique", "debounce", "throttle", "at", "result_ttl"}) {
    const auto refused =
        ask("POST /v1/workflows",
            R"({"run":{"chain":[{"task":"a"},{"task":"b","options":{")" + name + R"(":"x"}}]}})");
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(refused.text("/error/message"),
              "run.chain[1]: options: a step of a workflow has no \"" + name + '"');
    EXPECT_NE(refused.text("/error/hint"), "(nothing)") << refused.body;
  }
}

TEST_F(HttpWorkflow, MapsAndChunksAreGroups) {
  submit(R"({"run":{"map":{"task":"m","args":[[1],[2]]}}})");
  EXPECT_EQ(run("1"), R"({"args":[1]})");
  EXPECT_EQ(run("2"), R"({"args":[2]})");
  const auto id = submit(R"({"run":{"chunks":{"task":"m","args":[[1],[2],[3]],"size":2}}})");
  EXPECT_EQ(run("[1,2]"), R"({"each":[[1],[2]]})");
  EXPECT_EQ(run("[3]"), R"({"each":[[3]]})");
  EXPECT_EQ(look(id).text("/result"), "[[1,2],[3]]");
}

TEST_F(HttpWorkflow, WhatRunsBesideIsToldInTheTree) {
  const auto id = submit(
      R"({"run":{"task":"a","on_success":[{"task":"told"}],"on_error":[{"task":"alarm"}]}})");
  EXPECT_EQ(look(id).text("/workflow/tree/on_error/0/state"), "waiting");
  run("1");
  EXPECT_EQ(run("2"), R"({"args":[1]})");
  EXPECT_EQ(look(id).text("/workflow/state"), "succeeded");
  EXPECT_EQ(look(id).text("/result"), "1");
}

TEST_F(HttpWorkflow, ItIsCancelledAndListed) {
  const auto first = submit(R"({"run":{"task":"a"}})");
  const auto second = submit(R"({"run":{"task":"b"}})");
  EXPECT_EQ(ask("DELETE /v1/workflows/" + first).status, 200);
  EXPECT_EQ(ask("DELETE /v1/workflows/" + first).status, 409);
  EXPECT_EQ(look(first).text("/workflow/state"), "cancelled");
  const auto all = ask("GET /v1/workflows?limit=1");
  EXPECT_EQ(all.text("/workflows/0/id"), first);
  EXPECT_EQ(all.text("/workflows/1/id"), "(nothing)");
  EXPECT_EQ(ask("GET /v1/workflows?after=" + first).text("/workflows/0/id"), second);
  EXPECT_EQ(run("1"), R"({"args":[]})") << "of the second";
}

TEST_F(HttpWorkflow, ItIsResumedWhenItFailed) {
  const auto id = submit(R"({"run":{"task":"a","options":{"max_attempts":1}}})");
  const auto taken = ask("POST /v1/queues/default/lease", "{}");
  ask("POST /v1/leases/" + taken.text("/messages/0/lease") + "/nack", R"({"error":"oops"})");
  EXPECT_EQ(look(id).text("/workflow/state"), "failed");
  EXPECT_EQ(look(id).text("/error"), "oops");
  EXPECT_EQ(look(id).text("/result/error/message"), "oops");
  EXPECT_EQ(ask("POST /v1/workflows/" + id + "/resume").status, 200);
  EXPECT_EQ(ask("POST /v1/workflows/" + id + "/resume").status, 409);
  run("1");
  EXPECT_EQ(look(id).text("/workflow/state"), "succeeded");
}

TEST_F(HttpWorkflow, ATaskIsReplacedByOne) {
  const auto id = ask("POST /v1/tasks/a", "{}").text("/id");
  const auto taken = ask("POST /v1/queues/default/lease", "{}");
  const auto lease = taken.text("/messages/0/lease");
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/replace", R"({"run":{"chain":{}}})").status, 400);
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/replace", R"({"run":{"task":"b"}})").status, 200);
  EXPECT_EQ(ask("POST /v1/leases/" + lease + "/replace", R"({"run":{"task":"b"}})").status, 410);
  EXPECT_EQ(ask("GET /v1/tasks/" + id).text("/state"), "running");
  run("5");
  EXPECT_EQ(ask("GET /v1/tasks/" + id).text("/result"), "5");
}

TEST_F(HttpWorkflow, WhatIsWrongIsNamed) {
  EXPECT_NE(error_of("{}").find("\"run\""), std::string::npos);
  EXPECT_NE(error_of(R"({"run":{}})").find("a node is one of"), std::string::npos);
  EXPECT_NE(
      error_of(R"({"run":{"chain":[{"task":"a"},{"group":[{}]}]}})").find("run.chain[1].group[0]"),
      std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"task":"a","chain":[]}})"), "");
  EXPECT_NE(error_of(R"({"run":{"task":"a"},"on_failure":"explode"})").find("on_failure"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"task":"a","option":{}}})").find("option"), std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"task":"a","options":{"priority":99}}})").find("priority"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"task":"a","each":[[1]],"args":[1]}})").find("each"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"map":{"task":"a","args":[1]}}})").find("array of arrays"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"chord":{"group":[]}}})").find("body"), std::string::npos);
  EXPECT_NE(error_of(R"({"run":{"group":[]}})").find("no steps"), std::string::npos);
  EXPECT_NE(error_of("{\"run\":").find("JSON"), std::string::npos);
  std::string deep = R"({"task":"a"})";
  for (int n = 0; n < 64; ++n) deep = "{\"chain\":[" + deep + "]}";
  EXPECT_NE(error_of("{\"run\":" + deep + "}").find("64"), std::string::npos);
  EXPECT_EQ(look("99").status, 404);
  EXPECT_EQ(look("x").status, 400);
  EXPECT_EQ(ask("DELETE /v1/workflows/99").status, 404);
}

TEST_F(HttpWorkflow, AFullQueueRefusesAllOfIt) {
  ask("PUT /v1/queues/default", R"({"max_length":1})");
  const auto response =
      ask("POST /v1/workflows", R"({"run":{"chain":[{"task":"a"},{"task":"b"}]}})");
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.field("Retry-After"), "");
  EXPECT_EQ(run("1"), "nothing");
}

}  // namespace
}  // namespace penstock::protocol::http
