#include "protocol/http/management/fields.h"

#include <fmt/format.h>

#include "base/text.h"

namespace penstock::protocol::http::management {

Fields::Fields(const boost::json::value& value, std::string what)
    : object_(value.if_object()), what_(std::move(what)) {
  if (object_ == nullptr)
    error_ = Error{ErrorCode::invalid, fmt::format("{} is no JSON object", what_), {}};
}

const boost::json::value* Fields::find(std::string_view name) const {
  if (object_ == nullptr) return nullptr;
  const auto* value = object_->if_contains({name.data(), name.size()});
  return value == nullptr || value->is_null() ? nullptr : value;
}

void Fields::refuse(std::string_view name, std::string_view rule) {
  if (!error_)
    error_ = Error{ErrorCode::invalid, fmt::format("{}: {} must be {}", what_, name, rule), {}};
}

std::string_view Fields::text(std::string_view name, std::string_view fallback) {
  const auto* value = find(name);
  if (value == nullptr) return fallback;
  if (const auto* text = value->if_string()) return {text->data(), text->size()};
  refuse(name, "a string");
  return fallback;
}

std::string_view Fields::required_text(std::string_view name) {
  if (!has(name)) refuse(name, "given");
  return text(name);
}

bool Fields::flag(std::string_view name, bool fallback) {
  const auto* value = find(name);
  if (value == nullptr) return fallback;
  if (const auto* flag = value->if_bool()) return *flag;
  const auto* text = value->if_string();
  if (text != nullptr && *text == "true") return true;
  if (text == nullptr || *text != "false") refuse(name, "true or false");
  return false;
}

std::int64_t Fields::integer(std::string_view name, std::int64_t min, std::int64_t max,
                             std::int64_t fallback) {
  const auto* value = find(name);
  if (value == nullptr) return fallback;
  std::optional<std::int64_t> number;
  if (const auto* whole = value->if_int64()) number = *whole;
  if (const auto* text = value->if_string())
    if (const auto parsed = parse_i64({text->data(), text->size()})) number = *parsed;
  if (number && *number >= min && *number <= max) return *number;
  refuse(name, fmt::format("a number from {} to {}", min, max));
  return fallback;
}

const boost::json::object& Fields::object(std::string_view name) {
  static const boost::json::object kNone;
  const auto* value = find(name);
  if (value == nullptr) return kNone;
  if (const auto* object = value->if_object()) return *object;
  const auto* list = value->if_array();
  if (list == nullptr || !list->empty()) refuse(name, "an object");
  return kNone;
}

const boost::json::array& Fields::array(std::string_view name) {
  static const boost::json::array kNone;
  const auto* value = find(name);
  if (value == nullptr) return kNone;
  if (const auto* array = value->if_array()) return *array;
  refuse(name, "a list");
  return kNone;
}

Result<void> Fields::good() const {
  if (error_) return fail(*error_);
  return {};
}

}  // namespace penstock::protocol::http::management
