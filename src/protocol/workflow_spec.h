// Workflows as JSON: what POST /v1/workflows and WORKFLOW.SUBMIT take.
//
//   {"name": "thumbnails", "key": "cat-7", "on_failure": "stop", "ttl": "1h", "failed_ttl": "7d",
//    "queue": "images", "headers": {"traceparent": "..."}, "run": NODE}
//
//   NODE  {"task": "resize", "args": ["cat.png"], "kwargs": {}, "input": false,
//          "options": {"queue", "priority", "group", "delay", "expires", "max_attempts", "backoff",
//          "lease", "headers"}}, or "each": [[...], ...] for "args": the task is run for each
//         {"chain": [NODE, ...]}   {"group": [NODE, ...]}
//         {"chord": {"group": [NODE, ...], "body": NODE}}
//         {"map": {"task": "resize", "args": [["a.png"], ["b.png"]], "options": {}}}
//         {"chunks": {"task": "resize", "args": [[...], ...], "size": 100, "options": {}}}
//   each with "on_success": [NODE, ...] and "on_error": [NODE, ...]
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/workflow.h"

namespace penstock::protocol {

// Owns what `input` views.
class WorkflowSpec {
 public:
  static constexpr std::size_t kBytesMax = 8u << 20;

  WorkflowSpec() = default;
  WorkflowSpec(const WorkflowSpec&) = delete;
  WorkflowSpec& operator=(const WorkflowSpec&) = delete;

  // Error::invalid names the place: run.chain[1].group[0]: field "task" ...
  // `key`: its idempotency key, if the JSON has none; lives as long as this.
  [[nodiscard]] Result<void> read(std::string_view json, Time now, std::string_view key = {});
  [[nodiscard]] const engine::WorkflowInput& input() const { return input_; }

 private:
  class Reader;

  engine::WorkflowInput input_;
  std::vector<engine::WorkflowNodeInput> nodes_;
  std::deque<std::string> texts_;
  std::map<std::string, Bytes, std::less<>> headers_;  // by task and those of its own
};

}  // namespace penstock::protocol
