// Little-endian integers, varints and length-prefixed strings, to and from bytes.
//
// Cursor reads: every read is bounded; the first that does not fit makes the cursor bad, and it
// stays bad and answers zeros, so a decoder checks once, at its end. Encoder writes into a buffer
// that the caller owns, ShortEncoder into itself.
#pragma once

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/bytes.h"

namespace penstock {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian");

inline constexpr std::size_t kVarintMost = 10;  // bytes of the longest

class Cursor {
 public:
  explicit Cursor(ByteView bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_integral_v<T>
  [[nodiscard]] T integer() {
    T value{};
    if (bytes_.size() < sizeof(T)) return spoil(), T{};
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  [[nodiscard]] std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = integer<std::uint8_t>();
      if (shift == 63 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    spoil();
    return 0;
  }
  // One that a smaller type holds; spoils the cursor when it does not.
  template <class Small>
  [[nodiscard]] Small varint_of() {
    const auto value = varint();
    if (value > std::numeric_limits<Small>::max()) return spoil(), Small{};
    return static_cast<Small>(value);
  }
  // A view into the bytes given; lives as long as they do.
  [[nodiscard]] ByteView bytes(std::uint64_t count) {
    if (count > bytes_.size()) return spoil(), ByteView{};
    const auto result = bytes_.first(static_cast<std::size_t>(count));
    bytes_ = bytes_.subspan(static_cast<std::size_t>(count));
    return result;
  }
  [[nodiscard]] ByteView prefixed() { return bytes(varint()); }
  [[nodiscard]] std::string_view text() { return as_text(prefixed()); }
  [[nodiscard]] ByteView rest() { return bytes(bytes_.size()); }

  [[nodiscard]] std::size_t left() const { return bytes_.size(); }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool finished() const { return ok_ && bytes_.empty(); }
  void spoil() { ok_ = false, bytes_ = {}; }

 private:
  ByteView bytes_;
  bool ok_ = true;
};

// Of what has at most kMost bytes, into itself: nothing grows, so it suits the rows and lists that
// are written by the thousand. The caller sees to the bound.
template <std::size_t kMost>
class ShortEncoder {
 public:
  ShortEncoder() = default;
  ShortEncoder(const ShortEncoder&) = delete;
  ShortEncoder& operator=(const ShortEncoder&) = delete;

  template <class T>
  requires std::is_integral_v<T> ShortEncoder& integer(T value) {
    std::memcpy(end_, &value, sizeof(T));
    end_ += sizeof(T);
    return *this;
  }
  ShortEncoder& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *end_++ = static_cast<std::byte>(value | 0x80);
    *end_++ = static_cast<std::byte>(value);
    return *this;
  }
  [[nodiscard]] ByteView view() const { return {bytes_.data(), end_}; }

 private:
  std::array<std::byte, kMost> bytes_;
  std::byte* end_ = bytes_.data();
};

class Encoder {
 public:
  explicit Encoder(Bytes& out) : out_(out) {}

  template <class T>
  requires std::is_integral_v<T> Encoder& integer(T value) {
    const auto at = out_.size();
    out_.resize(at + sizeof(T));
    std::memcpy(out_.data() + at, &value, sizeof(T));
    return *this;
  }
  Encoder& varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<std::byte>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<std::byte>(value));
    return *this;
  }
  Encoder& bytes(ByteView view) {
    append(out_, view);
    return *this;
  }
  Encoder& prefixed(ByteView view) { return varint(view.size()).bytes(view); }
  Encoder& text(std::string_view view) { return prefixed(as_bytes(view)); }

 private:
  Bytes& out_;
};

}  // namespace penstock
