// Tables for people: columns line up whatever script the cells are in.
//
// Cells may hold anything that came over the network: control characters, which could move the
// cursor or reorder what is read, are shown as U+FFFD, and bytes that are no UTF-8 as well.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::cli {

enum class Align : unsigned char { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
  // Gives way when the table is wider than the terminal.
  bool may_shrink = false;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // A line for the titles and one for each row, each with its line end. `width` is the terminal's;
  // 0 = as wide as it needs to be, and no colour.
  [[nodiscard]] std::string text(std::size_t width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// How many columns of a terminal `text` takes: 2 for CJK and emoji, 0 for combining marks.
[[nodiscard]] std::size_t display_width(std::string_view text);

// `text` fit to be shown on one line, at most `width` columns of it; "…" ends what was cut.
[[nodiscard]] std::string shown(std::string_view text, std::size_t width = SIZE_MAX);

}  // namespace penstock::cli
