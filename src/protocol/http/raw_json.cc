#include "protocol/http/raw_json.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.h"
#include "wire/json/json.h"

namespace penstock::protocol::http {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

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
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  if (text.empty()) return object;
  // The body was received within its own limit.
  if (auto good = wire::json::check(text, {.max_bytes = SIZE_MAX}); !good)
    return fail(ErrorCode::invalid, std::move(good.error().message),
                "send one JSON object (RFC 8259)");
  if (text.front() != '{') return fail(ErrorCode::invalid, "the body must be a JSON object");
  for (wire::json::Parts parts(text); parts.next();) {
    const auto name = parts.name().substr(1, parts.name().size() - 2);
    if (std::ranges::find(known, name) == known.end()) return unknown_field(name, known);
    object.add(name, parts.value());
  }
  return object;
}

std::optional<std::string_view> RawObject::find(std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (fields_[i].name == name && fields_[i].value != "null") return fields_[i].value;
  }
  return std::nullopt;
}

}  // namespace penstock::protocol::http
