// Which tasks wait for a worker that is not there.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "client/api.h"
#include "task/worker_json.h"

namespace penstock::cli {

struct UnknownTask {
  std::string queue, name;
  std::uint64_t count = 0;
  bool served = false;  // somebody takes from the queue, and does not know the name
};

// Of the first messages of one queue: the tasks that wait, and which no worker of the queue knows,
// by name; the most frequent first. What runs has found its worker, and what is no task is not
// meant for one.
[[nodiscard]] std::vector<UnknownTask> unknown_tasks(std::string_view queue,
                                                     std::span<const client::Browsed> messages,
                                                     std::span<const detail::ListedWorker> workers);

}  // namespace penstock::cli
