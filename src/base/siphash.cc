#include "base/siphash.h"

#include <bit>
#include <cstring>

namespace penstock {
namespace {

struct Lanes {
  std::uint64_t a, b, c, d;
  void round() {
    a += b, b = std::rotl(b, 13), b ^= a, a = std::rotl(a, 32);
    c += d, d = std::rotl(d, 16), d ^= c;
    a += d, d = std::rotl(d, 21), d ^= a;
    c += b, b = std::rotl(b, 17), b ^= c, c = std::rotl(c, 32);
  }
  void take(std::uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace

std::uint64_t siphash(std::uint64_t key_low, std::uint64_t key_high, ByteView bytes) {
  Lanes lanes{key_low ^ 0x736f6d6570736575, key_high ^ 0x646f72616e646f6d,
              key_low ^ 0x6c7967656e657261, key_high ^ 0x7465646279746573};
  const auto* at = bytes.data();
  auto left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    lanes.take(word);
  }
  std::uint64_t last = static_cast<std::uint64_t>(bytes.size()) << 56;
  if (left > 0) {
    std::uint64_t tail = 0;
    std::memcpy(&tail, at, left);
    last |= tail;
  }
  lanes.take(last);
  lanes.c ^= 0xff;
  for (int i = 0; i < 4; ++i) lanes.round();
  return lanes.a ^ lanes.b ^ lanes.c ^ lanes.d;
}

}  // namespace penstock
