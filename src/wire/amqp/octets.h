// The elements that AMQP 0-9-1 is made of (section 4.2.5): big-endian integers, short strings (a
// length of one octet), long strings (of four).
//
// Reader reads: every read is bounded; the first that is not possible makes the reader bad, and it
// stays bad and answers zeros, so a decoder checks once, at its end. Writer appends to a buffer
// that its caller owns.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"
#include "base/check.h"

namespace penstock::wire::amqp {

static_assert(std::endian::native == std::endian::little);

inline constexpr std::size_t kShortStringBytesMax = 255;

// The longest beginning of `text` with at most `max_bytes` that does not end within a character.
[[nodiscard]] constexpr std::string_view short_enough(
    std::string_view text, std::size_t max_bytes = kShortStringBytesMax) {
  if (text.size() <= max_bytes) return text;
  auto end = max_bytes;
  while (end > 0 && max_bytes - end < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_integral_v<T>
  [[nodiscard]] T number() {
    T value{};
    if (bytes_.size() < sizeof(T)) return spoil(kTooShort), T{};
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return std::byteswap(value);
  }
  [[nodiscard]] ByteView bytes(std::size_t count) {
    if (count > bytes_.size()) return spoil(kTooShort), ByteView{};
    const auto result = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return result;
  }
  // Views into the bytes given; live as long as they do.
  [[nodiscard]] std::string_view short_string() { return as_text(bytes(number<std::uint8_t>())); }
  [[nodiscard]] ByteView long_bytes() { return bytes(number<std::uint32_t>()); }
  [[nodiscard]] std::string_view long_string() { return as_text(long_bytes()); }

  [[nodiscard]] ByteView rest() const { return bytes_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }
  [[nodiscard]] bool ok() const { return problem_.empty(); }
  // What was wrong first; empty while nothing is. A text without end.
  [[nodiscard]] std::string_view problem() const { return problem_; }
  void spoil(std::string_view problem) {
    if (ok()) problem_ = problem;
    bytes_ = {};
  }

 private:
  static constexpr std::string_view kTooShort = "a value goes beyond the end";

  ByteView bytes_;
  std::string_view problem_;
};

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <class T>
  requires std::is_integral_v<T> Writer& number(T value) {
    const T swapped = std::byteswap(value);
    out_.append(reinterpret_cast<const char*>(&swapped), sizeof swapped);
    return *this;
  }
  Writer& bytes(ByteView view) {
    out_.append(as_text(view));
    return *this;
  }
  // What does not fit is cut off: no text can break the framing.
  Writer& short_string(std::string_view text) {
    const auto fits = short_enough(text);
    number(static_cast<std::uint8_t>(fits.size()));
    out_.append(fits);
    return *this;
  }
  Writer& long_bytes(ByteView view) {
    CHECK(view.size() <= UINT32_MAX);
    return number(static_cast<std::uint32_t>(view.size())).bytes(view);
  }

  // A length of four octets that is not known yet: where it is, and then its value, which is
  // everything that was appended since.
  [[nodiscard]] std::size_t open_length() {
    number(std::uint32_t{0});
    return out_.size();
  }
  void close_length(std::size_t opened) {
    const auto size = out_.size() - opened;
    CHECK(size <= UINT32_MAX);
    const auto swapped = std::byteswap(static_cast<std::uint32_t>(size));
    std::memcpy(out_.data() + opened - sizeof swapped, &swapped, sizeof swapped);
  }

 private:
  std::string& out_;
};

}  // namespace penstock::wire::amqp
