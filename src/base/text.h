// Text that people and programs hand us: durations, sizes, names, numbers, base64.
//
// Every parser takes the whole text or fails; an error says what was given and what is accepted.
// Threads: pure functions. Lifetime: nothing given is kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace penstock {

// A number with a unit: "250ms", "1.5s", "10m", "2h", "1d", "20us". A number alone is refused:
// nobody can tell its unit. Never negative, never finer than a microsecond.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// What parse_duration reads back exactly, in the largest unit that divides: "90m", "1500ms", "0s".
[[nodiscard]] std::string format_duration(Duration duration);

// "4096", "64KiB", "16MiB", "1GiB"; k, m, g and t are short for the same powers of 1,024. "MB" is
// refused, because half of the world means 1,000,000 by it.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);
// What parse_bytes reads back exactly: "16MiB", "1000B".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

// Digits only: no sign, no space, no separators.
[[nodiscard]] Result<std::uint64_t> parse_u64(std::string_view text);
[[nodiscard]] Result<std::int64_t> parse_i64(std::string_view text);

// Well-formed by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_valid_utf8(std::string_view text);
// The same text where it is valid; else with '?' for each byte beyond ASCII.
[[nodiscard]] std::string to_valid_utf8(std::string text);

// The rule for names of queues, tasks, exchanges and streams: 1 to 255 bytes of UTF-8 without
// control characters (C0, DEL, C1). `what` begins the error: "queue name".
inline constexpr std::size_t kNameBytesMax = 255;
[[nodiscard]] Result<void> valid_name(std::string_view name, std::string_view what = "name");

// `text` made safe to print: at most `max_bytes` of it, quoted, anything but printable ASCII as
// \xHH.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t max_bytes = 64);

// RFC 4648 section 4, padded; decoding refuses anything else (spaces, line ends, loose bits).
[[nodiscard]] std::string base64_encode(ByteView bytes);
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

[[nodiscard]] std::string hex_encode(ByteView bytes);  // lower case
[[nodiscard]] Result<std::string> hex_decode(std::string_view text);

// ASCII only, whatever the locale is.
[[nodiscard]] constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] constexpr bool ascii_is_digit(char c) {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool ascii_is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] std::string ascii_lowered(std::string_view text);
[[nodiscard]] bool ascii_iequals(std::string_view a, std::string_view b);
// 0..15, or -1 when `c` is no hexadecimal digit.
[[nodiscard]] constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace penstock
