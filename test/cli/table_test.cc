#include "cli/table.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

TEST(DisplayWidth, CountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("abc"), 3u);
  EXPECT_EQ(display_width("größe"), 5u);
  EXPECT_EQ(display_width("山田"), 4u);
  EXPECT_EQ(display_width("👋🏽"), 2u);
  EXPECT_EQ(display_width("e\u0301"), 1u);
  EXPECT_EQ(display_width("สมชาย"), 5u);
  EXPECT_EQ(display_width("김"), 2u);
  EXPECT_EQ(display_width("\xff\xc3"), 2u);
}

TEST(Shown, CutsWhereAColumnEndsAndSaysSo) {
  EXPECT_EQ(shown("abcdef", 6), "abcdef");
  EXPECT_EQ(shown("abcdef", 4), "abc…");
  EXPECT_EQ(shown("山田太郎", 5), "山田…");
  EXPECT_EQ(shown("山田太郎", 4), "山…");
  EXPECT_EQ(shown("a", 0), "");
}

TEST(Shown, LetsNobodyWriteToTheTerminal) {
  EXPECT_EQ(shown("a\x1b[2Jb\n"), "a\uFFFD[2Jb\uFFFD");
  EXPECT_EQ(shown("a\u202Eb"), "a\uFFFDb");
  EXPECT_EQ(shown("\xff"), "\uFFFD");
  EXPECT_EQ(shown("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
}

TEST(Table, LinesColumnsUpInEveryScript) {
  Table table({{"NAME"}, {"N", Align::right}});
  table.add({"山田", "1"});
  table.add({"größe", "234"});
  EXPECT_EQ(table.text(0),
            "NAME     N\n"
            "山田     1\n"
            "größe  234\n");
}

TEST(Table, ShrinksWhatMayShrinkToTheTerminal) {
  Table table({{"BODY", Align::left, true}, {"ID"}});
  table.add({"a body that is far too long", "1234567"});
  EXPECT_EQ(table.text(20),
            "\x1b[1mBODY         ID\x1b[0m\n"
            "a body tha…  1234567\n");
}

}  // namespace
}  // namespace penstock::cli
