#include "wire/http/field_text.h"

#include <charconv>

#include "wire/http/syntax.h"

namespace penstock::wire::http {

void append_number(std::string& out, std::uint64_t value, int base) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value, base).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

void append_clean(std::string& out, std::string_view text) {
  const auto from = out.size();
  out.append(text);
  for (auto at = from; at < out.size(); ++at) {
    if (!is_field_character(out[at])) out[at] = ' ';
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name)) return;
  out.append(name).append(": ");
  append_clean(out, value);
  out.append("\r\n");
}

void append_length(std::string& out, std::uint64_t length) {
  out.append("Content-Length: ");
  append_number(out, length);
  out.append("\r\n");
}

}  // namespace penstock::wire::http
