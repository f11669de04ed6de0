#include "cli/worker/task_voice.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/text.h"
#include "cli/worker/line_cutter.h"

namespace penstock::cli {
namespace {

using Lines = std::vector<std::string>;

// A server that is told, and answers when the test says so.
struct Heard {
  bool takes = true;
  std::vector<Lines> batches;
  std::vector<TaskVoice::Then> answers;

  std::shared_ptr<TaskVoice> voice() {
    return std::make_shared<TaskVoice>(
        [this](std::span<const std::string> lines, TaskVoice::Then then) {
          if (!takes) return false;
          batches.emplace_back(lines.begin(), lines.end());
          answers.push_back(std::move(then));
          return true;
        });
  }
  void answer() {
    const auto then = std::move(answers.front());
    answers.erase(answers.begin());
    then();
  }
};

TEST(TaskVoice, WhatIsSaidWhileALineIsOnItsWayGoesWithTheNext) {
  Heard heard;
  const auto voice = heard.voice();
  for (const char* line : {"one", "two", "three"}) voice->say(line);
  EXPECT_EQ(heard.batches, (std::vector<Lines>{{"one"}}));
  heard.answer();
  EXPECT_EQ(heard.batches, (std::vector<Lines>{{"one"}, {"two", "three"}}));
  heard.answer();
  EXPECT_TRUE(heard.answers.empty());
}

TEST(TaskVoice, TheLastLinesGoBeforeTheEndAndNothingAfterIt) {
  Heard heard;
  const auto voice = heard.voice();
  voice->say("one");
  voice->say("two");
  voice->finish();
  EXPECT_EQ(heard.batches, (std::vector<Lines>{{"one"}, {"two"}}));
  voice->say("late");
  heard.answer();
  heard.answer();
  EXPECT_EQ(heard.batches.size(), 2u);
}

TEST(TaskVoice, LinesAreKeptWhileThereIsNoConnection) {
  Heard heard;
  heard.takes = false;
  const auto voice = heard.voice();
  voice->say("one");
  heard.takes = true;
  voice->say("two");
  EXPECT_EQ(heard.batches, (std::vector<Lines>{{"one", "two"}}));
}

TEST(TaskVoice, OfTooMuchTheOldestIsLeftOutAndCounted) {
  Heard heard;
  heard.takes = false;
  const auto voice = heard.voice();
  for (std::size_t n = 0; n < engine::kLogLinesMax + 7; ++n) voice->say(std::to_string(n));
  heard.takes = true;
  voice->finish();
  ASSERT_EQ(heard.batches.size(), 1u);
  EXPECT_EQ(heard.batches[0].size(), engine::kLogLinesMax + 1);
  EXPECT_EQ(heard.batches[0][0], "(7 lines are left out)");
  EXPECT_EQ(heard.batches[0][1], "7");

  Heard long_ones;
  long_ones.takes = false;
  const auto shouting = long_ones.voice();
  for (int n = 0; n < 20; ++n) shouting->say(std::string(engine::kLogLineBytesMax, 'x'));
  long_ones.takes = true;
  shouting->finish();
  EXPECT_EQ(long_ones.batches[0].size(), engine::kLogBytesMax / engine::kLogLineBytesMax + 1);
}

TEST(TaskVoice, BytesThatAreNoTextAreMadeOne) {
  Heard heard;
  heard.voice()->say("a\xff z");
  EXPECT_TRUE(is_valid_utf8(heard.batches[0][0]));
  EXPECT_TRUE(heard.batches[0][0].starts_with("a"));
}

TEST(LineCutter, CutsAtLineEndsWhereverTheBytesAreCut) {
  const std::string text = "one\ntwo\r\n\n10 %\r20 %\rlast";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    LineCutter cutter;
    Lines lines;
    const auto use = [&](std::string_view line) { lines.emplace_back(line); };
    cutter.feed(std::string_view(text).substr(0, first), use);
    cutter.feed(std::string_view(text).substr(first), use);
    EXPECT_EQ(lines.size(), 4u);
    cutter.finish(use);
    EXPECT_EQ(lines, (Lines{"one", "two", "10 %", "20 %", "last"}));
  }
}

TEST(LineCutter, ALineWithoutEndIsKeptUpToItsBound) {
  LineCutter cutter;
  Lines lines;
  const auto use = [&](std::string_view line) { lines.emplace_back(line); };
  for (int n = 0; n < 100; ++n) cutter.feed(std::string(1000, 'x'), use);
  cutter.feed("\nnext\n", use);
  EXPECT_EQ(lines, (Lines{std::string(engine::kLogLineBytesMax, 'x'), "next"}));
}

}  // namespace
}  // namespace penstock::cli
