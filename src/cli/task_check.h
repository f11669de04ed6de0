// Which tasks wait for a worker that is not there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "client/api.h"
#include "task/worker_json.h"

namespace penstock::cli {

struct StrandedTasks {
  std::string queue, name;
  std::uint64_t count = 0;
  bool known = false;    // a worker of the queue knows the name
  bool served = false;   // somebody takes from the queue
  std::string declined;  // what the worker said that could not run it; empty: none was asked
};

// Of the first messages of one queue: the tasks that wait, and which no worker of the queue knows
// by name, or which the last worker that had them could not run; the most frequent first. What runs
// has found its worker, and what is no task is not meant for one.
[[nodiscard]] std::vector<StrandedTasks> stranded_tasks(
    std::string_view queue, std::span<const client::Browsed> messages,
    std::span<const detail::ListedWorker> workers);

}  // namespace penstock::cli
