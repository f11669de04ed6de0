#include "test/crash/deaths.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace penstock::crash {
namespace {

using faults::kPoints;

int point_named(std::string_view name) {
  const auto* const found = std::ranges::find(kPoints, name, &faults::Point::name);
  return static_cast<int>(found - std::begin(kPoints));
}

}  // namespace

// What the last death left behind decides which parts of the start can be reached at all.
int Deaths::choose_point(std::mt19937_64& random) const {
  bool short_spare = false;
  for (const auto& entry : std::filesystem::directory_iterator(data_))
    short_spare |= entry.path().filename().string().starts_with("spare-") &&
                   entry.file_size() < segment_bytes_;
  if (random() % 2 == 0) {
    if (std::filesystem::exists(data_ + "/checkpoint.tmp")) return point_named("temporary-remove");
    if (short_spare) return point_named("spare-remove");
  }
  const auto any = static_cast<int>(random() % faults::kPointCount);
  if (random() % 2 == 0) return any;
  return static_cast<int>(std::ranges::min_element(tallies_, {}, &Tally::planned) -
                          tallies_.begin());
}

Death Deaths::choose(std::mt19937_64& random) {
  const int at = choose_point(random);
  const auto& point = kPoints[at];
  ++tallies_[static_cast<std::size_t>(at)].planned;
  // As often as a life comes by, or a little later.
  const auto usual = recording_.reached[at] / std::max<std::uint64_t>(lives_, 1);
  const auto number = 1 + random() % (usual + 1);
  constexpr const char* kWhen[] = {"before", "after", "torn"};
  const auto* when = kWhen[random() % (point.call == faults::Call::write ? 3 : 2)];
  return {at, fmt::format("{}:{}:{}", point.name, number, when)};
}

Death Deaths::choose_before_first_sync() {
  const int at = point_named("batch-sync");
  ++tallies_[static_cast<std::size_t>(at)].planned;
  return {at, "batch-sync:1:before"};
}

bool Deaths::ended(const Death& death) {
  ++lives_;
  const auto struck = recording_.struck.load();
  const bool as_planned = struck != struck_;
  struck_ = struck;
  if (!as_planned || death.point < 0) return false;
  ++tallies_[static_cast<std::size_t>(death.point)].died;
  ++at_points_;
  return true;
}

std::string Deaths::table() const {
  std::string text =
      fmt::format("  {:<24}{:>10}{:>10}{:>10}\n", "point", "reached", "planned", "died");
  for (std::size_t at = 0; at < faults::kPointCount; ++at)
    text += fmt::format("  {:<24}{:>10}{:>10}{:>10}\n", kPoints[at].name,
                        recording_.reached[at].load(), tallies_[at].planned, tallies_[at].died);
  return text;
}

std::vector<std::string> Deaths::never_reached(bool also_by_chance) const {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < faults::kPointCount; ++at)
    if (recording_.reached[at] == 0 && (also_by_chance || !kPoints[at].by_chance))
      names.emplace_back(kPoints[at].name);
  return names;
}

}  // namespace penstock::crash
