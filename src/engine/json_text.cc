#include "engine/json_text.h"

#include <fmt/format.h>

namespace penstock::engine {

void append_json(Bytes& out, std::string_view text, std::size_t longest) {
  if (text.size() > longest) {
    auto end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text = text.substr(0, end);
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back(std::byte{'\\'});
      out.push_back(static_cast<std::byte>(c));
    } else if (byte < 0x20) {
      append(out, as_bytes(fmt::format("\\u{:04x}", byte)));
    } else {
      out.push_back(static_cast<std::byte>(c));
    }
  }
}

}  // namespace penstock::engine
