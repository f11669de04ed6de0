// Every call of the disk fails once, reads included, while a broker does a little of everything.
// Whoever was answered was told the truth: what was confirmed is there, whole, in the next life.
#include "test/broker/fixture.h"
#include "test/support/failing_directory.h"

namespace penstock::broker {
namespace {

using engine::Outcome;
using testing_support::Death;
using testing_support::FailingDirectory;
using testing_support::MortalProcess;

class FailingCallsTest : public BrokerTest {
 protected:
  FailingCallsTest() {
    options.journal.segment_bytes = 64 << 10;
    options.journal.tail_cache_bytes = 0;  // bodies are read from the disk
    options.dead_segments = 1;
    broker.reset();
  }
  bool open_on(Directory& disk) {
    auto opened = Broker::open(disk, clock, random, options);
    if (!opened) return false;
    broker = std::move(*opened);
    session = broker->open_session(sink);
    return true;
  }
  std::uint64_t send_task(std::string_view queue) {
    HeaderWriter headers;
    headers.add(kTaskHeader, "work");
    auto one = input("{\"args\":[]}");
    one.headers = headers.view();
    one.task = true;
    const auto sent = send(queue, {one});
    return sent.ids.empty() ? 0 : sent.ids.front();
  }
  std::vector<engine::LeaseToken> leased(const std::string& queue, std::uint32_t max = 1) {
    std::vector<engine::LeaseToken> leases;
    for (const auto& message : take(queue, max).messages) leases.push_back(message.lease);
    return leases;
  }
  void look_at(std::uint64_t id, std::string_view queue) {
    task(id);
    broker->browse(session, ++tag, queue, 50);
    wait(tag);
  }

  void keep(int count) {
    for (int n = 0; n < count; ++n) {
      const auto body = "kept " + std::to_string(kept_.size()) + std::string(900, '.');
      const auto sent = send("keep", body);
      if (sent.kind == "published") kept_[sent.ids.front()] = body;
    }
  }
  // Tasks that fail, are read about, and come back from among the dead.
  void fail_tasks() {
    const auto id = send_task("tasks");
    look_at(id, "tasks");
    settle(leased("tasks"), Outcome::nack, 0s, "first error");
    look_at(id, "tasks");
    settle(leased("tasks"), Outcome::reject, {}, "second error");
    look_at(id, "tasks.dead");
    engine::Redrive which;
    which.error = "second";
    which.task = "work";
    broker->redrive_some(session, ++tag, "tasks.dead", which);
    wait(tag);
    settle(leased("tasks"), Outcome::reject, {}, "third error");
    broker->retry_task(session, ++tag, MessageId(id));
    wait(tag);
    settle(leased("tasks"), Outcome::ack, {}, {}, "\"result\"");
    look_at(id, "tasks");
  }
  // Dead letters in memory, through an exchange, and of a bound.
  void bury() {
    send("memory", "by the way");
    settle(leased("memory"), Outcome::reject);
    send("routed", "to the grave");
    settle(leased("routed"), Outcome::reject);
    for (const auto* body : {"a", "b", "c"}) send("short", body);
    broker->redrive(session, ++tag, "memory.dead", 10);
    wait(tag);
  }
  void run_workflow() {
    std::vector<engine::WorkflowNodeInput> nodes(3);
    nodes[0].node.kind = engine::NodeKind::chain;
    nodes[0].node.children = 2;
    for (const std::size_t n : {1, 2}) {
      nodes[n].queue = "flow";
      nodes[n].message.task = true;
      nodes[n].message.body = as_bytes("{\"args\":[]}");
      nodes[n].node.takes_input = n == 2;
    }
    engine::WorkflowInput flow;
    flow.name = "flow";
    flow.nodes = nodes;
    broker->submit(session, ++tag, flow);
    const auto sent = wait(tag);
    settle(leased("flow"), Outcome::ack, {}, {}, "1");
    if (!sent.ids.empty()) look_at(sent.ids.front(), "flow");
    settle(leased("flow"), Outcome::ack, {}, {}, "2");
    if (!sent.ids.empty()) look_at(sent.ids.front(), "flow");
  }
  void tidy() {
    for (int n = 0; n < 3; ++n) {
      std::ignore = broker->prepare();
      broker->settle_down();
      broker->maintain();
      broker->settle_down();
      std::ignore = broker->tend();
    }
  }
  void live() {
    declare("tasks", {{"backoff", "none"}});
    declare("memory", {{"durable", "false"}});
    declare("grave", {});
    declare("routed",
            {{"dead_letter_exchange", "amq.default"}, {"dead_letter_routing_key", "grave"}});
    declare("short", {{"max_length", "1"}, {"overflow", "dead_letter"}});
    keep(20);
    fail_tasks();
    bury();
    tidy();
    run_workflow();
    for (int n = 0; n < 60; ++n) send("bulk", std::string(3000, 'b'));
    keep(20);
    settle(leased("bulk", 60));
    tidy();
    fail_tasks();
    tidy();
    broker->check();
    broker->close();
  }
  void expect_kept() {
    broker->check();
    broker->browse(session, ++tag, "keep", 1000);
    std::map<std::uint64_t, std::string> found;
    for (const auto& message : wait(tag).messages) found[message.id] = message.body;
    for (const auto& [id, body] : kept_) {
      ASSERT_TRUE(found.contains(id)) << "lost: " << id;
      ASSERT_EQ(found[id], body);
    }
  }

  std::map<std::uint64_t, std::string> kept_;
};

TEST_F(FailingCallsTest, lose_nothing_that_was_confirmed) {
  const MortalProcess mortal;
  for (std::uint64_t call = 1; !HasFailure(); ++call) {
    kept_.clear();
    MemoryDirectory disk;
    FailingDirectory failing(disk, call, ErrorCode::io);
    bool died = false;
    try {
      if (open_on(failing)) live();
    } catch (const Death&) {
      died = true;
    }
    broker.reset();
    sink.replies.clear();
    SCOPED_TRACE("call " + std::to_string(call) + ", " + failing.failed());
    disk.crash(MemoryDirectory::Survivors::nothing, random);
    ASSERT_TRUE(open_on(disk));
    expect_kept();
    broker.reset();
    sink.replies.clear();
    if (!failing.failed().empty()) continue;
    EXPECT_FALSE(died);
    EXPECT_EQ(kept_.size(), 40u);
    EXPECT_GT(call, 200u);
    break;
  }
}

}  // namespace
}  // namespace penstock::broker
