#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

namespace penstock {
namespace {

constexpr std::string_view kDurationHint = "write a number and a unit: 250ms, 1.5s, 10m, 2h, 1d";
constexpr std::string_view kBytesHint = "write 4096, 64KiB, 16MiB or 1GiB (k, m, g mean the same)";
constexpr std::string_view kHexDigits = "0123456789abcdef";

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 6> kDurationUnits{{{"d", 86'400'000'000},
                                              {"h", 3'600'000'000},
                                              {"m", 60'000'000},
                                              {"s", 1'000'000},
                                              {"ms", 1'000},
                                              {"us", 1}}};
constexpr std::array<Unit, 5> kByteUnits{
    {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};

std::unexpected<Error> refuse(std::string_view what, std::string_view text, std::string_view why,
                              std::string_view hint = {}) {
  std::string message(what);
  message.append(" ").append(quoted(text)).append(": ").append(why);
  return fail(ErrorCode::invalid, std::move(message), std::string(hint));
}

struct Number {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;        // digits after the point, as an integer
  std::uint64_t fraction_scale = 1;  // 10 to the number of those digits
  std::string_view unit;
};

// Splits "1.5s" into its parts.
Result<Number> split_number(std::string_view what, std::string_view text, std::string_view hint) {
  Number number;
  const char* const end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, number.whole);
  if (error == std::errc::result_out_of_range) return refuse(what, text, "is too large", hint);
  if (error != std::errc{}) return refuse(what, text, "does not begin with a digit", hint);
  if (at != end && *at == '.') {
    const char* const digits = at + 1;
    for (at = digits; at != end && ascii_is_digit(*at); ++at) {
      if (at - digits == 9) return refuse(what, text, "has more than 9 decimals", hint);
      number.fraction = number.fraction * 10 + static_cast<std::uint64_t>(*at - '0');
      number.fraction_scale *= 10;
    }
    if (at == digits) return refuse(what, text, "has no digits after the point", hint);
  }
  number.unit = std::string_view(at, static_cast<std::size_t>(end - at));
  return number;
}

// `number` times `factor`, exactly.
Result<std::uint64_t> scaled(std::string_view what, std::string_view text, const Number& number,
                             std::uint64_t factor, std::uint64_t limit, std::string_view hint) {
  std::uint64_t value = 0;
  if (__builtin_mul_overflow(number.whole, factor, &value)) {
    return refuse(what, text, "is too large", hint);
  }
  const auto part = static_cast<unsigned __int128>(number.fraction) * factor;
  if (part % number.fraction_scale != 0) return refuse(what, text, "is too fine", hint);
  if (__builtin_add_overflow(value, static_cast<std::uint64_t>(part / number.fraction_scale),
                             &value) ||
      value > limit) {
    return refuse(what, text, "is too large", hint);
  }
  return value;
}

template <std::size_t N>
std::string in_largest_unit(std::uint64_t value, const std::array<Unit, N>& units) {
  for (const auto& unit : units) {
    if (value % unit.factor == 0) return std::to_string(value / unit.factor).append(unit.name);
  }
  return std::to_string(value);  // not reached: the last unit divides everything
}

// The value of one base64 character, or 64.
constexpr std::array<std::uint8_t, 256> base64_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(64);
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}

// How many bytes the UTF-8 sequence at `at` has; 0 when it is not well-formed.
std::size_t utf8_sequence(const unsigned char* at, std::size_t left) {
  const auto follows = [&](std::size_t i) { return (at[i] & 0xc0) == 0x80; };
  const unsigned char lead = at[0];
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;  // a stray continuation, or an overlong form
  if (lead < 0xe0) return left >= 2 && follows(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (lead == 0xe0 && at[1] < 0xa0) return 0;   // overlong
    if (lead == 0xed && at[1] >= 0xa0) return 0;  // surrogate
    return 3;
  }
  if (lead > 0xf4 || left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (lead == 0xf0 && at[1] < 0x90) return 0;   // overlong
  if (lead == 0xf4 && at[1] >= 0x90) return 0;  // above U+10FFFF
  return 4;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view what = "duration";
  const auto number = split_number(what, text, kDurationHint);
  if (!number) return fail(number.error());
  if (number->unit.empty()) return refuse(what, text, "has no unit", kDurationHint);
  for (const auto& unit : kDurationUnits) {
    if (unit.name != number->unit) continue;
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const auto value = scaled(what, text, *number, unit.factor, limit, kDurationHint);
    if (!value) return fail(value.error());
    return Duration(static_cast<std::int64_t>(*value));
  }
  return refuse(what, text, "has an unknown unit", kDurationHint);
}

std::string format_duration(Duration duration) {
  const auto count = duration.count();
  if (count == 0) return "0s";
  const auto magnitude =
      count < 0 ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
  return (count < 0 ? "-" : "") + in_largest_unit(magnitude, kDurationUnits);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::string_view what = "size";
  const auto number = split_number(what, text, kBytesHint);
  if (!number) return fail(number.error());
  constexpr auto limit = std::numeric_limits<std::uint64_t>::max();
  const auto unit_name = number->unit;
  for (const auto& unit : kByteUnits) {
    const bool named = ascii_iequals(unit_name, unit.name);
    const bool initial = unit_name.size() == 1 && unit.factor != 1 &&
                         ascii_lower(unit_name[0]) == ascii_lower(unit.name[0]);
    const bool plain = unit_name.empty() && unit.factor == 1;
    if (named || initial || plain) {
      return scaled(what, text, *number, unit.factor, limit, kBytesHint);
    }
  }
  return refuse(what, text, "has an unknown unit", kBytesHint);
}

std::string format_bytes(std::uint64_t bytes) {
  return bytes == 0 ? "0B" : in_largest_unit(bytes, kByteUnits);
}

namespace {
template <class Integer>
Result<Integer> parse_whole(std::string_view text, std::string_view accepted) {
  Integer value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) return refuse("number", text, "is too large");
  if (error != std::errc{} || at != end) return refuse("number", text, accepted);
  return value;
}
}  // namespace

Result<std::uint64_t> parse_u64(std::string_view text) {
  return parse_whole<std::uint64_t>(text, "must be digits only");
}

Result<std::int64_t> parse_i64(std::string_view text) {
  return parse_whole<std::int64_t>(text, "must be digits, after a minus sign if negative");
}

bool is_valid_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t left = text.size();
  while (left > 0) {
    std::uint64_t eight = 0;
    if (left >= sizeof eight) {
      std::memcpy(&eight, at, sizeof eight);
      if ((eight & 0x8080808080808080ull) == 0) {
        at += sizeof eight;
        left -= sizeof eight;
        continue;
      }
    }
    const auto length = utf8_sequence(at, left);
    if (length == 0) return false;
    at += length;
    left -= length;
  }
  return true;
}

std::string to_valid_utf8(std::string text) {
  if (!is_valid_utf8(text))
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return text;
}

Result<void> valid_name(std::string_view name, std::string_view what) {
  if (name.empty()) return refuse(what, name, "must have 1 to 255 bytes");
  if (name.size() > kNameBytesMax) {
    return refuse(what, name,
                  "has " + std::to_string(name.size()) + " bytes, must have 1 to 255 bytes");
  }
  if (std::ranges::all_of(name, [](char c) { return c >= 0x20 && c < 0x7f; })) return {};
  if (!is_valid_utf8(name)) return refuse(what, name, "is not valid UTF-8");
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    const bool c1 = byte == 0xc2 && static_cast<unsigned char>(name[i + 1]) < 0xa0;
    if (byte < 0x20 || byte == 0x7f || c1) return refuse(what, name, "has control characters");
  }
  return {};
}

std::string quoted(std::string_view text, std::size_t max_bytes) {
  std::string result = "\"";
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result.append({'\\', c});
    } else if (byte >= 0x20 && byte < 0x7f) {
      result.push_back(c);
    } else {
      result.append({'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]});
    }
  }
  return result.append(text.size() > max_bytes ? "\"..." : "\"");
}

std::string base64_encode(ByteView bytes) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = bytes.size() - i;
    std::uint32_t group = std::to_integer<std::uint32_t>(bytes[i]) << 16;
    if (have > 1) group |= std::to_integer<std::uint32_t>(bytes[i + 1]) << 8;
    if (have > 2) group |= std::to_integer<std::uint32_t>(bytes[i + 2]);
    result.push_back(alphabet[group >> 18]);
    result.push_back(alphabet[group >> 12 & 63]);
    result.push_back(have > 1 ? alphabet[group >> 6 & 63] : '=');
    result.push_back(have > 2 ? alphabet[group & 63] : '=');
  }
  return result;
}

Result<std::string> base64_decode(std::string_view text) {
  static constexpr auto values = base64_values();
  if (text.size() % 4 != 0) {
    return fail(ErrorCode::invalid, "base64: the length is not a multiple of 4");
  }
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string result;
  result.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t pads = i + 4 == text.size() ? padding : 0;
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto value = k < 4 - pads ? values[static_cast<unsigned char>(text[i + k])] : 0;
      if (value == 64) {
        return fail(ErrorCode::invalid,
                    "base64: bad character at position " + std::to_string(i + k));
      }
      group = group << 6 | value;
    }
    if ((pads == 1 && (group & 0xff) != 0) || (pads == 2 && (group & 0xffff) != 0)) {
      return fail(ErrorCode::invalid, "base64: the last character has loose bits");
    }
    result.push_back(static_cast<char>(group >> 16));
    if (pads < 2) result.push_back(static_cast<char>(group >> 8));
    if (pads < 1) result.push_back(static_cast<char>(group));
  }
  return result;
}

std::string hex_encode(ByteView bytes) {
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const auto byte : bytes) {
    result.push_back(kHexDigits[std::to_integer<unsigned>(byte) >> 4]);
    result.push_back(kHexDigits[std::to_integer<unsigned>(byte) & 15]);
  }
  return result;
}

Result<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return fail(ErrorCode::invalid, "hex: the number of digits is odd");
  std::string result;
  result.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return fail(ErrorCode::invalid, "hex: bad character near position " + std::to_string(i));
    }
    result.push_back(static_cast<char>(high << 4 | low));
  }
  return result;
}

std::string ascii_lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = ascii_lower(c);
  return result;
}

bool ascii_iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  }
  return true;
}

}  // namespace penstock
