#include "cli/format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace penstock::cli {
namespace {

std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.{}f}", value, value >= 9.995 ? 1 : 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// 3 min 20 s: a number of large units, and what is left in small ones.
std::string two_units(std::int64_t small, std::int64_t ratio, std::string_view large_name,
                      std::string_view small_name) {
  std::string text = fmt::format("{} {}", small / ratio, large_name);
  if (small % ratio != 0) text += fmt::format(" {} {}", small % ratio, small_name);
  return text;
}

}  // namespace

std::string human_count(std::uint64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string human_rate(double per_second) {
  if (!std::isfinite(per_second)) return "-";
  if (per_second >= 100) {
    return human_count(static_cast<std::uint64_t>(std::llround(per_second))) + "/s";
  }
  return three_digits(per_second) + "/s";
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1023.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return three_digits(value) + " " + kUnits[unit];
}

std::string human_duration(Duration duration) {
  const auto us = duration.count();
  if (us == 0) return "0 s";
  if (us < 1000) return fmt::format("{} us", us);
  if (us < 999'500) return three_digits(static_cast<double>(us) / 1e3) + " ms";
  if (us < 59'950'000) return three_digits(static_cast<double>(us) / 1e6) + " s";
  const auto seconds = (us + 500'000) / 1'000'000;
  if (seconds < 3600) return two_units(seconds, 60, "min", "s");
  if (seconds < 86'400) return two_units(seconds / 60, 60, "h", "min");
  return two_units(seconds / 3600, 24, "d", "h");
}

std::string human_time(Time time) {
  if (time == Time{}) return "-";
  const std::chrono::sys_time<Duration> at(time.time_since_epoch());
  return fmt::format("{:%F %T} UTC", fmt::gmtime(std::chrono::floor<std::chrono::seconds>(at)));
}

Result<double> parse_rate(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view number = text.substr(0, slash);
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const std::string_view unit = slash == std::string_view::npos ? "s" : text.substr(slash + 1);
  const double seconds = unit == "s"                    ? 1
                         : unit == "min" || unit == "m" ? 60
                         : unit == "h"                  ? 3600
                                                        : 0;
  if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(value) ||
      value < 0 || seconds == 0) {
    return fail(ErrorCode::invalid, "not a rate: " + quoted(text), "as in 500/s, 30/min or 2/h");
  }
  return value / seconds;
}

}  // namespace penstock::cli
