#include "protocol/http/raw_json.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "wire/json/json.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

void skip_spaces(std::string_view& in) {
  in.remove_prefix(std::min(in.find_first_not_of(kSpaces), in.size()));
}

// The string at the front of `in`, which is JSON, with its quotes.
std::string_view string_at(std::string_view in) {
  std::size_t end = 1;
  while (in[end] != '"') end += in[end] == '\\' ? 2 : 1;
  return in.substr(0, end + 1);
}

// The value at the front of `in`, which is the rest of an object in JSON.
std::string_view value_at(std::string_view in) {
  std::size_t at = 0;
  std::size_t depth = 0;
  while (at < in.size()) {
    const char c = in[at];
    if (c == '"') {
      at += string_at(in.substr(at)).size();
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  const auto text = in.substr(0, at);
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

std::unexpected<Error> unknown_field(std::string_view name,
                                     std::span<const std::string_view> known) {
  std::string names;
  for (const auto one : known) names.append(names.empty() ? "" : ", ").append(one);
  return fail(ErrorCode::invalid, "unknown field " + quoted(name),
              names.empty() ? "no fields are known here" : "known fields: " + names);
}

}  // namespace

void RawObject::add(std::string_view name, std::string_view value) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (fields_[i].name == name) return void(fields_[i].value = value);  // the last one counts
  }
  if (count_ < kFieldsMax) fields_[count_++] = {name, value};
}

Result<RawObject> RawObject::read(std::string_view text, std::span<const std::string_view> known) {
  RawObject object;
  skip_spaces(text);
  if (text.empty()) return object;
  // The body was received within its own limit.
  if (auto good = wire::json::check(text, {.max_bytes = SIZE_MAX}); !good)
    return fail(ErrorCode::invalid, std::move(good.error().message),
                "send one JSON object (RFC 8259)");
  if (text.front() != '{') return fail(ErrorCode::invalid, "the body must be a JSON object");
  for (;;) {
    text.remove_prefix(1);  // the brace, or the comma
    skip_spaces(text);
    if (text.front() == '}') return object;
    auto name = string_at(text);
    text.remove_prefix(name.size());
    name = name.substr(1, name.size() - 2);
    if (std::ranges::find(known, name) == known.end()) return unknown_field(name, known);
    skip_spaces(text);
    text.remove_prefix(1);  // the colon
    skip_spaces(text);
    const auto value = value_at(text);
    object.add(name, value);
    text.remove_prefix(value.size());
    skip_spaces(text);
    if (text.front() == '}') return object;
  }
}

std::optional<std::string_view> RawObject::find(std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (fields_[i].name == name && fields_[i].value != "null") return fields_[i].value;
  }
  return std::nullopt;
}

}  // namespace penstock::protocol::http
