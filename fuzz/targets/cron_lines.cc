// Cron lines: what was read is printed and read back the same, and the next time is the one that a
// clock shows that is looked at every second (or minute, when the line has no seconds).
#include <string>

#include "base/check.h"
#include "flow/cron.h"
#include "fuzz/support/fuzz.h"

namespace penstock::fuzz {
namespace {

using flow::CronLine;
using flow::Seconds;
using flow::Zone;

constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                  "Asia/Kathmandu"};
constexpr int kSteps = 200;

// What a moment's own time and the zone's rules say; no search.
bool fires(const CronLine& line, const cctz::time_zone& rules, Seconds at) {
  const auto shown = rules.lookup(at).cs;
  if (line.names_all_hours()) return line.matches(shown);
  if (line.matches(shown) && rules.lookup(shown).pre == at) return true;
  for (auto skipped = rules.lookup(at - cctz::seconds(1)).cs + 1; skipped < shown; ++skipped)
    if (line.matches(skipped)) return true;
  return false;
}

void check_times(const CronLine& line, const Zone& zone, Time after) {
  const auto next = line.next(after, zone, after);
  if (next) CHECK(*next > after);
  if (line.is_once() || line.is_interval()) return;
  const bool by_minute = line.names_only_minutes();
  const auto step = by_minute ? cctz::seconds(60) : cctz::seconds(1);
  auto at = flow::whole_seconds(after) + cctz::seconds(1);
  if (by_minute)
    while (at.time_since_epoch().count() % 60 != 0) at += cctz::seconds(1);
  for (int n = 0; n < kSteps; ++n, at += step) {
    const bool fires_now = fires(line, zone.rules(), at);
    CHECK(fires_now == (next == flow::time_of(at)));
    if (fires_now) return;
  }
  CHECK(!next || *next >= flow::time_of(at));
}

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  const auto zone = Zone::find(kZones[choices.below(std::size(kZones))]);
  // Within an hour of a change of some zone in 2026, or anywhere.
  constexpr std::int64_t kChanges[] = {1774746000, 1792890000, 1772953200, 1793512800,
                                       1791041400, 1775314800, 1782864000, 4107542400};
  const auto seconds = kChanges[choices.below(std::size(kChanges))] + choices.below(7200) - 3600;
  const auto text = as_text(choices.rest());
  const auto line = CronLine::parse(text);
  if (!line) return check_line(line.error().message);
  const auto again = CronLine::parse(line->text());
  CHECK(again && *again == *line && again->text() == line->text());
  check_line(line->text());
  if (zone) check_times(*line, *zone, time_from_micros(seconds * 1'000'000 + choices.below(3)));
}

}  // namespace penstock::fuzz
