// Queues as a table: what is in them, Little's figures, what was refused.
#pragma once

#include <span>

#include "cli/table.h"
#include "client/api.h"

namespace penstock::cli {

[[nodiscard]] Table queue_table(std::span<const client::QueueStatistics> queues);

}  // namespace penstock::cli
