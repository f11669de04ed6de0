#include "cli/worker/arguments.h"

namespace penstock::cli {

namespace json = boost::json;

Arguments Arguments::of(std::string_view payload) {
  Arguments result;
  json::error_code error;
  json::value value = json::parse(payload, error);
  if (error || !value.is_object()) return result;
  json::object& object = value.as_object();
  if (auto* args = object.if_contains("args"); args != nullptr && args->is_array()) {
    result.args = std::move(args->as_array());
  }
  if (auto* kwargs = object.if_contains("kwargs"); kwargs != nullptr && kwargs->is_object()) {
    result.kwargs = std::move(kwargs->as_object());
  }
  return result;
}

std::string as_word(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  return json::serialize(value);
}

}  // namespace penstock::cli
