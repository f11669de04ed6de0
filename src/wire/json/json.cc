#include "wire/json/json.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "base/text.h"
#include "wire/json/kept_number.h"

namespace penstock::wire::json {
namespace {

namespace bj = boost::json;

// How much of a wrong value an error shows.
constexpr std::size_t kShownBytesMax = 40;

std::string_view view(bj::string_view text) {
  return {text.data(), text.size()};
}

// A number that was kept, in digits; nothing: it is something else.
std::optional<std::string_view> kept_number(const bj::value& value) {
  const auto* text = value.if_string();
  if (text == nullptr || !text->starts_with(kKeptNumber)) return std::nullopt;
  return view(*text).substr(1);
}

// The value of a number, kept or not; any other stays what it is.
bj::value as_number(const bj::value& value) {
  const auto digits = kept_number(value);
  if (!digits) return value.is_number() ? value : bj::value();
  double read = 0;
  (void)std::from_chars(digits->data(), digits->data() + digits->size(), read);
  return read;
}

// A wrong value as an error shows it.
std::string shown(const bj::value& value) {
  switch (value.kind()) {
    case bj::kind::object:
      return "an object";
    case bj::kind::array:
      return "an array";
    case bj::kind::string:
      if (const auto digits = kept_number(value))
        return std::string(digits->substr(0, kShownBytesMax));
      return quoted(view(value.get_string()), kShownBytesMax);
    default:
      return to_text(value);
  }
}

std::string range_text(std::string_view type, const std::string& min, const std::string& max) {
  return "be " + std::string(type) + " from " + min + " to " + max;
}

std::string plain(double value) {
  return to_text(bj::value(value));
}

}  // namespace

bool is_text(const bj::value& value) {
  return value.is_string() && !kept_number(value);
}

std::string to_text(const bj::value& value) {
  const std::string text = bj::serialize(value);
  auto at = text.find(kKeptNumber);
  if (at == std::string::npos) return text;
  // Its quotes go, and the byte that says so.
  std::string out;
  std::size_t from = 0;
  for (; at != std::string::npos; at = text.find(kKeptNumber, from)) {
    const auto end = text.find('"', at);
    out.append(text, from, at - 1 - from).append(text, at + 1, end - at - 1);
    from = end + 1;
  }
  return out.append(text, from);
}

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  if (!is_valid_utf8(text)) {
    std::string repaired;
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x80) {
        repaired.push_back(c);
      } else {
        repaired.append("\xef\xbf\xbd");
      }
    }
    return append_string(out, repaired);
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (c == '\n') {
      out.append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append({'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]});
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

ObjectReader::ObjectReader(const bj::value& value, std::string_view what) : what_(what) {
  object_ = value.if_object();
  if (object_ == nullptr) keep("must be a JSON object, got " + shown(value));
}

const bj::value* ObjectReader::any(std::string_view name) {
  asked_.push_back(name);
  return object_ == nullptr ? nullptr
                            : object_->if_contains(bj::string_view(name.data(), name.size()));
}

const bj::value* ObjectReader::look_up(std::string_view name) {
  const auto* value = any(name);
  return value == nullptr || value->is_null() || error_ ? nullptr : value;
}

std::optional<std::int64_t> ObjectReader::integer(std::string_view name, std::int64_t min,
                                                  std::int64_t max) {
  const auto* value = look_up(name);
  if (value == nullptr) return std::nullopt;
  bj::error_code error;
  const auto given = as_number(*value);
  const auto number =
      given.to_number<std::int64_t>(error);  // 5.0 is an integer too, as in JSON Schema
  if (error || number < min || number > max) {
    refuse_value(name, range_text("an integer", std::to_string(min), std::to_string(max)), *value);
    return std::nullopt;
  }
  return number;
}

std::optional<double> ObjectReader::number(std::string_view name, double min, double max) {
  const auto* value = look_up(name);
  if (value == nullptr) return std::nullopt;
  bj::error_code error;
  const auto number = as_number(*value).to_number<double>(error);
  if (error || !(number >= min && number <= max)) {
    refuse_value(name, range_text("a number", plain(min), plain(max)), *value);
    return std::nullopt;
  }
  return number;
}

std::optional<bool> ObjectReader::boolean(std::string_view name) {
  const auto* value = look_up(name);
  if (value == nullptr) return std::nullopt;
  if (const bool* found = value->if_bool()) return *found;
  refuse_value(name, "be true or false", *value);
  return std::nullopt;
}

std::optional<std::string_view> ObjectReader::text(std::string_view name) {
  const auto* value = look_up(name);
  if (value == nullptr) return std::nullopt;
  if (is_text(*value)) return view(value->get_string());
  refuse_value(name, "be a string", *value);
  return std::nullopt;
}

std::optional<Duration> ObjectReader::duration(std::string_view name, Duration min) {
  const auto* value = look_up(name);
  if (value == nullptr) return std::nullopt;
  std::optional<Duration> found;
  if (is_text(*value)) {
    if (const auto parsed = parse_duration(view(value->get_string()))) found = *parsed;
  } else {
    constexpr auto max_ms = std::chrono::floor<std::chrono::milliseconds>(kDurationMax).count();
    bj::error_code error;
    const auto ms = as_number(*value).to_number<std::int64_t>(error);
    if (!error) found = std::chrono::milliseconds(std::clamp<std::int64_t>(ms, -1, max_ms + 1));
  }
  if (!found) {
    refuse_value(name,
                 "be a duration as \"250ms\", \"1.5s\" or \"10m\", or a whole number of "
                 "milliseconds",
                 *value);
  } else if (*found < min || *found > kDurationMax) {
    refuse_value(name, "be from " + format_duration(min) + " to 36500d", *value);
    found.reset();
  }
  return found;
}

const bj::object* ObjectReader::object(std::string_view name) {
  const auto* value = look_up(name);
  if (value == nullptr) return nullptr;
  if (const auto* found = value->if_object()) return found;
  refuse_value(name, "be an object", *value);
  return nullptr;
}

const bj::array* ObjectReader::array(std::string_view name) {
  const auto* value = look_up(name);
  if (value == nullptr) return nullptr;
  if (const auto* found = value->if_array()) return found;
  refuse_value(name, "be an array", *value);
  return nullptr;
}

std::string_view ObjectReader::required_text(std::string_view name) {
  const auto found = text(name);
  if (!found && ok()) refuse(name, "be there: a string");
  return found.value_or(std::string_view{});
}

std::int64_t ObjectReader::required_integer(std::string_view name, std::int64_t min,
                                            std::int64_t max) {
  const auto found = integer(name, min, max);
  if (!found && ok()) {
    refuse(name, "be there: an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return found.value_or(min);
}

void ObjectReader::refuse(std::string_view name, std::string_view rule) {
  keep("field " + quoted(name) + " must " + std::string(rule));
}

void ObjectReader::refuse_value(std::string_view name, std::string_view rule,
                                const bj::value& value) {
  refuse(name, std::string(rule) + ", got " + shown(value));
}

void ObjectReader::keep(std::string message) {
  if (!error_) error_ = Error{ErrorCode::invalid, what_ + std::move(message)};
}

Result<void> ObjectReader::finish() {
  if (error_) return fail(*error_);
  for (const auto& field : *object_) {
    const auto name = view(field.key());
    if (std::ranges::find(asked_, name) != asked_.end()) continue;
    std::string known;
    for (auto asked = asked_.begin(); asked != asked_.end(); ++asked)
      if (std::find(asked_.begin(), asked, *asked) == asked)
        known.append(known.empty() ? "" : ", ").append(*asked);
    return fail(ErrorCode::invalid, what_ + "unknown field " + quoted(name),
                "known fields: " + known);
  }
  return {};
}

}  // namespace penstock::wire::json
