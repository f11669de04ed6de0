#include "wire/sniff.h"

#include <array>

#include "base/text.h"

namespace penstock::wire {
namespace {

constexpr std::string_view kAmqp = "AMQP";
constexpr std::size_t kInlineWordBytesMax = 32;
// Those that the HTTP side refuses are here too, so that it can say so. "PRI" begins HTTP/2.
constexpr std::array<std::string_view, 10> kMethods{"GET",   "POST",    "PUT",   "DELETE",  "HEAD",
                                                    "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI"};

constexpr bool is_word_character(char c) {
  return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '_' || c == '-';
}

bool is_method(std::string_view word) {
  for (const auto method : kMethods) {
    if (method == word) return true;
  }
  return false;
}

// What follows a method's space decides: a target begins with '/', '*' or a scheme, a key of the
// Redis command GET hardly ever does.
Protocol after_method(std::string_view rest) {
  constexpr std::string_view scheme = "http";
  if (rest.empty()) return Protocol::need_more;
  if (rest[0] == '/' || rest[0] == '*') return Protocol::http;
  if (rest.starts_with(scheme)) return Protocol::http;
  return scheme.starts_with(rest) ? Protocol::need_more : Protocol::resp;
}

}  // namespace

Protocol sniff(ByteView first_bytes) {
  const auto text = as_text(first_bytes);
  if (text.empty()) return Protocol::need_more;
  if (text[0] == '*') return Protocol::resp;
  if (text[0] == '\x16') {
    if (text.size() < 2) return Protocol::need_more;
    return text[1] == '\x03' ? Protocol::tls : Protocol::unknown;
  }
  if (text.starts_with(kAmqp)) return Protocol::amqp;
  if (!ascii_is_alpha(text[0])) return Protocol::unknown;
  std::size_t end = 0;
  while (end < text.size() && end <= kInlineWordBytesMax && is_word_character(text[end])) ++end;
  if (end > kInlineWordBytesMax) return Protocol::unknown;
  if (end == text.size()) return Protocol::need_more;
  if (text[end] == ' ' && is_method(text.substr(0, end))) return after_method(text.substr(end + 1));
  const char stop = text[end];
  return stop == ' ' || stop == '\r' || stop == '\n' ? Protocol::resp : Protocol::unknown;
}

std::string_view name_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::need_more:
      return "need more";
    case Protocol::http:
      return "http";
    case Protocol::resp:
      return "resp";
    case Protocol::amqp:
      return "amqp";
    case Protocol::tls:
      return "tls";
    case Protocol::unknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace penstock::wire
