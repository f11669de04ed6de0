// JSON from text. A file of its own, because the parser's template is heavy to compile.
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/text.h"
#include "wire/json/json.h"
#include "wire/json/kept_number.h"

namespace penstock::wire::json {
namespace {

namespace bj = boost::json;

// What check() and parse() have in common: a number with a fraction or an exponent is the double
// next to it. Boost.JSON 1.81 is one unit off for every third of those with 17 digits.
struct Handler {
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  using Text = bj::string_view;
  using Code = bj::error_code;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }  // the text is never given in parts
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  // False for what no double holds ("1e999"): read as a value it would be infinite, and there is no
  // JSON to write that.
  static bool exact(double& value, Text text, Code& code) {
    double read = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (problem == std::errc{} && end == text.data() + text.size()) value = read;
    if (std::isfinite(value)) return true;
    code = bj::error::exponent_overflow;
    return false;
  }
};

// Takes every value and keeps none.
struct Checker : Handler {
  bool on_object_end(std::size_t, Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_key_part(Text, std::size_t, Code&) { return true; }
  bool on_key(Text, std::size_t, Code&) { return true; }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double value, Text text, Code& code) { return exact(value, text, code); }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
};

struct Builder : Handler {
  bj::value_stack stack;
  bool keeps_numbers;

  Builder(bj::storage_ptr memory, unsigned char* scratch, std::size_t size, bool keeps)
      : stack({}, scratch, size), keeps_numbers(keeps) {
    stack.reset(std::move(memory));
  }

  bool on_object_end(std::size_t count, Code&) { return stack.push_object(count), true; }
  bool on_array_end(std::size_t count, Code&) { return stack.push_array(count), true; }
  bool on_key_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_key(Text text, std::size_t, Code&) { return stack.push_key(text), true; }
  bool on_string_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_string(Text text, std::size_t, Code&) { return stack.push_string(text), true; }
  bool on_int64(std::int64_t value, Text, Code&) { return stack.push_int64(value), true; }
  bool on_uint64(std::uint64_t value, Text, Code&) { return stack.push_uint64(value), true; }
  bool on_double(double value, Text text, Code& code) {
    if (!exact(value, text, code)) return false;
    if (!keeps_numbers) return stack.push_double(value), true;
    stack.push_chars({&kKeptNumber, 1});
    return stack.push_string(text), true;
  }
  bool on_bool(bool value, Code&) { return stack.push_bool(value), true; }
  bool on_null(Code&) { return stack.push_null(), true; }
};

std::string position_of(std::size_t at) {
  return " at byte " + std::to_string(at);
}

template <class Parser>
Result<void> read(Parser& parser, std::string_view text, const Limits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(ErrorCode::too_large, "JSON: " + std::to_string(text.size()) + " bytes, at most " +
                                          format_bytes(limits.max_bytes) + " are allowed");
  }
  bj::error_code error;
  const auto at = parser.write_some(false, text.data(), text.size(), error);
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

bj::parse_options options(const Limits& limits) {
  bj::parse_options result;
  result.max_depth = limits.max_depth;
  return result;
}

}  // namespace

Result<bj::value> parse(std::string_view text, const Limits& limits, bj::storage_ptr memory) {
  unsigned char scratch[2048];
  bj::basic_parser<Builder> parser(options(limits), std::move(memory), scratch, sizeof scratch,
                                   limits.keep_numbers);
  if (auto good = read(parser, text, limits); !good) return fail(std::move(good.error()));
  return parser.handler().stack.release();
}

Result<void> check(std::string_view text, const Limits& limits) {
  bj::basic_parser<Checker> parser(options(limits));
  return read(parser, text, limits);
}

}  // namespace penstock::wire::json
