#include "base/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace penstock {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

#ifdef __SSE4_2__

// Three streams hide the instruction's latency of three cycles; their results are joined by
// multiplying with x^(8 * length) modulo the polynomial, done by table.
constexpr std::size_t kLane = 1024;

using ShiftTable = std::array<std::array<std::uint32_t, 256>, 4>;

// The table that moves a checksum over `length` zero bytes.
ShiftTable make_shift(std::size_t length) {
  std::array<std::uint32_t, 32> bit{};
  for (unsigned i = 0; i < 32; ++i) {
    std::uint32_t crc = 1u << i;
    for (std::size_t n = 0; n < length; ++n)
      for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    bit[i] = crc;
  }
  ShiftTable table{};
  for (unsigned byte = 0; byte < 4; ++byte)
    for (unsigned value = 0; value < 256; ++value)
      for (unsigned i = 0; i < 8; ++i)
        if (value >> i & 1) table[byte][value] ^= bit[byte * 8 + i];
  return table;
}

std::uint32_t shift(const ShiftTable& table, std::uint32_t crc) {
  return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
         table[3][crc >> 24];
}

std::uint64_t word_at(const std::byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint32_t update(std::uint32_t crc, const std::byte* at, std::size_t size) {
  static const ShiftTable one_lane = make_shift(kLane);
  std::uint64_t a = crc;
  while (size >= 3 * kLane) {
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, word_at(at + i));
      b = _mm_crc32_u64(b, word_at(at + kLane + i));
      c = _mm_crc32_u64(c, word_at(at + 2 * kLane + i));
    }
    a = shift(one_lane, static_cast<std::uint32_t>(a)) ^ b;
    a = shift(one_lane, static_cast<std::uint32_t>(a)) ^ c;
    at += 3 * kLane;
    size -= 3 * kLane;
  }
  for (; size >= 8; at += 8, size -= 8) a = _mm_crc32_u64(a, word_at(at));
  auto narrow = static_cast<std::uint32_t>(a);
  for (; size > 0; ++at, --size) narrow = _mm_crc32_u8(narrow, static_cast<std::uint8_t>(*at));
  return narrow;
}

#else

std::uint32_t update(std::uint32_t crc, const std::byte* at, std::size_t size) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int k = 0; k < 8; ++k) t[i] = (t[i] >> 1) ^ ((t[i] & 1) ? kPolynomial : 0);
    }
    return t;
  }();
  for (; size > 0; ++at, --size)
    crc = (crc >> 8) ^ table[(crc ^ static_cast<std::uint8_t>(*at)) & 0xff];
  return crc;
}

#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  return ~update(~seed, bytes.data(), bytes.size());
}

}  // namespace penstock
