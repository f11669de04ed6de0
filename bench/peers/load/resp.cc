#include "bench/peers/load/resp.h"

#include <charconv>

#include "bench/peers/load/dialect.h"

namespace penstock::peers {

std::size_t scan_resp(std::string_view in, std::vector<Token>& tokens) {
  tokens.clear();
  std::size_t at = 0;
  for (std::int64_t left = 1; left > 0; --left) {
    const auto end = in.find("\r\n", at);
    if (end == std::string_view::npos) return 0;
    Token token{.type = in[at], .number = 0, .text = in.substr(at + 1, end - at - 1)};
    at = end + 2;
    if (token.type == '$' || token.type == '*' || token.type == ':')
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), token.number);
    if (token.type == '*' && token.number > 0) left += token.number;
    if (token.type == '$' && token.number >= 0) {
      const auto size = static_cast<std::size_t>(token.number);
      if (in.size() < at + size + 2) return 0;
      token.text = in.substr(at, size);
      at += size + 2;
    }
    tokens.push_back(token);
  }
  return at;
}

void append_array(std::string& out, std::size_t words) {
  out.append("*").append(std::to_string(words)).append("\r\n");
}

void append_word(std::string& out, std::string_view word) {
  out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
}

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
  append_array(out, words.size());
  for (const auto word : words) append_word(out, word);
}

void append_body_word(std::string& out) {
  static_assert(kBodyBytes == 1024);
  out += "$1024\r\n";
  append_body(out);
  out += "\r\n";
}

}  // namespace penstock::peers
