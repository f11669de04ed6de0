// Workflows in tests: trees in a few words, and a worker for their steps.
#pragma once

#include <deque>
#include <functional>

#include "test/broker/fixture.h"

namespace penstock::broker {

// What a test says of a node. A step's own argument is its name.
struct Tree {
  engine::NodeKind kind = engine::NodeKind::step;
  std::string name{};
  std::vector<Tree> members{};
  std::vector<Tree> on_success{}, on_error{};
  bool takes_input = true;
  Duration delay{0};
  std::optional<Duration> result_ttl{};
  std::string task{};  // its task's name; empty: none
};
inline Tree step(std::string name) {
  return {.name = std::move(name)};
}
inline Tree deaf(std::string name) {
  return {.name = std::move(name), .takes_input = false};
}
inline Tree step_of(std::string task) {
  return {.name = "s", .task = std::move(task)};
}
inline Tree chain(std::vector<Tree> members) {
  return {.kind = engine::NodeKind::chain, .members = std::move(members)};
}
inline Tree group(std::vector<Tree> members) {
  return {.kind = engine::NodeKind::group, .members = std::move(members)};
}

class WorkflowTest : public BrokerTest {
 protected:
  // A tree as the broker takes it; owns what the nodes view.
  struct Flat {
    std::vector<engine::WorkflowNodeInput> nodes;
    std::deque<std::string> texts;
    std::deque<HeaderWriter> headers;
  };
  void flatten(const Tree& tree, Flat& flat, std::string_view queue,
               engine::NodeRole role = engine::NodeRole::member) {
    auto& one = flat.nodes.emplace_back();
    one.node.kind = tree.kind;
    one.node.role = role;
    one.node.children = static_cast<std::uint32_t>(tree.members.size() + tree.on_success.size() +
                                                   tree.on_error.size());
    if (tree.kind == engine::NodeKind::step) {
      one.node.takes_input = tree.takes_input;
      one.node.delay = tree.delay;
      one.queue = queue;
      one.message.task = true;
      one.message.policy.max_attempts = 1;
      one.message.policy.result_ttl = tree.result_ttl;
      one.message.body = as_bytes(flat.texts.emplace_back("{\"args\":[\"" + tree.name + "\"]}"));
      if (!tree.task.empty()) flat.headers.emplace_back().add(kTaskHeader, tree.task);
      if (!tree.task.empty()) one.message.headers = flat.headers.back().view();
    }
    for (const auto& child : tree.members) flatten(child, flat, queue);
    for (const auto& child : tree.on_success)
      flatten(child, flat, queue, engine::NodeRole::on_success);
    for (const auto& child : tree.on_error) flatten(child, flat, queue, engine::NodeRole::on_error);
  }
  Got submit(const Tree& tree, engine::FailurePolicy policy = engine::FailurePolicy::stop,
             std::string_view queue = "w", std::string_view key = {}) {
    Flat flat;
    flatten(tree, flat, queue);
    engine::WorkflowInput input;
    input.name = "flow";
    input.policy = policy;
    input.key = key;
    input.nodes = flat.nodes;
    broker->submit(session, ++tag, input);
    return wait(tag);
  }
  std::uint64_t submitted(const Tree& tree,
                          engine::FailurePolicy policy = engine::FailurePolicy::stop) {
    const auto got = submit(tree, policy);
    EXPECT_EQ(got.kind, "published") << got.error.message << got.refused.message;
    return got.ids.empty() ? 0 : got.ids.front();
  }
  // What every step was given that can run now, in the order of delivery: [input,"name"].
  std::vector<Got::Message> waiting_steps() { return take("w", 1000).messages; }
  static std::string arguments(const Got::Message& message) {
    constexpr std::string_view kBegin = "{\"args\":";
    if (!message.body.starts_with(kBegin)) return message.body;
    return message.body.substr(kBegin.size(), message.body.size() - kBegin.size() - 1);
  }
  Got done(const Got::Message& message, std::string_view result) {
    return settle({message.lease}, engine::Outcome::ack, {}, {}, result);
  }
  Got failed(const Got::Message& message, std::string_view error) {
    return settle({message.lease}, engine::Outcome::nack, {}, error);
  }
  // Runs one step that waits; what it was given. Nothing: none waits.
  std::string run(std::string_view result) {
    const auto got = take("w").messages;
    if (got.empty()) return "nothing";
    done(got.front(), result);
    return arguments(got.front());
  }
  std::string run_badly(std::string_view error) {
    const auto got = take("w").messages;
    if (got.empty()) return "nothing";
    failed(got.front(), error);
    return arguments(got.front());
  }
  Got cancel(std::uint64_t id) {
    broker->cancel_task(session, ++tag, MessageId(id));
    return wait(tag);
  }
  Got resume(std::uint64_t id) {
    broker->resume_workflow(session, ++tag, MessageId(id));
    return wait(tag);
  }
  engine::TaskState state(std::uint64_t id) {
    broker->check();
    return task(id).state;
  }
  void begin_anew(std::uint64_t segment_bytes) {
    broker.reset();
    const auto names = directory.list();
    for (const auto& name : names.value()) EXPECT_TRUE(directory.remove(name));
    options.journal.segment_bytes = segment_bytes;
    open();
  }
  // The same state again, out of a checkpoint and the log.
  void by_checkpoint() {
    broker->close();
    broker.reset();
    open();
  }
};

}  // namespace penstock::broker
