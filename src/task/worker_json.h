// What workers say of themselves over the native protocol (docs/concepts/workers.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "task/backend.h"

namespace penstock::detail {

[[nodiscard]] std::string to_json(const engine::WorkerSpec& worker);
[[nodiscard]] std::string to_json(const engine::WorkerBeat& beat);

// The answers to WORKER.LIST and WORKER.ORDERS. Fields that are missing or of another type are
// nothing, for a newer server may tell of others; Error::unsupported when there is no list.
[[nodiscard]] Result<std::vector<ListedWorker>> read_workers(std::string_view json);
[[nodiscard]] Result<std::vector<engine::WorkerOrder>> read_orders(std::string_view json);

}  // namespace penstock::detail
