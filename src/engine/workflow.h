// Workflows: steps that follow from each other, as a tree.
//
//   step    one task; its value is its result
//   chain   its members one after the other, each with the value of the one before; its value is
//           that of the last
//   group   its members at once; its value is the list of theirs, in order
//
// Every step is a message that came in with the workflow and is held back until its turn: nothing
// is refused half way, and what a step is given stays where it was written until it is delivered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "engine/command.h"

namespace penstock::engine {

enum class NodeKind : std::uint8_t { step = 1, chain, group };
// A member of its parent, or what runs beside when its parent went well or did not. Nobody waits
// for the value of those, and their failure is nobody's.
enum class NodeRole : std::uint8_t { member = 1, on_success, on_error };
enum class NodeState : std::uint8_t { waiting, active, succeeded, failed };

// What becomes of the rest when a step has failed for good.
enum class FailurePolicy : std::uint8_t {
  stop = 1,  // nothing more begins, what runs is asked to stop
  go_on,     // what does not need the failed step's value goes on
  collect    // as go_on, and a group's list has an error in that place
};
enum class WorkflowState : std::uint8_t { running, succeeded, failed, cancelled };
[[nodiscard]] std::string_view name_of(NodeState state);
[[nodiscard]] std::string_view name_of(FailurePolicy policy);
[[nodiscard]] std::string_view name_of(WorkflowState state);

// Nodes are told in the order of the tree: each, then its children; members before the others.
struct WorkflowNode {
  NodeKind kind = NodeKind::step;
  NodeRole role = NodeRole::member;
  bool takes_input = false;    // of a step: what comes before is its first argument
  std::uint32_t children = 0;  // direct ones
  MessageId step;              // its message
  Duration delay{0};           // of a step: from its turn to its start; whole milliseconds
  std::uint8_t task = 0;       // of a step: the place of its task's name, from 1; 0: none is kept
};

// The names of a workflow's tasks, each once: what a step was is told when its message is gone.
inline constexpr std::size_t kTaskNamesMax = 255;  // steps of further tasks have none
// The place of `name`, where it is put if it has none yet. `Names`: a vector of texts.
template <class Names>
std::uint8_t place_of_task(Names& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    if (name.empty() || names.size() == kTaskNamesMax) return 0;
    names.emplace_back(name);
    return static_cast<std::uint8_t>(names.size());
  }
  return static_cast<std::uint8_t>(found - names.begin() + 1);
}

// One node, and the message of a step: {"args":[...]}, task = true.
struct WorkflowNodeInput {
  WorkflowNode node;  // without `step`
  std::string_view queue;
  MessageInput message;
};

// All of it comes in with one commit, or nothing.
struct WorkflowInput {
  std::string_view name;
  FailurePolicy policy = FailurePolicy::stop;
  Duration ttl{0};         // how long it is remembered when it ended; 0 = the default of results
  Duration failed_ttl{0};  // when it failed, and can be resumed; 0 = a week
  // Idempotency key, among the workflows that begin in the same queue; empty = none.
  std::string_view key;
  std::span<const WorkflowNodeInput> nodes;

  // Of its first step: its key and the right to steer it belong to that queue. Empty: no step.
  [[nodiscard]] std::string_view queue() const {
    for (const auto& one : nodes)
      if (one.node.kind == NodeKind::step) return one.queue;
    return {};
  }
};

inline constexpr std::uint32_t kDeepestWorkflow = 64;

}  // namespace penstock::engine
