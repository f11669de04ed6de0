// What workers say is read by a server as it was meant, and what a server lists, by the library.
#include "task/worker_json.h"

#include <gtest/gtest.h>

#include "protocol/worker_json.h"

namespace penstock::detail {
namespace {

TEST(WorkerJson, IsReadByTheServerAsItWasMeant) {
  engine::WorkerSpec spec;
  spec.id = 0x9f3c01;
  spec.name = "web \"1\"";
  spec.host = "web";
  spec.program = "2.3";
  spec.library = "0.1";
  spec.pid = 4711;
  spec.started_at = Time(std::chrono::milliseconds(1'767'225'600'000));
  spec.queues = {"a", "b"};
  spec.tasks = {"resize"};
  spec.any_task = true;
  const auto read = protocol::read_worker(to_json(spec));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(spec));
  EXPECT_EQ(read->id, spec.id);
  EXPECT_EQ(read->name, spec.name);
  EXPECT_EQ(read->started_at, spec.started_at);

  engine::WorkerBeat beat;
  beat.state = engine::WorkerState::quiet;
  beat.slots = 8;
  beat.memory_bytes = 1ull << 33;
  beat.done = 12;
  beat.failed = 1;
  beat.declined = 3;
  beat.running_count = 1;
  beat.running = {{MessageId(17), "resize", spec.started_at}};
  const auto heard = protocol::read_beat(to_json(beat));
  ASSERT_TRUE(heard) << heard.error().message;
  EXPECT_EQ(to_json(*heard), to_json(beat));
  EXPECT_EQ(heard->state, engine::WorkerState::quiet);
  EXPECT_EQ(heard->running.at(0).id, MessageId(17));
}

TEST(WorkerJson, ListsMayHaveFieldsThatNobodyKnowsAndLackOthers) {
  const auto workers = read_workers(R"({"workers":[{"id":"a","name":"w","slots":"many","new":[1],
      "queues":["q",7],"running":[3,{"id":"5"}],"told":{"quiet":true}}, 3], "more": 1})");
  ASSERT_TRUE(workers) << workers.error().message;
  ASSERT_EQ(workers->size(), 1U);
  const auto& [worker, told] = workers->front();
  EXPECT_EQ(worker.spec.id, 10U);
  EXPECT_EQ(worker.spec.queues, std::vector<std::string>{"q"});
  EXPECT_EQ(worker.beat.slots, 0U);
  ASSERT_EQ(worker.beat.running.size(), 1U);
  EXPECT_EQ(worker.beat.running[0].id, MessageId(5));
  EXPECT_TRUE(told.quiet);
  const auto orders = read_orders(
      R"({"orders":[{"number":4,"order":"stop","name":"w*","at":5,"workers":["ff"]}]})");
  ASSERT_TRUE(orders) << orders.error().message;
  ASSERT_EQ(orders->size(), 1U);
  EXPECT_EQ(orders->front().kind, engine::OrderKind::stop);
  EXPECT_EQ(orders->front().who.name, "w*");
  EXPECT_EQ(orders->front().targets, std::vector<std::uint64_t>{255});
}

TEST(WorkerJson, WhatIsNoListIsSaidToBeNone) {
  for (const auto* text : {"", "[]", "{}", R"({"workers":{}})"})
    EXPECT_FALSE(read_workers(text)) << text;
}

}  // namespace
}  // namespace penstock::detail
