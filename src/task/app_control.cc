// What an App does about tasks that wait or have failed, and about groups.
#include <fmt/format.h>

#include "penstock/app.hpp"
#include "task/core.h"
#include "task/execute.h"
#include "task/failure.h"

namespace penstock {
namespace {

// Empty: it can.
std::string why_not(const detail::Registry& registry, const detail::BrowsedTask& waiting) {
  if (waiting.name.empty()) return "a plain message, and no task";
  const auto* task = registry.find(waiting.name);
  if (task == nullptr) return fmt::format("unknown task `{}`", waiting.name);
  try {
    detail::read_payload(*task, waiting.body);
  } catch (const detail::ArgumentError& wrong) {
    return wrong.what();
  }
  return {};
}

}  // namespace

std::uint64_t App::redrive(std::string_view queue, const RedriveOptions& which) {
  return detail::value_or_throw(core_->backend().redrive_some(
      queue, {.max = which.max, .error = which.error, .task = which.task}));
}

void App::retry(std::uint64_t id) {
  detail::value_or_throw(core_->backend().retry(MessageId(id)));
}

TaskCheck App::check(std::string_view queue, std::uint32_t max) {
  const auto statistics = detail::value_or_throw(core_->backend().queue(queue));
  const auto registry = core_->registry();
  TaskCheck check{.waiting = statistics.ready + statistics.scheduled, .looked_at = 0, .unfit = {}};
  for (auto& waiting : detail::value_or_throw(core_->backend().browse(queue, max))) {
    if (!waiting.waits) continue;
    ++check.looked_at;
    if (auto why = why_not(*registry, waiting); !why.empty())
      check.unfit.push_back({waiting.id.value, std::move(waiting.name), std::move(why)});
  }
  return check;
}

void App::set_group(std::string_view queue, std::string_view group, const GroupOptions& options) {
  detail::Backend::Options settings;
  if (options.weight) settings.emplace_back("weight", fmt::format("{}", *options.weight));
  if (options.rate) settings.emplace_back("rate", fmt::format("{}", *options.rate));
  if (options.limit) settings.emplace_back("limit", fmt::format("{}", *options.limit));
  if (settings.empty()) throw InvalidInput("a group's weight, rate or limit: give one of them");
  detail::value_or_throw(core_->backend().set_group(queue, group, settings));
}

void App::reset_group(std::string_view queue, std::string_view group) {
  detail::value_or_throw(core_->backend().reset_group(queue, group));
}

std::vector<GroupStatus> App::groups(std::string_view queue) {
  return detail::value_or_throw(core_->backend().groups(queue));
}

}  // namespace penstock
