// What is on the other side of standard output, and drawing over what was drawn before.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace penstock::cli {

// Columns of the terminal that standard output is; 0 when it is none.
[[nodiscard]] std::size_t terminal_width();

// All of `text` to standard output, at once. False when nobody reads it any more.
bool write_out(std::string_view text);

// A few lines at the bottom of a terminal that are drawn again and again. Elsewhere than on a
// terminal every drawing is simply printed.
class LiveLines {
 public:
  // Whole lines, each with its line end.
  void draw(std::string_view text);
  // Takes the lines away, so that something lasting can be printed; the next draw() comes below it.
  void clear();

 private:
  std::size_t lines_ = 0;
};

}  // namespace penstock::cli
