// What include/penstock/json.hpp needs that is no template.
#include "penstock/json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

#include "base/text.h"
#include "penstock/task.hpp"
#include "wire/json/json.h"

namespace penstock::detail {
namespace {

namespace json = boost::json;

// A message's size bounds the text.
constexpr wire::json::Limits kTaskJson{.max_bytes = SIZE_MAX};
constexpr std::size_t kShownBytesMax = 40;  // of a wrong value, in an error

// "argument 2: size.width", "result: [3]"
std::string text_of(const JsonPlace& place) {
  if (place.up == nullptr) return std::string(place.name);
  std::string path = text_of(*place.up);
  const bool under_whole = place.up->up == nullptr;
  if (under_whole && place.up->name == "argument")
    return path + fmt::format(" {}", place.index + 1);
  const bool under_argument =
      place.up->up != nullptr && place.up->up->up == nullptr && place.up->up->name == "argument";
  const bool first = under_whole || under_argument;
  if (place.name.data() == nullptr)
    return path + fmt::format("{}[{}]", first ? ": " : "", place.index);
  return path + (first ? ": " : ".") + std::string(place.name);
}

std::string shown(const json::value& value) {
  std::string text = json::serialize(value);
  if (text.size() <= kShownBytesMax) return text;
  std::size_t end = kShownBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

[[noreturn]] void out_of_range(const JsonPlace& place, const json::value& value,
                               const std::string& range) {
  json_mismatch(place, "an integer from " + range, value);
}

}  // namespace

void write_json_real(std::string& out, double value) {
  if (!std::isfinite(value))
    throw InvalidInput("a number that is not finite cannot travel as JSON");
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
  // "-0" would be read back as an integer, which has no such zero.
  if (value == 0 && std::signbit(value)) out.append(".0");
}

void write_json_text(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  bool ascii = true;
  std::size_t copied = 0;
  const auto escape = [&](std::size_t at, std::string_view as) {
    out.append(text, copied, at - copied).append(as);
    copied = at + 1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) ascii = false;
    if (c >= 0x20 && c != '"' && c != '\\') [[likely]]
      continue;
    switch (c) {
      case '"':
        escape(i, "\\\"");
        break;
      case '\\':
        escape(i, "\\\\");
        break;
      case '\n':
        escape(i, "\\n");
        break;
      case '\r':
        escape(i, "\\r");
        break;
      case '\t':
        escape(i, "\\t");
        break;
      default:
        const char code[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
        escape(i, {code, sizeof code});
    }
  }
  out.append(text, copied).push_back('"');
  if (!ascii && !is_valid_utf8(text))
    throw InvalidInput("text that is not UTF-8 cannot travel as JSON: " + quoted(text));
}

void json_mismatch(const JsonPlace& place, std::string_view expected, const json::value& got) {
  throw InvalidInput(fmt::format("{}: expected {}, got {}", text_of(place), expected, shown(got)));
}
void json_missing(const JsonPlace& place, std::string_view member) {
  throw InvalidInput(fmt::format("{}: is missing", text_of(place.member(member))));
}
void json_wrong(const JsonPlace& place, std::string_view what) {
  throw InvalidInput(fmt::format("{}: {}", text_of(place), what));
}

const json::array& json_array(const JsonPlace& place, const json::value& value) {
  if (!value.is_array()) json_mismatch(place, "an array", value);
  return value.get_array();
}
const json::array& json_array(const JsonPlace& place, const json::value& value, std::size_t size) {
  if (!value.is_array() || value.get_array().size() != size)
    json_mismatch(place, fmt::format("an array of {}", size), value);
  return value.get_array();
}
const json::object& json_object(const JsonPlace& place, const json::value& value) {
  if (!value.is_object()) json_mismatch(place, "an object", value);
  return value.get_object();
}
std::string_view json_text(const JsonPlace& place, const json::value& value) {
  if (!value.is_string()) json_mismatch(place, "a string", value);
  const auto& text = value.get_string();
  return {text.data(), text.size()};
}
double json_real(const JsonPlace& place, const json::value& value) {
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  json_mismatch(place, "a number", value);
}

std::int64_t json_signed(const JsonPlace& place, const json::value& value, std::int64_t low,
                         std::int64_t high) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_double() && std::trunc(value.get_double()) == value.get_double() &&
             std::abs(value.get_double()) <= 9007199254740992.0) {
    number = static_cast<std::int64_t>(value.get_double());
  } else if (value.is_number()) {
    out_of_range(place, value, fmt::format("{} to {}", low, high));
  } else {
    json_mismatch(place, "an integer", value);
  }
  if (number < low || number > high) out_of_range(place, value, fmt::format("{} to {}", low, high));
  return number;
}

std::uint64_t json_unsigned(const JsonPlace& place, const json::value& value, std::uint64_t high) {
  if (value.is_uint64()) {
    if (value.get_uint64() <= high) return value.get_uint64();
    out_of_range(place, value, fmt::format("0 to {}", high));
  }
  const auto signed_high = static_cast<std::int64_t>(
      std::min<std::uint64_t>(high, std::numeric_limits<std::int64_t>::max()));
  return static_cast<std::uint64_t>(json_signed(place, value, 0, signed_high));
}

json::value parse_json(std::string_view text, std::string_view what) {
  auto parsed = wire::json::parse(text, kTaskJson);
  if (!parsed) throw InvalidInput(fmt::format("{}: not JSON: {}", what, parsed.error().message));
  return std::move(*parsed);
}

Arguments::Arguments(std::string_view payload, std::size_t count)
    : root_(json::storage_ptr(&memory_)) {
  static const json::array kNone;
  items_ = &kNone;
  if (payload == "{\"args\":[]}") {
    if (count != 0)
      throw ArgumentError(fmt::format("the task takes {} arguments, got none", count));
    return;
  }
  auto parsed = wire::json::parse(payload, kTaskJson, json::storage_ptr(&memory_));
  if (!parsed) throw ArgumentError("the task's payload is not JSON: " + parsed.error().message);
  root_ = std::move(*parsed);
  if (!root_.is_object()) throw ArgumentError("the task's payload is not {\"args\":[...]}");
  const auto& object = root_.get_object();
  if (const auto* args = object.if_contains("args"); args != nullptr) {
    if (!args->is_array()) throw ArgumentError("the task's `args` are not an array");
    items_ = &args->get_array();
  }
  if (const auto* named = object.if_contains("kwargs");
      named != nullptr && !named->is_null() && !(named->is_object() && named->get_object().empty()))
    throw ArgumentError("a C++ task takes no named arguments (`kwargs`)");
  if (items_->size() != count)
    throw ArgumentError(
        fmt::format("the task takes {} argument(s), got {}", count, items_->size()));
}

}  // namespace penstock::detail
