// The workers that a server knows, read from its list and shown as tables.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/table.h"
#include "engine/worker.h"

namespace penstock::cli {

struct ListedWorker {
  engine::Worker worker;    // without its session
  engine::WorkerTold told;  // by all orders together; it may not have heard yet
  boost::json::object as_listed;
};

// {"workers":[...]}, as WORKER.LIST and GET /v1/workers answer. Fields that are missing or of
// another type are nothing, for a newer server may tell of others; what is no list is
// Error::unsupported.
[[nodiscard]] Result<std::vector<ListedWorker>> read_workers(std::string_view json);

// One line for each worker.
[[nodiscard]] Table worker_table(std::span<const ListedWorker> workers);
// One line for each task that they told of one by one.
[[nodiscard]] Table running_table(std::span<const ListedWorker> workers);

}  // namespace penstock::cli
