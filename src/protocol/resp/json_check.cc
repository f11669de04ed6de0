// What is passed on as JSON is JSON: nobody further down the way has to doubt it.
#include <boost/json/basic_parser_impl.hpp>

#include "protocol/resp/options.h"

namespace penstock::protocol::resp {
namespace {

// Takes every value and keeps none.
struct Nothing {
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  using Text = boost::json::string_view;
  using Code = boost::json::error_code;
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
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

std::string_view kind_name(char kind) {
  return kind == '[' ? "a JSON array" : "a JSON object";
}

}  // namespace

Result<void> check_json(std::string_view text, char kind) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (kind != 0 && (first == std::string_view::npos || text[first] != kind))
    return fail(ErrorCode::invalid, "not " + std::string(kind_name(kind)) + ": " + quoted(text));
  boost::json::basic_parser<Nothing> parser{boost::json::parse_options{}};
  boost::json::error_code error;
  const auto used = parser.write_some(false, text.data(), text.size(), error);
  if (error || used != text.size())
    return fail(ErrorCode::invalid, "not JSON from byte " + std::to_string(used) +
                                        " on: " + quoted(text.substr(0, 256)));
  return {};
}

}  // namespace penstock::protocol::resp
