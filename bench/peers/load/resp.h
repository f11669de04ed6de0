// A whole answer of the Redis protocol as a flat list, in the order in which it was written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::peers {

struct Token {
  char type = 0;            // + - : $ *
  std::int64_t number = 0;  // of : and *; -1 of a null
  std::string_view text;    // of + - $
};

// Replaces `tokens` by those of one answer; the bytes of it, or 0 when it is not all there.
[[nodiscard]] std::size_t scan_resp(std::string_view in, std::vector<Token>& tokens);

// Adds a command, or one piece of it after the other.
void append_command(std::string& out, std::initializer_list<std::string_view> words);
void append_array(std::string& out, std::size_t words);
void append_word(std::string& out, std::string_view word);
void append_body_word(std::string& out);

}  // namespace penstock::peers
