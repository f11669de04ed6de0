#include "cli/worker/result_text.h"

#include <boost/json.hpp>

#include "base/text.h"

namespace penstock::cli {

namespace json = boost::json;

std::string result_json(std::string_view output) {
  if (output.empty()) return "null";
  if (!is_valid_utf8(output)) {
    return json::serialize(json::object{{"base64", base64_encode(as_bytes(output))}});
  }
  json::error_code error;
  // Only looked at: written again, a number of thirty digits would have lost some.
  (void)json::parse(output, error);
  if (output.ends_with('\n')) output.remove_suffix(1);
  if (!error) return std::string(output);
  if (output.ends_with('\r')) output.remove_suffix(1);
  return json::serialize(json::value(output));
}

std::string printable(std::string_view text) {
  // A tail may begin in the middle of a character.
  for (int cut = 0; cut < 3 && !text.empty() && (text[0] & 0xc0) == 0x80; ++cut) {
    text.remove_prefix(1);
  }
  std::string result;
  const bool utf8 = is_valid_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool shown = byte >= 0x20 && byte != 0x7f && (utf8 || byte < 0x80);
    if (shown && c != ' ') {
      result += c;
    } else if (!result.empty() && result.back() != ' ') {
      result += ' ';
    }
  }
  if (result.ends_with(' ')) result.pop_back();
  return result;
}

}  // namespace penstock::cli
