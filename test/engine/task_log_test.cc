// What tasks say, as it is kept.
#include "engine/task_log.h"

#include <gtest/gtest.h>

namespace penstock::engine {
namespace {

TEST(TaskLogs, cut_a_long_line_between_two_characters) {
  TaskLogs logs;
  const std::string before(kLogLineBytesMax - 1, 'x');
  logs.add(MessageId(1), 1, Time{}, before + "\xc3\xa4 and more");
  logs.add(MessageId(1), 1, Time{}, std::string(kLogLineBytesMax + 1, '\x80'));
  const auto& lines = *logs.find(MessageId(1));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].text, before) << "not half of a letter";
  EXPECT_EQ(lines[1].text, "") << "no letter begins anywhere";
  logs.check();
}

TEST(TaskLogs, forget_the_tasks_that_were_silent_longest_when_all_say_too_much) {
  TaskLogs logs;
  const std::string line(kLogLineBytesMax, 'x');
  const auto say = [&](std::uint64_t task) { logs.add(MessageId(task), 1, Time{}, line); };
  const auto lines = kLogBytesMax / (2 * kLogLineBytesMax);
  const auto tasks = kLogsBytesMax / (lines * kLogLineBytesMax);
  for (std::uint64_t task = 1; task < tasks; ++task)
    for (std::size_t n = 0; n < lines; ++n) {
      say(task);
      if (task % 100 == 0) say(1);
    }
  for (std::uint64_t more = 0; more < 200; ++more) say(tasks + more);
  logs.check();
  EXPECT_NE(logs.find(MessageId(1)), nullptr) << "it spoke again";
  EXPECT_EQ(logs.find(MessageId(2)), nullptr);
  EXPECT_NE(logs.find(MessageId(tasks - 1)), nullptr);
}

}  // namespace
}  // namespace penstock::engine
