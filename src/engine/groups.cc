// Groups: what is set for one of them, and how fast each may go.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/canary.h"
#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kGroupSettingsMax = 10'000;  // of one queue

constexpr double kLongestStep = 1e15;  // thirty years

// A bucket that holds a tenth of a second's worth, and at least one. It is full at a time; for each
// token that is missing, that lies one step further ahead.
struct Bucket {
  explicit Bucket(double rate)
      : step(static_cast<std::int64_t>(std::ceil(std::min(1e6 / rate, kLongestStep)))),
        slack(static_cast<std::int64_t>((std::max(1.0, rate / 10) - 1) * 1e6 / rate)) {}
  [[nodiscard]] Time next(Time full_at) const { return full_at - slack; }

  Duration step;
  Duration slack;  // of all tokens but one
};

}  // namespace

Result<bool> Engine::set_group(std::string_view queue_name, std::string_view group,
                               OptionPatch patch) {
  if (auto allowed = may(Right::configure, Resource::queue, queue_name); !allowed)
    return fail(allowed.error());
  auto queue = shown_queue(queue_name);
  if (!queue) return fail(queue.error());
  if (auto valid = valid_name(group, "group"); !valid) return fail(valid.error());
  const auto& settings = (*queue)->group_settings;
  const auto known = settings.find(group);
  const bool is_new = known == settings.end();
  GroupSetEvent event{(*queue)->id, group, is_new ? GroupSetting{} : known->second};
  for (const auto& [name, value] : patch)
    if (auto set = set_group_field(event.setting, name, value); !set) return fail(set.error());
  if (!is_new && known->second == event.setting) return false;
  if (is_new && (settings.size() >= kGroupSettingsMax ||
                 state_.group_settings >= options_.max_group_settings))
    return fail(ErrorCode::too_large,
                fmt::format("{} groups of queue {} have settings of their own, {} of all queues",
                            settings.size(), queue_name, state_.group_settings),
                fmt::format("reset some: at most {} of a queue and {} of all may",
                            kGroupSettingsMax, options_.max_group_settings));
  write(**queue, event);
  state_.apply(event);
  return is_new;
}

Result<void> Engine::reset_group(std::string_view queue_name, std::string_view group) {
  if (auto allowed = may(Right::configure, Resource::queue, queue_name); !allowed)
    return fail(allowed.error());
  auto queue = shown_queue(queue_name);
  if (!queue) return fail(queue.error());
  if (!(*queue)->group_settings.contains(group))
    return fail(ErrorCode::not_found,
                fmt::format("nothing is set for group {} of queue {}", quoted(group), queue_name));
  const GroupGoneEvent event{(*queue)->id, group};
  write(**queue, event);
  state_.apply(event);
  return {};
}

// One of its messages was delivered, and it has a rate.
void Engine::spend_token(Time now, std::uint32_t number) {
  Group& group = state_.groups[number];
  const Bucket bucket(group.rate);
  group.full_at = std::max(group.full_at, now) + bucket.step / (CANARY(overspend_rate) ? 2 : 1);
  if (bucket.next(group.full_at) <= now) return;
  state_.throttle_group(
      number, state_.wheel.set(bucket.next(group.full_at), TimerKind::group_rate, number));
}

void Engine::on_group_rate(std::uint32_t number) {
  state_.throttle_group(number, 0);
}

}  // namespace penstock::engine
