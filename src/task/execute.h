// One attempt, from the call of the user's function to what the settle will say of it.
#pragma once

#include <optional>
#include <string>

#include "task/attempt.h"
#include "task/core.h"
#include "task/workflow.h"

namespace penstock::detail {

struct Ending {
  engine::Outcome outcome = engine::Outcome::ack;
  bool lost = false;  // nothing to settle any more: someone else has the task
  std::optional<Duration> delay{};
  engine::Cause cause{};                              // of a nack or reject
  std::string text{};                                 // the result of an ack, else the error
  std::shared_ptr<const FlatWorkflow> replacement{};  // of an ack: comes in the task's place
  Attempt::LastWords words{};                         // to be told before that
};

class ProcessPool;

// As the one who enqueued it says, or else the task.
[[nodiscard]] Timeouts timeouts_of(const TaskDefinition& task, const broker::Delivery& delivery);

// {"args":[...]}, or {"each":[[...],...]}: once for each of those lists, and the list of results.
// Reads its arguments only. Both throw ArgumentError when they are not what the task takes.
void read_payload(const TaskDefinition& task, std::string_view payload);
void run_payload(const TaskDefinition& task, Context& context, std::string_view payload,
                 std::string& result);

// Runs the task on this thread, inside of the middleware, and ends the attempt, which has begun.
// With `processes` the task itself runs in one of those, and this thread waits for it.
[[nodiscard]] Ending execute(const TaskDefinition& task, Core& core, const Chain& middleware,
                             Attempt& attempt, ProcessPool* processes = nullptr);

}  // namespace penstock::detail
