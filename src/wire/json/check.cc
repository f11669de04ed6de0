// JSON that is only looked at. A file of its own, because the parser's template is heavy to compile.
#include <boost/json/basic_parser_impl.hpp>
#include <cmath>
#include <cstdint>

#include "base/text.h"
#include "wire/json/json.h"

namespace penstock::wire::json {
namespace {

namespace bj = boost::json;

// Takes every value and keeps none. A number that no double holds ("1e999") is refused: read as a
// value it would be infinite, and there is no JSON to write that.
struct Nothing {
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  using Text = bj::string_view;
  using Code = bj::error_code;
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t, Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(Text, std::size_t, Code&) { return true; }
  bool on_key(Text, std::size_t, Code&) { return true; }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double value, Text, Code& code) {
    if (std::isfinite(value)) return true;
    code = bj::error::exponent_overflow;
    return false;
  }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

std::string position_of(std::size_t at) {
  return " at byte " + std::to_string(at);
}

Result<void> check_size(std::string_view text, const Limits& limits) {
  if (text.size() <= limits.max_bytes) return {};
  return fail(ErrorCode::too_large, "JSON: " + std::to_string(text.size()) + " bytes, at most " +
                                        format_bytes(limits.max_bytes) + " are allowed");
}

Result<void> verdict(std::string_view text, const Limits& limits, const bj::error_code& error,
                     std::size_t at) {
  if (error == bj::error::too_deep) {
    return fail(ErrorCode::too_large, "JSON: more than " + std::to_string(limits.max_depth) +
                                          " levels deep" + position_of(at));
  }
  if (error == bj::error::incomplete) {
    return fail(ErrorCode::invalid, "JSON: the text ends too early" + position_of(text.size()));
  }
  if (error) return fail(ErrorCode::invalid, "JSON: " + error.message() + position_of(at));
  if (at < text.size()) {
    return fail(ErrorCode::invalid, "JSON: something follows the value" + position_of(at));
  }
  return {};
}

}  // namespace

Result<void> check(std::string_view text, const Limits& limits) {
  if (auto good = check_size(text, limits); !good) return good;
  bj::parse_options options;
  options.max_depth = limits.max_depth;
  bj::basic_parser<Nothing> parser{options};
  bj::error_code error;
  const auto at = parser.write_some(false, text.data(), text.size(), error);
  return verdict(text, limits, error, at);
}

}  // namespace penstock::wire::json
