// A workflow made in C++, as the engine takes it, and as JSON for a server.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/workflow.h"
#include "penstock/workflow.hpp"

namespace penstock::detail {

// Owns what `input` views; the parts that it was made of must outlive it.
class FlatWorkflow {
 public:
  // Throws InvalidInput: deeper than 64, a key, a time of its own or a negative delay.
  FlatWorkflow(const FlowNode& root, const WorkflowOptions& options, Time now);
  FlatWorkflow(const FlatWorkflow&) = delete;
  FlatWorkflow& operator=(const FlatWorkflow&) = delete;

  [[nodiscard]] const engine::WorkflowInput& input() const { return input_; }

 private:
  void add(const FlowNode& node, engine::NodeRole role, std::uint32_t depth);
  void add_step(const FlowNode& node, std::string_view payload, engine::NodeRole role);
  [[nodiscard]] ByteView headers_of(const FlowNode& node);

  const Time now_;
  engine::WorkflowInput input_;
  std::vector<engine::WorkflowNodeInput> nodes_;
  std::map<const FlowNode*, Bytes> headers_;
};

// What docs/concepts/workflows.md describes; the server reads the same workflow from it.
[[nodiscard]] std::string to_json(const engine::WorkflowInput& workflow, Time now);

}  // namespace penstock::detail
