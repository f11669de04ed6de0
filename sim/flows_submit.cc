// Workflows that a simulated client submits: trees by chance, and some of them again by their key.
#include <fmt/format.h>

#include <algorithm>

#include "sim/flows.h"

namespace penstock::sim {

using namespace std::chrono_literals;
using engine::FailurePolicy;
using engine::NodeKind;
using engine::NodeRole;

namespace {

constexpr int kDeepest = 4;
constexpr std::uint32_t kMostSteps = 12;
constexpr std::size_t kMostFlows = 40;

}  // namespace

void Flows::make_step(Part& step, Flow& flow) {
  step.flow = &flow;
  step.name = fmt::format("#{}", ++serial_);
  step.takes_input = !random_.one_in(5);
  if (random_.one_in(8)) step.delay = std::chrono::milliseconds(random_.below(3000));
  step.max_attempts = 1 + static_cast<std::uint32_t>(random_.below(3));
  const bool large = options_.large_bodies != 0 && random_.one_in(options_.large_bodies);
  step.body = fmt::format("{{\"args\":[\"{}\",\"{}\"]}}", step.name,
                          std::string(large ? random_.below(3000) : random_.below(30), 'x'));
}

std::unique_ptr<Part> Flows::make_part(Flow& flow, int depth, std::uint32_t& steps) {
  auto part = std::make_unique<Part>();
  part->flow = &flow;
  const auto dice = random_.below(7);
  if (depth > 0 && steps < kMostSteps && dice >= 2) {
    part->kind = dice < 4 ? NodeKind::chain : NodeKind::group;
    for (auto left = random_.one_in(6) ? 0 : 1 + random_.below(3); left > 0; --left)
      part->children.push_back(make_part(flow, depth - 1, steps));
  } else {
    ++steps;
    make_step(*part, flow);
  }
  for (const auto role : {NodeRole::on_success, NodeRole::on_error}) {
    if (depth == 0 || !random_.one_in(6)) continue;
    part->children.push_back(make_part(flow, std::min(depth - 1, 1), steps));
    part->children.back()->role = role;
  }
  for (const auto& child : part->children) child->above = part.get();
  return part;
}

// It has a step: a workflow of none is refused.
std::unique_ptr<Part> Flows::make_tree(Flow& flow) {
  for (;;) {
    std::uint32_t steps = 0;
    auto tree = make_part(flow, static_cast<int>(random_.below(kDeepest + 1)), steps);
    if (steps > 0) return tree;
  }
}

void Flows::flatten(const Part& part, Flat& flat) {
  auto& one = flat.emplace_back();
  one.node.kind = part.kind;
  one.node.role = part.role;
  one.node.children = static_cast<std::uint32_t>(part.children.size());
  if (part.kind == NodeKind::step) {
    one.node.takes_input = part.takes_input;
    one.node.delay = part.delay;
    one.queue = kFlowQueue;
    one.message.task = true;
    one.message.body = as_bytes(part.body);
    one.message.policy.max_attempts = part.max_attempts;
  }
  for (const auto& child : part.children) flatten(*child, flat);
}

void Flows::submit() {
  if (book_.flows().size() >= kMostFlows) return;
  auto made = std::make_unique<Flow>();
  made->name = fmt::format("w{}", ++serial_);
  made->policy = static_cast<FailurePolicy>(1 + random_.below(3));
  made->ttl = random_.one_in(6) ? Duration(3s) : kLongestFlow;
  made->keyed = random_.one_in(2);
  made->root = make_tree(*made);
  submit(book_.add(std::move(made)), {});
}

// As whoever was not answered, or forgot: the key makes it harmless.
void Flows::submit_again() {
  auto& flows = book_.flows();
  if (flows.empty()) return;
  auto& flow = *flows[random_.below(flows.size())];
  if (!flow.keyed || flow.submit == Flow::Submit::asked) return;
  Asked asked;
  asked.again = true;
  asked.was_there = flow.submit == Flow::Submit::confirmed;
  submit(flow, std::move(asked));
}

void Flows::submit(Flow& flow, Asked asked) {
  Flat flat;
  flatten(*flow.root, flat);
  engine::WorkflowInput input;
  input.name = flow.name;
  if (flow.keyed) input.key = flow.name;
  input.policy = flow.policy;
  input.ttl = input.failed_ttl = flow.ttl;
  input.nodes = flat;
  asked.kind = Asked::Kind::submit;
  asked.flow = &flow;
  for (const auto& node : flat) asked.bytes += node.message.body.size();
  broker_->submit(session_, ask(std::move(asked)), input);
}

void Flows::hear_submit(const Asked& asked, const Answer& answer) {
  if (asked.again) return hear_submit_again(asked, answer);
  if (answer.kind == Answer::Kind::refused) {
    hear_refusal(answer);
    return book_.refused(*asked.flow);
  }
  if (answer.code == ErrorCode::too_large && asked.bytes > kLargeFlow)
    return book_.refused(*asked.flow);
  if (answer.ids.size() != 1) violated("answers", "a submit without an id: " + answer.reason);
  if (answer.duplicates != 0) violated("workflow keys", asked.flow->name + " never came before");
  ++counters_.workflows;
  trace_.add(answer.ids.front().value);
  book_.confirmed(*asked.flow, answer.ids.front());
}

// Where nobody knows whether it came before, it may be refused, or come in now.
void Flows::hear_submit_again(const Asked& asked, const Answer& answer) {
  const auto& name = asked.flow->name;
  if (answer.ids.size() == 1) {
    if (asked.was_there && answer.duplicates == 0)
      violated("workflow keys", name + " came in twice");
    trace_.add(answer.ids.front().value);
    return book_.confirmed(*asked.flow, answer.ids.front());
  }
  if (asked.was_there) violated("workflow keys", name + " is there, and was refused");
  if (answer.kind == Answer::Kind::refused) return hear_refusal(answer);
  if (answer.code != ErrorCode::too_large || asked.bytes <= kLargeFlow)
    violated("answers", "a submit without an id: " + answer.reason);
}

}  // namespace penstock::sim
