#include "task/log_lines.h"

#include <gtest/gtest.h>

namespace penstock::detail {
namespace {

using Lines = std::vector<std::string>;

TEST(LogLines, AreThoseOfTheText) {
  LogLines log;
  log.add("one");
  log.add("two\nthree\n");
  log.add("");
  EXPECT_EQ(log.take(), (Lines{"one", "two", "three", ""}));
  EXPECT_TRUE(log.empty());
}

TEST(LogLines, AreCutWhereTheyAreTooLongAndNotWithinACharacter) {
  LogLines log;
  log.add(std::string(engine::kLogLineBytesMax - 1, 'x') + "\xc3\xa9 and more");
  EXPECT_EQ(log.take(), Lines{std::string(engine::kLogLineBytesMax - 1, 'x')});
}

TEST(LogLines, HaveQuestionMarksForWhatIsNoUtf8) {
  LogLines log;
  log.add("a\xff\xc3(b");
  log.add("gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(log.take(), (Lines{"a?"
                               "?(b",
                               "gr\xc3\xbc\xc3\x9f"}));
}

TEST(LogLines, AreTheLastOnesWhenNobodySendsThem) {
  LogLines log;
  for (std::size_t n = 1; n <= 5 * engine::kLogLinesMax; ++n) log.add(std::to_string(n));
  const auto kept = log.take();
  ASSERT_EQ(kept.size(), engine::kLogLinesMax);
  EXPECT_EQ(kept[0], "(2001 lines are left out)");
  EXPECT_EQ(kept[1], "2002");
  EXPECT_EQ(kept.back(), "2500");
  EXPECT_EQ(log.take_dropped(), 2001U);
  const std::string long_line(engine::kLogLineBytesMax, 'x');
  for (int n = 0; n < 17; ++n) log.add(long_line);
  EXPECT_EQ(log.lines().front(), "(1 lines are left out)");
  EXPECT_EQ(log.take().size(), 1 + engine::kLogBytesMax / engine::kLogLineBytesMax);
  EXPECT_EQ(log.take_dropped(), 1U);
  log.add("again");
  EXPECT_EQ(log.take(), Lines{"again"});
}

}  // namespace
}  // namespace penstock::detail
