#include "cli/format.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

TEST(Format, SaysFiguresAsPeopleReadThem) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1'234'567), "1,234,567");
  EXPECT_EQ(human_rate(0.25), "0.25/s");
  EXPECT_EQ(human_rate(12'345.6), "12,346/s");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{3} << 40), "3 TiB");
}

TEST(Format, GivesDurationsThreeDigitsAndTheUnitThatFits) {
  EXPECT_EQ(human_duration(0s), "0 s");
  EXPECT_EQ(human_duration(350us), "350 us");
  EXPECT_EQ(human_duration(12'500us), "12.5 ms");
  EXPECT_EQ(human_duration(999'400us), "999 ms");
  EXPECT_EQ(human_duration(1250ms), "1.25 s");
  EXPECT_EQ(human_duration(200s), "3 min 20 s");
  EXPECT_EQ(human_duration(2h + 5min), "2 h 5 min");
  EXPECT_EQ(human_duration(99h), "4 d 3 h");
  EXPECT_EQ(human_time(time_from_micros(1'772'434'800'000'000)), "2026-03-02 07:00:00 UTC");
  EXPECT_EQ(human_time({}), "-");
}

TEST(Format, ReadsRates) {
  EXPECT_EQ(parse_rate("500/s").value(), 500);
  EXPECT_EQ(parse_rate("2.5").value(), 2.5);
  EXPECT_EQ(parse_rate("30/min").value(), 0.5);
  EXPECT_EQ(parse_rate("36/h").value(), 0.01);
  for (const char* wrong : {"", "/s", "x", "5/d", "-1/s", "inf", "nan", "5 /s", "5/s "}) {
    EXPECT_FALSE(parse_rate(wrong).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace penstock::cli
