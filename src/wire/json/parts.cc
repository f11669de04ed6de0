// What an array or an object holds, as it is written.
#include "wire/json/json.h"

namespace penstock::wire::json {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool ends_word(char c) {
  return is_space(c) || c == ',' || c == ':' || c == ']' || c == '}';
}

}  // namespace

Parts::Parts(std::string_view text) : text_(text) {
  skip_space();
  if (peek() != '[' && peek() != '{') at_ = text_.size();
  named_ = peek() == '{';
  ++at_;
}

bool Parts::next() {
  skip_space();
  if (peek() == ',') ++at_, skip_space();
  if (at_ >= text_.size() || peek() == ']' || peek() == '}') return false;
  if (named_) {
    name_ = take_value();
    skip_space();
    ++at_;  // the colon
    skip_space();
  }
  value_ = take_value();
  return true;
}

std::string_view Parts::take_value() {
  const auto begin = std::min(at_, text_.size());
  std::size_t depth = 0;
  do {
    const char c = peek();
    if (c == '"')
      skip_string();
    else if (c == '[' || c == '{')
      ++depth, ++at_;
    else if (c == ']' || c == '}')
      --depth, ++at_;
    else if (ends_word(c))
      ++at_;
    else
      while (at_ < text_.size() && !ends_word(peek())) ++at_;
  } while (depth > 0 && at_ < text_.size());
  return text_.substr(begin, std::min(at_, text_.size()) - begin);
}

void Parts::skip_string() {
  for (++at_; at_ < text_.size() && peek() != '"'; ++at_)
    if (peek() == '\\') ++at_;
  ++at_;
}

void Parts::skip_space() {
  while (is_space(peek())) ++at_;
}

}  // namespace penstock::wire::json
