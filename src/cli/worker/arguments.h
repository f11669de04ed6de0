// A task's arguments, read from its payload: {"args":[...],"kwargs":{...}}.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::cli {

// Each is JSON, as whoever submitted the task wrote it: 0.10 stays that, and no digit is lost.
struct Arguments {
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> kwargs;

  // A payload of any other shape, such as a plain message's, has no arguments.
  [[nodiscard]] static Arguments of(std::string_view payload);
  // Of a name given twice, the last one counts.
  [[nodiscard]] std::optional<std::string_view> named(std::string_view name) const;
};

// As a word of a command line: a string as it is, everything else as JSON.
[[nodiscard]] std::string as_word(std::string_view json);

}  // namespace penstock::cli
