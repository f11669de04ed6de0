// The workers that a server knows, as tables.
#pragma once

#include <span>

#include "cli/table.h"
#include "task/worker_json.h"

namespace penstock::cli {

// One line for each worker.
[[nodiscard]] Table worker_table(std::span<const detail::ListedWorker> workers);
// One line for each task that they told of one by one.
[[nodiscard]] Table running_table(std::span<const detail::ListedWorker> workers);

}  // namespace penstock::cli
