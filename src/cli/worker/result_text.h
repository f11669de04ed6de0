// What programs and web hooks say, as JSON results and as lines of an error.
#pragma once

#include <string>
#include <string_view>

namespace penstock::cli {

// `output` as a task's result: itself when it is JSON; null when it is empty; a string without its
// last line end when it is UTF-8; else {"base64":"..."}.
[[nodiscard]] std::string result_json(std::string_view output);

// `text` fit for one line of an error: trimmed, UTF-8, line ends and control characters as spaces.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace penstock::cli
