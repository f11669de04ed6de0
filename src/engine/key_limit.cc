#include "engine/key_limit.h"

#include <fmt/format.h>

#include "base/text.h"

namespace penstock::engine {
namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 366);
constexpr std::size_t kLongestKey = 1024;

Result<void> check_time(Duration time, std::string_view what) {
  if (time.count() > 0 && time <= kLongest) return {};
  return fail(ErrorCode::invalid,
              fmt::format("the {} is longer than 0 and at most 366 days", what));
}

}  // namespace

Result<void> set_until(KeyLimit& limit, std::string_view until) {
  if (until == "start") return limit.rule = KeyRule::unique_start, Result<void>{};
  if (until == "done") return limit.rule = KeyRule::unique_done, Result<void>{};
  auto time = parse_duration(until);
  if (!time)
    return fail(ErrorCode::invalid, fmt::format("{} is no end of a unique key", quoted(until)),
                "start, done or a duration such as 10m");
  limit.rule = KeyRule::unique_for;
  limit.time = *time;
  return {};
}

Result<void> set_on_conflict(KeyLimit& limit, std::string_view on_conflict) {
  if (on_conflict == "reject")
    limit.on_conflict = OnConflict::reject;
  else if (on_conflict == "return")
    limit.on_conflict = OnConflict::give_known;
  else if (on_conflict == "replace")
    limit.on_conflict = OnConflict::replace;
  else if (on_conflict == "delay")
    limit.on_conflict = OnConflict::delay;
  else
    return fail(ErrorCode::invalid, fmt::format("{} is no on_conflict", quoted(on_conflict)),
                "reject, return or replace; of a throttle reject, return or delay");
  return {};
}

Result<void> set_throttle_rate(KeyLimit& limit, std::string_view rate) {
  const auto expected = [&] {
    return fail(ErrorCode::invalid, fmt::format("{} is no rate of a throttle", quoted(rate)),
                fmt::format("a count from 1 to {} in a period, such as 10/1m", kThrottleMost));
  };
  const auto slash = rate.find('/');
  if (slash == std::string_view::npos) return expected();
  const auto most = parse_u64(rate.substr(0, slash));
  const auto period = parse_duration(rate.substr(slash + 1));
  if (!most || !period || *most == 0 || *most > kThrottleMost) return expected();
  limit.rule = KeyRule::throttle;
  limit.most = static_cast<std::uint32_t>(*most);
  limit.time = *period;
  return {};
}

Result<void> check(const KeyLimit& limit) {
  if (limit.rule == KeyRule::none) return {};
  if (limit.key.empty() || limit.key.size() > kLongestKey)
    return fail(ErrorCode::invalid, fmt::format("a key has 1 to {} bytes", kLongestKey));
  switch (limit.rule) {
    case KeyRule::none:
    case KeyRule::unique_start:
    case KeyRule::unique_done:
      break;
    case KeyRule::unique_for:
      if (auto good = check_time(limit.time, "time of a unique key"); !good) return good;
      break;
    case KeyRule::debounce:
      if (limit.max_wait.count() != 0)
        if (auto good = check_time(limit.max_wait, "longest wait of a debounce"); !good)
          return good;
      return check_time(limit.time, "delay of a debounce");
    case KeyRule::throttle:
      if (limit.most == 0 || limit.most > kThrottleMost)
        return fail(ErrorCode::invalid,
                    fmt::format("a throttle lets 1 to {} in a period", kThrottleMost));
      if (limit.on_conflict == OnConflict::replace)
        return fail(ErrorCode::invalid, "a throttle replaces nothing", "reject, return or delay");
      return check_time(limit.time, "period of a throttle");
  }
  if (limit.on_conflict == OnConflict::delay)
    return fail(ErrorCode::invalid, "only a throttle delays", "reject, return or replace");
  return {};
}

}  // namespace penstock::engine
