#include "flow/cron.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace penstock::flow {
namespace {

using namespace std::chrono_literals;

Time utc(const std::string& text) {
  cctz::time_point<cctz::seconds> at;
  EXPECT_TRUE(cctz::parse("%Y-%m-%d %H:%M:%S", text, cctz::utc_time_zone(), &at)) << text;
  return time_of(at);
}
std::string show(Time time) {
  return cctz::format("%Y-%m-%d %H:%M:%S", whole_seconds(time), cctz::utc_time_zone());
}
CronLine line(const std::string& text) {
  auto parsed = CronLine::parse(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
  return parsed.value_or(CronLine::at(Time{}));
}
Zone zone(const std::string& name) {
  auto found = Zone::find(name);
  EXPECT_TRUE(found) << name;
  return found.value_or(Zone());
}

struct Row {
  const char* why;
  const char* text;
  const char* zone;
  const char* after;               // UTC
  std::vector<std::string> times;  // UTC, those that follow
};

class CronTimes : public testing::TestWithParam<Row> {};

TEST_P(CronTimes, FollowOneAnother) {
  const auto& row = GetParam();
  const auto cron = line(row.text);
  const auto where = zone(row.zone);
  Time at = utc(row.after);
  std::vector<std::string> times;
  for (std::size_t n = 0; n < row.times.size(); ++n) {
    const auto next = cron.next(at, where, utc(row.after));
    if (!next) break;
    times.push_back(show(*next));
    at = *next;
  }
  EXPECT_EQ(times, row.times) << row.why << ": " << row.text;
}

constexpr const char* kBerlin = "Europe/Berlin";
constexpr const char* kNewYork = "America/New_York";
constexpr const char* kLordHowe = "Australia/Lord_Howe";

const Row kPlain[] = {
    {"steps",
     "*/20 * * * *",
     "UTC",
     "2026-01-01 00:00:00",
     {"2026-01-01 00:20:00", "2026-01-01 00:40:00", "2026-01-01 01:00:00"}},
    {"a step in a range",
     "0 8-17/3 * * *",
     "UTC",
     "2026-01-01 09:00:00",
     {"2026-01-01 11:00:00", "2026-01-01 14:00:00", "2026-01-01 17:00:00", "2026-01-02 08:00:00"}},
    {"seconds in front",
     "*/20 59 23 * * *",
     "UTC",
     "2026-12-31 23:59:10",
     {"2026-12-31 23:59:20", "2026-12-31 23:59:40", "2027-01-01 23:59:00"}},
    {"names",
     "30 3 * jan,MAR mon-fri",
     "UTC",
     "2026-01-30 12:00:00",
     {"2026-03-02 03:30:00", "2026-03-03 03:30:00"}},
    {"7 is Sunday", "0 0 * * 7", "UTC", "2026-11-22 12:00:00", {"2026-11-29 00:00:00"}},
    {"5-7 ends on Sunday",
     "0 0 * * 5-7",
     "UTC",
     "2026-11-26 12:00:00",
     {"2026-11-27 00:00:00", "2026-11-28 00:00:00", "2026-11-29 00:00:00", "2026-12-04 00:00:00"}},
    {"days or weekdays, if both are named",
     "0 0 13 * FRI",
     "UTC",
     "2026-02-01 00:00:00",
     {"2026-02-06 00:00:00", "2026-02-13 00:00:00", "2026-02-20 00:00:00", "2026-02-27 00:00:00",
      "2026-03-06 00:00:00", "2026-03-13 00:00:00"}},
    {"days and weekdays, if one is a step of all",
     "0 0 */2 * MON",
     "UTC",
     "2026-03-01 00:00:00",
     {"2026-03-09 00:00:00", "2026-03-23 00:00:00", "2026-04-13 00:00:00"}},
    {"? is any", "0 0 1 * ?", "UTC", "2026-03-01 00:00:00", {"2026-04-01 00:00:00"}},
    {"the last of the month",
     "0 12 L * *",
     "UTC",
     "2027-12-31 12:00:00",
     {"2028-01-31 12:00:00", "2028-02-29 12:00:00", "2028-03-31 12:00:00"}},
    {"a leap day",
     "0 0 29 2 *",
     "UTC",
     "2026-01-01 00:00:00",
     {"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
    {"no leap day in 2100", "0 0 29 2 *", "UTC", "2096-02-29 00:00:00", {"2104-02-29 00:00:00"}},
    {"a leap day that is a Sunday",
     "0 0 29 2 */6",
     "UTC",
     "2028-02-29 00:00:00",
     {"2032-02-29 00:00:00", "2048-02-29 00:00:00"}},
    {"@yearly", "@yearly", "UTC", "2026-01-01 00:00:00", {"2027-01-01 00:00:00"}},
    {"@monthly", "@monthly", "UTC", "2026-01-01 00:00:00", {"2026-02-01 00:00:00"}},
    {"@weekly", "@weekly", "UTC", "2026-11-22 00:00:00", {"2026-11-29 00:00:00"}},
    {"@hourly", "@hourly", "UTC", "2026-11-22 00:00:01", {"2026-11-22 01:00:00"}},
    {"an interval counts from its beginning",
     "@every 90s",
     "UTC",
     "2026-11-22 00:00:07",
     {"2026-11-22 00:01:37", "2026-11-22 00:03:07"}},
    {"once", "@at 2026-12-24T18:00", kBerlin, "2026-11-22 00:00:00", {"2026-12-24 17:00:00"}},
    {"once, in UTC",
     "@at 2026-12-24 18:00:30Z",
     kBerlin,
     "2026-11-22 00:00:00",
     {"2026-12-24 18:00:30"}},
};
INSTANTIATE_TEST_SUITE_P(Plain, CronTimes, testing::ValuesIn(kPlain));

const Row kDaylightSaving[] = {
    {"midnight is the zone's",
     "@daily",
     kBerlin,
     "2026-03-28 00:00:00",
     {"2026-03-28 23:00:00", "2026-03-29 22:00:00"}},
    // Berlin, 2026-03-29: 02:00 to 03:00 is left out, at 01:00 UTC.
    {"in the gap: right after it",
     "30 2 * * *",
     kBerlin,
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 00:30:00"}},
    {"several in the gap: once",
     "*/15 2 * * *",
     kBerlin,
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 00:00:00"}},
    {"in the gap and at its end: once",
     "0 2,3 * * *",
     kBerlin,
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 00:00:00", "2026-03-30 01:00:00"}},
    {"all hours: nothing is made up for",
     "30 * * * *",
     kBerlin,
     "2026-03-28 23:45:00",
     {"2026-03-29 00:30:00", "2026-03-29 01:30:00"}},
    {"every second hour: the gap's is not lost",
     "0 */2 * * *",
     kBerlin,
     "2026-03-28 23:00:00",
     {"2026-03-29 01:00:00", "2026-03-29 02:00:00", "2026-03-29 04:00:00"}},
    // Berlin, 2026-10-25: 02:00 to 03:00 is there twice, from 00:00 UTC and from 01:00 UTC.
    {"there twice: the first",
     "30 2 * * *",
     kBerlin,
     "2026-10-24 12:00:00",
     {"2026-10-25 00:30:00", "2026-10-26 01:30:00"}},
    {"asked in the second pass",
     "30 2 * * *",
     kBerlin,
     "2026-10-25 01:10:00",
     {"2026-10-26 01:30:00"}},
    {"asked in the second pass, every second",
     "* * 2,3 * * *",
     kBerlin,
     "2026-10-25 01:10:00",
     {"2026-10-25 02:00:00"}},
    {"all hours: both passes",
     "*/30 * * * *",
     kBerlin,
     "2026-10-24 23:30:00",
     {"2026-10-25 00:00:00", "2026-10-25 00:30:00", "2026-10-25 01:00:00", "2026-10-25 01:30:00",
      "2026-10-25 02:00:00"}},
    {"intervals take no notice",
     "@every 1h",
     kBerlin,
     "2026-10-24 23:30:00",
     {"2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00"}},
    // New York, 2026-03-08 at 07:00 UTC, and 2026-11-01 at 06:00 UTC.
    {"in the gap",
     "15 2 * * SUN",
     kNewYork,
     "2026-03-07 12:00:00",
     {"2026-03-08 07:00:00", "2026-03-15 06:15:00"}},
    {"there twice",
     "15 1 * * *",
     kNewYork,
     "2026-10-31 12:00:00",
     {"2026-11-01 05:15:00", "2026-11-02 06:15:00"}},
    {"all hours: both passes",
     "15 * * * *",
     kNewYork,
     "2026-11-01 04:30:00",
     {"2026-11-01 05:15:00", "2026-11-01 06:15:00", "2026-11-01 07:15:00"}},
    // Lord Howe: half an hour, 2026-10-03 at 15:30 UTC (02:00 becomes 02:30), and 2026-04-04 at
    // 15:00 UTC (02:00 becomes 01:30).
    {"in the half hour left out",
     "15 2 * * *",
     kLordHowe,
     "2026-10-03 00:00:00",
     {"2026-10-03 15:30:00", "2026-10-04 15:15:00"}},
    {"behind it: as ever",
     "45 2 * * *",
     kLordHowe,
     "2026-10-03 00:00:00",
     {"2026-10-03 15:45:00", "2026-10-04 15:45:00"}},
    {"the half hour that is there twice",
     "45 1 * * *",
     kLordHowe,
     "2026-04-04 00:00:00",
     {"2026-04-04 14:45:00", "2026-04-05 15:15:00"}},
    {"all hours: both passes",
     "45 * * * *",
     kLordHowe,
     "2026-04-04 14:00:00",
     {"2026-04-04 14:45:00", "2026-04-04 15:15:00", "2026-04-04 16:15:00"}},
    // Samoa left out a whole day, 2011-12-30, at 10:00 UTC.
    {"a day left out",
     "0 12 30 12 *",
     "Pacific/Apia",
     "2011-12-01 00:00:00",
     {"2011-12-30 10:00:00", "2012-12-29 22:00:00"}},
};
INSTANTIATE_TEST_SUITE_P(DaylightSaving, CronTimes, testing::ValuesIn(kDaylightSaving));

TEST(Cron, ASingleTimeThatHasPassedHasNoNext) {
  const auto once = line("@at 2026-12-24T18:00");
  EXPECT_EQ(once.next(utc("2026-12-24 18:00:00"), Zone(), Time{}), std::nullopt);
  EXPECT_TRUE(once.is_once());
  EXPECT_EQ(CronLine::at(utc("2026-12-24 18:00:00")).text(), "@at 2026-12-24T18:00:00Z");
}

TEST(Cron, PrintsWhatReadsBackTheSame) {
  const std::pair<const char*, const char*> rows[] = {
      {"*/20 * * * *", "0,20,40 * * * *"},
      {"0 0 3 * * *", "0 3 * * *"},
      {"5 0 3 * * *", "5 0 3 * * *"},
      {"@daily", "0 0 * * *"},
      {"0 0 */2 * mon", "0 0 */2 * 1"},
      {"0 0 */31 * *", "0 0 */31 * *"},
      {"0 0 1-31 * 1", "0 0 1-31 * 1"},
      {"0 0 ? * MON-FRI", "0 0 * * 1-5"},
      {"0 0 L,15 * 0-7", "0 0 15,L * 0-6"},
      {"  0\t0 * * *  ", "0 0 * * *"},
      {"0-30/10,45 1 * * *", "0,10,20,30,45 1 * * *"},
      {"@every 90s", "@every 90s"},
      {"@every 3600s", "@every 1h"},
      {"@at 2026-12-24 18:00", "@at 2026-12-24T18:00:00"},
  };
  for (const auto& [given, printed] : rows) {
    const auto cron = line(given);
    EXPECT_EQ(cron.text(), printed) << given;
    EXPECT_EQ(line(cron.text()), cron) << given;
  }
}

TEST(Cron, ErrorsNameTheFieldAndTheColumn) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "a cron line is empty"},
      {"* * * *", "a cron line has 5 or 6 fields, this one has 4"},
      {"0 24 * * *", "cron line, field 2 (hours), column 3: \"24\" is not one of 0 to 23"},
      {"0 60 1 * * *", "cron line, field 2 (minutes), column 3: \"60\" is not one of 0 to 59"},
      {"0 1,2,x * * *", "cron line, field 2 (hours), column 7: \"x\" is not one of 0 to 23"},
      {"0 0 0 * *",
       "cron line, field 3 (days of the month), column 5: \"0\" is not one of 1 to 31"},
      {"0 0 * 13 *",
       "cron line, field 4 (months), column 7: \"13\" is not one of 1 to 12, nor a "
       "name of three letters"},
      {"0 22-2 * * *",
       "cron line, field 2 (hours), column 3: \"22-2\" runs backwards; write it as "
       "two ranges"},
      {"*/0 * * * *", "cron line, field 1 (minutes), column 3: \"0\" is no step from 1 to 59"},
      {"5/10 * * * *",
       "cron line, field 1 (minutes), column 1: \"5/10\" has a step but no range; "
       "write */STEP or FROM-TO/STEP"},
      {"0 0 30 2 *", "a cron line that never fires: none of its months has its days"},
      {"0 0 31 4,6,9,11 *", "a cron line that never fires: none of its months has its days"},
      {"@reboot",
       "cron line, column 1: \"@reboot\" is not known, or has too little or too much "
       "behind it"},
      {"@every 10ms", "an interval of 10ms is not one of 1s to 3660d"},
      {"@at 2026-06-31T00:00",
       "cron line, column 5: \"2026-06-31T00:00\" is no date and time from "
       "1970 to 2199"},
  };
  for (const auto& [given, message] : rows) {
    const auto parsed = CronLine::parse(given);
    ASSERT_FALSE(parsed) << given;
    EXPECT_EQ(parsed.error().message, message);
  }
  EXPECT_FALSE(CronLine::parse(std::string(kCronLineBytesMax + 1, '*')));
}

TEST(Cron, AgreesWithAClockThatIsLookedAtEverySecond) {
  // Around every change of a zone: second by second, by what the rules say of a moment alone.
  const std::pair<const char*, const char*> changes[] = {
      {kBerlin, "2026-03-29 01:00:00"},   {kBerlin, "2026-10-25 01:00:00"},
      {kNewYork, "2026-03-08 07:00:00"},  {kNewYork, "2026-11-01 06:00:00"},
      {kLordHowe, "2026-10-03 15:30:00"}, {kLordHowe, "2026-04-04 15:00:00"},
  };
  const char* lines[] = {"*/7 * * * *",     "30 2 * * *",   "*/10 1-3 * * *", "15,45 * * * *",
                         "17 0,30 2 * * *", "0 */2 * * *",  "0 2,3 * * *",    "* 2 * * *",
                         "*/11 * * * * *",  "59 59 1 * * *"};
  for (const auto& [name, change] : changes)
    for (const auto* text : lines) {
      const auto cron = line(text);
      const auto where = zone(name);
      const auto& rules = where.rules();
      Time last = utc(change) - 3h;
      for (auto at = whole_seconds(last) + cctz::seconds(1); at < whole_seconds(utc(change) + 3h);
           at += cctz::seconds(1)) {
        const auto shown = rules.lookup(at).cs;
        bool fires = cron.matches(shown);
        if (!cron.names_all_hours()) {
          if (rules.lookup(shown).pre != at) fires = false;  // shown for the second time
          const auto before = rules.lookup(at - cctz::seconds(1)).cs;
          for (auto skipped = before + 1; skipped < shown; ++skipped)
            fires |= cron.matches(skipped);
        }
        if (!fires) continue;
        ASSERT_EQ(cron.next(last, where, last), time_of(at)) << name << ' ' << text;
        last = time_of(at);
      }
    }
}

TEST(Zone, IsFoundByItsNameOnly) {
  EXPECT_TRUE(Zone::find("UTC"));
  for (const char* name : {"", "Europe/Nowhere", "/etc/passwd", "../zoneinfo/UTC", "Europe",
                           "localtime:/etc/localtime", "Fixed/UTC+05:30:00"}) {
    const auto found = Zone::find(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, ErrorCode::invalid);
  }
}

}  // namespace
}  // namespace penstock::flow
