// When something recurs: a line as in a crontab, an interval, or one time.
//
//   [SECONDS] MINUTES HOURS DAYS MONTHS WEEKDAYS    0-59 0-59 0-23 1-31 1-12 0-7 (0 and 7: Sunday)
//   @yearly @annually @monthly @weekly @daily @midnight @hourly
//   @every DURATION                                 from the second on: 90s, 15m, 1d
//   @at 2026-12-24T18:00[:00][Z]                    once; the zone's time, or with Z that of UTC
//
// A field is `*`, numbers, names (JAN, mon), ranges `8-17`, steps `*/5` `8-17/3`, and lists of
// them. DAYS and WEEKDAYS take `?` for `*`, and DAYS `L` for the last of the month. As in Vixie's
// cron: if neither DAYS nor WEEKDAYS is a `*` or a step of it, a day that either of them names will
// do; else it takes both.
//
// Daylight saving. A line that names all 24 hours fires whenever the zone's clock shows what it
// says: each half hour of elapsed time for `*/30 * * * *`. A line that names some hours fires once
// for each time that it names: right after the gap for those that the clock leaves out, and at the
// first of two when it shows them twice. Intervals take no notice.
//
// Threads: a value. Reads no files and no clock; zones come from flow/zone.h.
#pragma once

#include <cctz/civil_time.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "flow/zone.h"

namespace penstock::flow {

inline constexpr std::size_t kCronLineBytesMax = 512;

class CronLine {
 public:
  // Errors name the field and the column. A line that can never fire (30 February) is one.
  [[nodiscard]] static Result<CronLine> parse(std::string_view text);
  [[nodiscard]] static Result<CronLine> every(Duration interval);
  [[nodiscard]] static CronLine at(Time time);  // to the second

  // What parse() reads back as the same; ranges and names become plain.
  [[nodiscard]] std::string text() const;

  // The first time after `after`; nothing when there is none within a hundred years, or after 2199.
  // Intervals count from `since`, which has no other meaning.
  [[nodiscard]] std::optional<Time> next(Time after, const Zone& zone, Time since) const;

  [[nodiscard]] bool is_once() const { return kind_ == Kind::once; }
  [[nodiscard]] bool is_interval() const { return kind_ == Kind::interval; }
  // Of a line: whether it fires when a clock shows this, and whether it names all 24 hours.
  [[nodiscard]] bool matches(const cctz::civil_second& shown) const;
  [[nodiscard]] bool names_all_hours() const;
  [[nodiscard]] bool names_only_minutes() const;  // fires at second 0 alone

  bool operator==(const CronLine&) const = default;

 private:
  enum class Kind : std::uint8_t { line, interval, once };
  enum Field : std::uint8_t { kSecond, kMinute, kHour, kDay, kMonth, kWeekday, kFields };
  friend class CronReader;

  [[nodiscard]] bool matches_day(const cctz::civil_day& day) const;
  [[nodiscard]] bool can_fire() const;
  // The first time of a clock without gaps that matches, from `from` on.
  [[nodiscard]] std::optional<cctz::civil_second> match_from(const cctz::civil_second& from) const;
  [[nodiscard]] std::optional<cctz::civil_second> match_in_day(
      const cctz::civil_second& from) const;
  [[nodiscard]] std::optional<Seconds> next_shown(Seconds after, const Zone& zone) const;
  [[nodiscard]] std::optional<Seconds> next_named(Seconds after, const Zone& zone) const;
  [[nodiscard]] std::string field_text(Field field) const;

  Kind kind_ = Kind::line;
  std::array<std::uint64_t, kFields> bits_{};  // of a line: bit n is the number n
  bool any_day_ = false;                       // the field was `*`, `*/n` or `?`
  bool any_weekday_ = false;
  bool last_day_ = false;      // of the month
  Duration interval_{0};       // of an interval
  cctz::civil_second once_{};  // of one time
  bool once_in_utc_ = false;
};

}  // namespace penstock::flow
