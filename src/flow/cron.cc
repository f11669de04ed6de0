#include "flow/cron.h"

#include <cctz/time_zone.h>

#include <algorithm>
#include <bit>
#include <chrono>

namespace penstock::flow {
namespace {

using cctz::civil_day;
using cctz::civil_month;
using cctz::civil_second;

constexpr Time kEnd = time_from_micros(7'258'118'400'000'000);  // 2200-01-01
constexpr int kSearchYears = 100;  // 29 February on a given weekday is at most 40 years off

constexpr std::uint64_t bit(int number) {
  return 1ull << number;
}
constexpr std::uint64_t all_of(int least, int most) {
  return (bit(most) | (bit(most) - 1)) & ~(bit(least) - 1);
}
// The least number in `bits` from `from` on, or -1.
int least_from(std::uint64_t bits, int from) {
  bits &= ~(bit(from) - 1);
  return bits == 0 ? -1 : std::countr_zero(bits);
}
civil_day last_of(const civil_day& day) {
  return civil_day(civil_month(day) + 1) - 1;
}
int weekday_of(const civil_day& day) {
  return (static_cast<int>(cctz::get_weekday(day)) + 1) % 7;  // cctz: Monday is 0
}
static_assert(static_cast<int>(cctz::weekday::monday) == 0);

}  // namespace

// ---- days and times of a clock without gaps

bool CronLine::names_all_hours() const {
  return bits_[kHour] == all_of(0, 23);
}

bool CronLine::names_only_minutes() const {
  return bits_[kSecond] == bit(0);
}

bool CronLine::matches_day(const civil_day& day) const {
  const bool by_day = (bits_[kDay] & bit(day.day())) != 0 || (last_day_ && day == last_of(day));
  const bool by_weekday = (bits_[kWeekday] & bit(weekday_of(day))) != 0;
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

bool CronLine::matches(const civil_second& shown) const {
  return (bits_[kSecond] & bit(shown.second())) != 0 &&
         (bits_[kMinute] & bit(shown.minute())) != 0 && (bits_[kHour] & bit(shown.hour())) != 0 &&
         (bits_[kMonth] & bit(shown.month())) != 0 && matches_day(civil_day(shown));
}

// All weekdays come to every date in time, so a date that exists is enough.
bool CronLine::can_fire() const {
  if (last_day_ || (!any_day_ && !any_weekday_)) return true;
  for (int month = 1; month <= 12; ++month) {
    const int days = last_of(civil_day(2000, month, 1)).day();
    if ((bits_[kMonth] & bit(month)) != 0 && least_from(bits_[kDay], 1) <= days) return true;
  }
  return false;
}

std::optional<civil_second> CronLine::match_in_day(const civil_second& from) const {
  int hour = least_from(bits_[kHour], from.hour());
  int minute = hour == from.hour() ? least_from(bits_[kMinute], from.minute()) : -1;
  int second = minute == from.minute() ? least_from(bits_[kSecond], from.second()) : -1;
  const auto later_minute = [&] { return least_from(bits_[kMinute], from.minute() + 1); };
  if (hour == from.hour() && minute == from.minute() && second < 0) minute = later_minute();
  if (hour == from.hour() && minute < 0) hour = least_from(bits_[kHour], from.hour() + 1);
  if (hour < 0) return std::nullopt;
  if (hour != from.hour()) minute = least_from(bits_[kMinute], 0);
  if (hour != from.hour() || minute != from.minute()) second = least_from(bits_[kSecond], 0);
  return civil_second(from.year(), from.month(), from.day(), hour, minute, second);
}

std::optional<civil_second> CronLine::match_from(const civil_second& from) const {
  const auto last_year = from.year() + kSearchYears;
  for (auto at = from; at.year() <= last_year;) {
    if ((bits_[kMonth] & bit(at.month())) == 0) {
      at = civil_second(civil_month(at) + 1);
      continue;
    }
    if (matches_day(civil_day(at)))
      if (const auto found = match_in_day(at)) return found;
    at = civil_second(civil_day(at) + 1);
  }
  return std::nullopt;
}

// ---- times of a zone

// Piece by piece between the zone's changes: in each, the clock runs on evenly.
std::optional<Seconds> CronLine::next_shown(Seconds after, const Zone& zone) const {
  const auto& rules = zone.rules();
  auto from = after + cctz::seconds(1);
  for (;;) {
    const auto shown = rules.lookup(from).cs;
    const auto found = match_from(shown);
    if (!found) return std::nullopt;
    const auto at = from + cctz::seconds(*found - shown);
    cctz::time_zone::civil_transition change;
    if (!rules.next_transition(from, &change)) return at;
    const auto changes_at = rules.lookup(change.to).trans;
    if (at < changes_at || changes_at <= from) return at;
    from = changes_at;
  }
}

// Later times of the clock never come earlier, with those in a gap put to its end and of two alike
// the first taken; so the first in the clock's order that lies after `after` is the next.
std::optional<Seconds> CronLine::next_named(Seconds after, const Zone& zone) const {
  const auto& rules = zone.rules();
  auto from = rules.lookup(after).cs + 1;
  for (;;) {
    const auto found = match_from(from);
    if (!found) return std::nullopt;
    const auto times = rules.lookup(*found);
    const bool skipped = times.kind == cctz::time_zone::civil_lookup::SKIPPED;
    const auto at = skipped ? times.trans : times.pre;
    if (at > after) return at;
    // In the second pass of an hour: on to the end of it, as the clock of the first showed it.
    const bool repeated = times.kind == cctz::time_zone::civil_lookup::REPEATED;
    from = repeated ? rules.lookup(times.trans - cctz::seconds(1)).cs + 1 : *found + 1;
  }
}

std::optional<Time> CronLine::next(Time after, const Zone& zone, Time since) const {
  if (after >= kEnd || since >= kEnd) return std::nullopt;
  if (kind_ == Kind::interval) {
    if (after < since) return since + interval_;
    return since + ((after - since) / interval_ + 1) * interval_;
  }
  if (kind_ == Kind::once) {
    const auto times =
        once_in_utc_ ? cctz::utc_time_zone().lookup(once_) : zone.rules().lookup(once_);
    const bool skipped = times.kind == cctz::time_zone::civil_lookup::SKIPPED;
    const auto at = time_of(skipped ? times.trans : times.pre);
    if (at > after) return at;
    return std::nullopt;
  }
  const auto from = whole_seconds(after);
  const auto found = names_all_hours() ? next_shown(from, zone) : next_named(from, zone);
  if (!found) return std::nullopt;
  return time_of(*found);
}

}  // namespace penstock::flow
