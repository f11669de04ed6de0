// Gathers the head of a message and holds its lines to a stricter law than parsers usually do.
//
// Inside wire/http. Boost.Beast, which takes the head apart, joins folded lines without a word; so
// what it gets to see has passed here: every line ends in CRLF, and holds no other control
// character than tabs; no line is folded; the number and size of lines are bounded. The verdict
// depends on the bytes, never on how they were cut.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "wire/http/message.h"

namespace penstock::wire::http {

class HeadReader {
 public:
  enum class [[nodiscard]] Status : std::uint8_t{need_more, done, failed};

  // Takes from the front of `in` what belongs to the head.
  Status feed(std::string_view& in, const Limits& limits);
  // After done: the head, including the empty line at its end; until clear().
  [[nodiscard]] std::string_view text() const { return head_; }
  [[nodiscard]] Failure& failure() { return failure_; }
  [[nodiscard]] bool empty() const { return head_.empty(); }
  void clear();

 private:
  Status end_of_line(const Limits& limits);
  Status refuse(int status, std::string_view code, std::string message);
  Status check_size(const Limits& limits);

  std::string head_;
  std::size_t line_ = 0;  // where the line being read begins
  std::uint32_t lines_ = 0;
  bool skipped_empty_line_ = false;
  Failure failure_;
};

}  // namespace penstock::wire::http
