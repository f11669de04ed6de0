#include "bench/peers/load/body.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace penstock::peers {

// A number of its own, then letters from anywhere in a pool: alike bodies would flatter those who
// compress what they keep.
void append_body(std::string& out) {
  static std::uint32_t random = 1;
  static std::uint64_t number = 0;
  const auto next = [] { return (random = random * 1'664'525 + 1'013'904'223) >> 8; };
  static const std::string pool = [&] {
    std::string text;
    while (text.size() < 1 << 20) text.push_back(static_cast<char>('0' + next() % 75));
    std::ranges::replace(text, '\\', '_');
    return text;
  }();
  char digits[17];
  const auto end = std::to_chars(digits, digits + sizeof digits, ++number, 16).ptr;
  const auto used = static_cast<std::size_t>(end - digits);
  out.append(16 - used, '0').append(digits, used);
  out.append(pool, next() % (pool.size() - kBodyBytes), kBodyBytes - 16);
}

}  // namespace penstock::peers
