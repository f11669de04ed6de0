// Workers over HTTP: listed and told what to do; and what is said of tasks.
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {
namespace {

// One that is there over another protocol.
class There final : public broker::ReplySink {
 public:
  explicit There(broker::Broker& broker) : broker_(broker), session_(broker.open_session(*this)) {
    engine::WorkerSpec spec;
    spec.id = 0xa1;
    spec.name = "web-1";
    spec.queues = {"q"};
    spec.tasks = {"known"};
    broker_.announce_worker(session_, 1, spec);
    broker_.settle_down();
  }
  ~There() override { broker_.close_session(session_); }
  void on_reply(broker::Tag, const broker::Reply& reply) override {
    if (const auto* answer = std::get_if<engine::WorkerTold>(&reply)) told = *answer;
  }
  void beat() {
    broker_.beat_worker(session_, 2, {});
    broker_.settle_down();
  }
  engine::WorkerTold told;

 private:
  broker::Broker& broker_;
  SessionId session_;
};

TEST_F(HttpTest, WorkersAreListedAndToldWhatToDo) {
  EXPECT_EQ(ask("GET /v1/workers").body, R"({"workers":[]})");
  There worker(*broker_);
  const auto list = ask("GET /v1/workers");
  EXPECT_EQ(list.text("/workers/0/name"), "web-1");
  EXPECT_EQ(list.text("/workers/0/id"), "00000000000000a1");
  EXPECT_EQ(list.text("/workers/0/told/quiet"), "false");
  const auto ordered = ask("POST /v1/workers/orders", R"({"order":"quiet","name":"web-*"})");
  EXPECT_EQ(ordered.status, 201);
  EXPECT_EQ(ordered.body, R"({"number":1,"workers":1})");
  worker.beat();
  EXPECT_TRUE(worker.told.quiet);
  EXPECT_EQ(ask("GET /v1/workers").text("/workers/0/told/quiet"), "true");
  EXPECT_EQ(ask("POST /v1/workers/orders", R"({"order":"resize","slots":9})").status, 201);
  const auto orders = ask("GET /v1/workers/orders");
  EXPECT_EQ(orders.text("/orders/0/order"), "quiet");
  EXPECT_EQ(orders.text("/orders/1/slots"), "9");
  EXPECT_EQ(ask("DELETE /v1/workers/orders/1").status, 204);
  EXPECT_EQ(ask("DELETE /v1/workers/orders/1").status, 404);
  worker.beat();
  EXPECT_FALSE(worker.told.quiet);
  EXPECT_EQ(worker.told.slots, 9u);
  EXPECT_EQ(ask("POST /v1/workers/orders", R"({"order":"stop","name":"nobody"})").status, 200);
  for (const auto* body : {"{}", R"({"order":"dance"})", R"({"order":"resize"})",
                           R"({"order":"quiet","slots":2})", R"({"order":"quiet","who":"all"})"})
    EXPECT_EQ(ask("POST /v1/workers/orders", body).status, 400) << body;
}

TEST_F(HttpTest, ADeclinedTaskSaysWhyItWaits) {
  const auto id = ask("POST /v1/tasks/new", R"({"options":{"queue":"q"}})").text("/id");
  EXPECT_EQ(
      ask("POST /v1/leases/" + lease_of("q") + "/decline", R"({"error":"unknown task"})").status,
      200);
  const auto task = ask("GET /v1/tasks/" + id);
  EXPECT_EQ(task.text("/declined"), "unknown task");
  EXPECT_EQ(task.text("/attempts"), "0");
  EXPECT_EQ(task.text("/history/0/error"), "unknown task");
}

TEST_F(HttpTest, WhatATaskSaysIsSeenWhileItRuns) {
  const auto id = ask("POST /v1/tasks/t", R"({"options":{"queue":"q"}})").text("/id");
  const auto lease = "POST /v1/leases/" + lease_of("q");
  EXPECT_EQ(ask(lease + "/log", R"({"lines":["one","two"]})").text("/cancelled"), "false");
  EXPECT_EQ(ask(lease + "/log", R"({"lines":[1]})").status, 400);
  const auto log = ask("GET /v1/tasks/" + id + "/log?after=1");
  EXPECT_EQ(log.text("/lines/0/text"), "two");
  EXPECT_EQ(log.text("/lines/0/number"), "2");
  EXPECT_EQ(log.text("/ended"), "false");
  EXPECT_EQ(raw(request("GET /v1/tasks/" + id + "/log?after=2&wait=30s")), "");
  Peer worker(*service_);
  worker.give(request(lease + "/log", R"({"lines":["three"]})"));
  settle();
  EXPECT_EQ(responses(peer_->take_output()).at(0).text("/lines/0/text"), "three");
  EXPECT_EQ(ask("GET /v1/tasks/999/log").status, 404);
}

TEST_F(HttpTest, WhatFailedForGoodIsTriedAnew) {
  std::string id;
  for (const auto* error : {"disk full", "no user"}) {
    id = ask("POST /v1/tasks/t", R"({"options":{"queue":"q"}})").text("/id");
    ask("POST /v1/leases/" + lease_of("q") + "/reject",
        R"({"error":")" + std::string(error) + R"("})");
  }
  EXPECT_EQ(ask("POST /v1/tasks/" + id + "/retry").status, 200);
  EXPECT_EQ(ask("POST /v1/tasks/" + id + "/retry").status, 404);
  EXPECT_EQ(ask("POST /v1/queues/q/redrive", R"({"error":"user"})").body, R"({"redriven":0})");
  EXPECT_EQ(ask("POST /v1/queues/q/redrive", R"({"error":"disk","task":"t"})").body,
            R"({"redriven":1})");
}

}  // namespace
}  // namespace penstock::protocol::http
