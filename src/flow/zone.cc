#include "flow/zone.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/text.h"

namespace penstock::flow {
namespace {

constexpr std::size_t kZoneNameBytesMax = 64;

// Names are paths below the database's folder, and may not lead out of it.
bool is_zone_name(std::string_view name) {
  const auto fits = [](char c) {
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '/' || c == '_' || c == '-' || c == '+';
  };
  return !name.empty() && name.size() <= kZoneNameBytesMax && ascii_is_alpha(name.front()) &&
         std::ranges::all_of(name, fits);
}

// cctz keeps every name that it was ever asked for, known or not; so it is asked only for those
// that are there, and cannot be made to grow.
bool is_in_database(const std::string& name) {
  const char* folder = std::getenv("TZDIR");
  std::error_code error;
  return std::filesystem::is_regular_file(
      std::filesystem::path(folder != nullptr ? folder : "/usr/share/zoneinfo") / name, error);
}

}  // namespace

Result<Zone> Zone::find(std::string_view name) {
  if (name == "UTC") return Zone();
  cctz::time_zone rules;
  if (const std::string text(name);
      is_zone_name(name) && is_in_database(text) && cctz::load_time_zone(text, &rules))
    return Zone(rules);
  return fail(ErrorCode::invalid, "there is no time zone " + quoted(name) + " on this machine",
              "write it as in Europe/Berlin; without any zones, install the package tzdata");
}

std::string utc_text(Time time) {
  return cctz::format("%E4Y-%m-%dT%H:%M:%SZ", whole_seconds(time), cctz::utc_time_zone());
}

}  // namespace penstock::flow
