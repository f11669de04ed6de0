// A workflow made in C++, as the engine takes it, and as JSON for a server.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/workflow.h"
#include "penstock/workflow.hpp"

namespace penstock::detail {

// Made by a task, its steps belong to that task's trace, and expire with it.
class FlatWorkflow {
 public:
  // Throws InvalidInput: deeper than 64, a key, a time of its own or a negative delay.
  FlatWorkflow(FlowPart root, const WorkflowOptions& options, Time now);
  FlatWorkflow(const FlatWorkflow&) = delete;
  FlatWorkflow& operator=(const FlatWorkflow&) = delete;

  [[nodiscard]] const engine::WorkflowInput& input() const { return input_; }

 private:
  void add(const FlowNode& node, engine::NodeRole role, std::uint32_t depth);
  void add_step(const FlowNode& node, std::string_view payload, engine::NodeRole role);
  [[nodiscard]] ByteView headers_of(const FlowNode& node);

  const FlowPart root_;  // `input` views what it says
  const Time now_;
  engine::WorkflowInput input_;
  std::vector<engine::WorkflowNodeInput> nodes_;
  std::map<const FlowNode*, Bytes> headers_;
};

// What docs/concepts/workflows.md describes; the server reads the same workflow from it.
[[nodiscard]] std::string to_json(const engine::WorkflowInput& workflow, Time now);

}  // namespace penstock::detail
