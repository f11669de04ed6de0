// A workflow made in C++, as the engine takes it, and as JSON for a server.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/workflow.h"
#include "penstock/workflow.hpp"
#include "task/middleware.h"

namespace penstock::detail {

// Made by a task, its steps belong to that task's trace, and expire with it.
class FlatWorkflow {
 public:
  // Each step passes through `middleware`, those of a map at once. Throws what that throws, and
  // InvalidInput: deeper than 64, a key, a time of its own or a negative delay.
  FlatWorkflow(FlowPart root, const WorkflowOptions& options, Time now,
               const Chain& middleware = {});
  FlatWorkflow(const FlatWorkflow&) = delete;
  FlatWorkflow& operator=(const FlatWorkflow&) = delete;

  [[nodiscard]] const engine::WorkflowInput& input() const { return input_; }

 private:
  void add(const FlowNode& node, engine::NodeRole role, std::uint32_t depth,
           const Chain& middleware);
  void add_steps(const FlowNode& node, engine::NodeRole role, const Chain& middleware);
  [[nodiscard]] engine::WorkflowNodeInput step_of(const FlowNode& node,
                                                  const EnqueueOptions& options);
  [[nodiscard]] std::string_view keep(std::string_view text);

  const FlowPart root_;  // `input` views its payloads
  const Time now_;
  engine::WorkflowInput input_;
  std::vector<engine::WorkflowNodeInput> nodes_;
  std::set<std::string, std::less<>> texts_;  // queues, groups and headers, each once
};

// What docs/concepts/workflows.md describes; the server reads the same workflow from it.
[[nodiscard]] std::string to_json(const engine::WorkflowInput& workflow, Time now);

}  // namespace penstock::detail
