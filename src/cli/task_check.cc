#include "cli/task_check.h"

#include <algorithm>
#include <map>

#include "base/headers.h"

namespace penstock::cli {

std::vector<UnknownTask> unknown_tasks(std::string_view queue,
                                       std::span<const client::Browsed> messages,
                                       std::span<const detail::ListedWorker> workers) {
  std::map<std::string_view, std::uint64_t> waiting;
  for (const auto& [message, state, not_before, history] : messages) {
    if (state != "ready" && state != "scheduled") continue;
    const auto name = std::ranges::find(message.headers, kTaskHeader, &client::Header::first);
    if (name != message.headers.end()) ++waiting[name->second];
  }
  const bool served =
      std::ranges::any_of(workers, [&](const auto& one) { return one.worker.serves(queue); });
  std::vector<UnknownTask> unknown;
  for (const auto& [name, count] : waiting) {
    const bool known = std::ranges::any_of(workers, [&](const auto& one) {
      return one.worker.serves(queue) && one.worker.knows(name);
    });
    if (!known) unknown.push_back({std::string(queue), std::string(name), count, served});
  }
  std::ranges::stable_sort(unknown, std::ranges::greater(), &UnknownTask::count);
  return unknown;
}

}  // namespace penstock::cli
