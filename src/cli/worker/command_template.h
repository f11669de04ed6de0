// A command line with places for a task's arguments: 'convert {0} -resize {width} {1}'.
//
// It is split into words once, before any argument is known: no argument can add a word, a quote or
// a second command. Words are separated by spaces; '...' and "..." keep spaces together, a
// backslash keeps the next character as it is (within '...' it is a character like any other).
//
//   {0} {1} ...   the task's positional arguments
//   {name}        its named arguments
//   {}            all positional ones: a word each where it stands alone, else joined by spaces
//   {{ }}         braces; any other text in braces stays as it is
//
// Strings are put in as they are, other values as JSON. The program itself is fixed: no task can
// choose it. A program that would take an argument beginning with "-" for an option needs a `--`
// before it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/worker/arguments.h"

namespace penstock::cli {

class CommandTemplate {
 public:
  // Error::invalid says what is wrong with `text`, and where.
  [[nodiscard]] static Result<CommandTemplate> parse(std::string_view text);

  // The words for one task. Error::not_found names the argument that it lacks.
  [[nodiscard]] Result<std::vector<std::string>> fill(const Arguments& arguments) const;

 private:
  struct Piece {
    enum class Kind : std::uint8_t { text, index, name, all };
    Kind kind = Kind::text;
    std::string text{};  // of text and name
    std::size_t index = 0;
  };
  using Word = std::vector<Piece>;

  [[nodiscard]] static Piece piece_of(std::string_view inside);
  [[nodiscard]] static Result<std::string> value_of(const Piece& piece, const Arguments& arguments);

  std::vector<Word> words_;
};

}  // namespace penstock::cli
