#include "cli/task_check.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <map>

#include "base/headers.h"

namespace penstock::cli {

namespace {

// What the last worker that had it said, if it could not run it.
std::string declined(const std::string& history) {
  boost::system::error_code error;
  const auto entries = boost::json::parse(history, error);
  if (error || !entries.is_array() || entries.as_array().empty()) return {};
  const auto* last = entries.as_array().back().if_object();
  const auto text = [&](std::string_view key) {
    const auto* value = last == nullptr ? nullptr : last->if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  return text("reason") == "declined" ? text("error") : std::string();
}

}  // namespace

std::vector<StrandedTasks> stranded_tasks(std::string_view queue,
                                          std::span<const client::Browsed> messages,
                                          std::span<const detail::ListedWorker> workers) {
  const auto serves = [&](const auto& one) { return one.worker.serves(queue); };
  const bool served = std::ranges::any_of(workers, serves);
  std::map<std::pair<std::string_view, std::string>, std::uint64_t> waiting;
  for (const auto& [message, state, not_before, history] : messages) {
    if (state != "ready" && state != "scheduled") continue;
    const auto name = std::ranges::find(message.headers, kTaskHeader, &client::Header::first);
    if (name != message.headers.end()) ++waiting[{name->second, declined(history)}];
  }
  std::vector<StrandedTasks> stranded;
  for (const auto& [what, count] : waiting) {
    const auto& [name, why] = what;
    const bool known = std::ranges::any_of(
        workers, [&](const auto& one) { return serves(one) && one.worker.knows(name); });
    if (!known || !why.empty())
      stranded.push_back({std::string(queue), std::string(name), count, known, served, why});
  }
  std::ranges::stable_sort(stranded, std::ranges::greater(), &StrandedTasks::count);
  return stranded;
}

}  // namespace penstock::cli
