// What a task has said and the server has not heard yet.
//
// Threads:  one at a time.
// Pressure: as much as the engine keeps of one task; when more is said before it can be sent, the
//           oldest lines go, and a line that says how many stands in their place. Whoever speaks is
//           never held up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/task_log.h"

namespace penstock::detail {

class LogLines {
 public:
  // One line or several. Cut where one is too long; bytes that are no UTF-8 become '?'.
  void add(std::string_view text);
  void count_dropped(std::uint64_t count) { dropped_ += count; }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  [[nodiscard]] const std::vector<std::string>& lines();
  [[nodiscard]] std::vector<std::string> take();
  [[nodiscard]] std::uint64_t take_dropped() { return std::exchange(dropped_, 0); }

 private:
  void add_line(std::string_view line);
  void compact();

  std::vector<std::string> lines_;  // from `first_` on
  std::size_t first_ = 0;
  std::uint64_t left_out_ = 0;  // before them
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace penstock::detail
