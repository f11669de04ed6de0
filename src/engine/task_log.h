// What tasks say while they run: the last lines of each, in memory only. They stay when the task
// has ended, until room is needed for others; nothing of them survives the process.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/ids.h"

namespace penstock::engine {

inline constexpr std::size_t kLogLineBytesMax = 4096;
inline constexpr std::size_t kLogLinesMax = 500;           // of one task
inline constexpr std::size_t kLogBytesMax = 64 << 10;      // of one task
inline constexpr std::size_t kLogsBytesMax = 64ull << 20;  // of all of them
static_assert(kLogLineBytesMax * 4 <= kLogBytesMax && kLogBytesMax * 100 <= kLogsBytesMax);

struct LogLine {
  std::uint64_t number = 0;  // of all that the task said, from 1
  std::uint32_t attempt = 0;
  Time at{};
  std::string text;
};

class TaskLogs {
 public:
  // Cut where a line is too long; the oldest go where there are too many.
  void add(MessageId task, std::uint32_t attempt, Time at, std::string_view text);
  // Null: it said nothing, or that was long ago.
  [[nodiscard]] const std::deque<LogLine>* find(MessageId task) const;
  // Whether it has lines for who has read up to number `after`, and behind which one they begin:
  // who has read more than there are has it from a server before this one, and reads anew.
  [[nodiscard]] bool has_more(MessageId task, std::uint64_t& after) const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  void check() const;

 private:
  struct Log {
    std::deque<LogLine> lines;
    std::uint64_t next = 1;
    std::size_t bytes = 0;
    std::list<std::uint64_t>::iterator place;
  };
  void drop_first(Log& log);
  [[nodiscard]] static std::size_t cost(const LogLine& line) {
    return sizeof(LogLine) + line.text.size();
  }

  std::unordered_map<std::uint64_t, Log> logs_;
  std::list<std::uint64_t> by_age_;  // who said something longest ago comes first
  std::uint64_t bytes_ = 0;
};

}  // namespace penstock::engine
