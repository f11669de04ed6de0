#include "base/trace_context.h"

#include <algorithm>
#include <array>

namespace penstock {
namespace {

constexpr std::size_t kVersion0Length = 55;
constexpr std::size_t kMembersMax = 32;

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}
bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, is_lower_hex);
}
bool is_id(std::string_view text) {
  return is_hex(text) && text.find_first_not_of('0') != text.npos;
}
bool is_lower_letter(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_lower_letter_or_digit(char c) {
  return is_lower_letter(c) || (c >= '0' && c <= '9');
}
bool is_key_char(char c) {
  return is_lower_letter_or_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
}

// Of at most 256 characters, or tenant@system of at most 241 and 14.
bool is_key(std::string_view key) {
  if (key.empty()) return false;
  const auto at = key.find('@');
  const auto tenant = key.substr(0, at);
  if (tenant.empty() || !std::ranges::all_of(tenant, is_key_char)) return false;
  if (at == key.npos) return is_lower_letter(key.front()) && key.size() <= 256;
  const auto system = key.substr(at + 1);
  return is_lower_letter_or_digit(tenant.front()) && tenant.size() <= 241 && !system.empty() &&
         system.size() <= 14 && is_lower_letter(system.front()) &&
         std::ranges::all_of(system, is_key_char);
}

bool is_value(std::string_view value) {
  return !value.empty() && value.size() <= 256 && value.back() != ' ' &&
         std::ranges::all_of(value,
                             [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  if (text.size() < kVersion0Length || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return {};
  const auto version = text.substr(0, 2), flags = text.substr(53, 2);
  if (!is_hex(version) || version == "ff" || !is_hex(flags)) return {};
  if (version == "00" ? text.size() > kVersion0Length
                      : text.size() > kVersion0Length && text[kVersion0Length] != '-')
    return {};
  const TraceParent parent{text.substr(3, 32), text.substr(36, 16),
                           std::string_view("13579bdf").find(flags[1]) != std::string_view::npos};
  if (!is_id(parent.trace_id) || !is_id(parent.parent_id)) return {};
  return parent;
}

bool is_valid_tracestate(std::string_view text) {
  std::array<std::string_view, kMembersMax> keys;
  std::size_t count = 0;
  while (true) {
    const auto comma = text.find(',');
    const auto member = trimmed(text.substr(0, comma));
    if (!member.empty()) {
      const auto equals = member.find('=');
      if (equals == member.npos || count == kMembersMax) return false;
      const auto key = member.substr(0, equals);
      if (!is_key(key) || !is_value(member.substr(equals + 1))) return false;
      if (std::find(keys.begin(), keys.begin() + count, key) != keys.begin() + count) return false;
      keys[count++] = key;
    }
    if (comma == text.npos) return count > 0;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace penstock
