// What a row of an outbox says of a task, besides its name: from what was told when it was
// enqueued, and back. The table is the user's, and anybody may have written to it.
#pragma once

#include <string>

#include "penstock/options.hpp"
#include "penstock/outbox.hpp"

namespace penstock::outbox::detail {

// As JSON. Throws InvalidInput for what does not go through an outbox.
[[nodiscard]] std::string stored_options(const TaskOptions& task, const EnqueueOptions& options);

struct RowOptions {
  TaskOptions task;
  EnqueueOptions enqueue;
};
// Throws InvalidInput for a row that can never be published.
[[nodiscard]] RowOptions read_row(const Row& row);

}  // namespace penstock::outbox::detail
