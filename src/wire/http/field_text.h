// Fields of a message as text: what ResponseWriter and write_request share.
//
// Inside wire/http.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::wire::http {

void append_number(std::string& out, std::uint64_t value, int base = 10);
// `text` with control characters as spaces.
void append_clean(std::string& out, std::string_view text);
// "Name: value\r\n"; nothing when `name` is no token.
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_length(std::string& out, std::uint64_t length);

}  // namespace penstock::wire::http
