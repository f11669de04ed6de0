// The characters of RFC 9110: tokens and field values.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace penstock::wire::http {

[[nodiscard]] constexpr bool is_token_character(char c) {
  return ascii_is_alpha(c) || ascii_is_digit(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
[[nodiscard]] constexpr bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}
// Of a field's value: anything but control characters, tabs being allowed.
[[nodiscard]] constexpr bool is_field_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

}  // namespace penstock::wire::http
