#include "fuzz/support/fuzz.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"

namespace penstock::fuzz {
namespace {

constexpr std::size_t kErrorBytesMax = 4096;

std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

Cuts::Cuts(ByteView input, std::uint64_t salt) : state_(mixed(crc32c(input) + (salt << 32) + 1)) {
  constexpr std::uint64_t kLargest[] = {1, 2, 7, 64, 1000, SIZE_MAX};
  largest_ = kLargest[state_ % std::size(kLargest)];
}

std::size_t Cuts::next(std::size_t left) {
  state_ = mixed(state_ + 0x9e3779b97f4a7c15);
  return std::min<std::size_t>(left, largest_ == SIZE_MAX ? left : 1 + state_ % largest_);
}

Digest& Digest::add(std::string_view text) {
  add(text.size());
  for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return *this;
}

Digest& Digest::add(std::uint64_t number) {
  value_ = mixed(value_ ^ number) + number;
  return *this;
}

std::uint32_t Choices::byte() {
  if (rest_.empty()) return 0;
  const auto value = static_cast<std::uint32_t>(rest_.front());
  rest_ = rest_.subspan(1);
  return value;
}

std::uint32_t Choices::below(std::uint32_t bound) {
  CHECK(bound > 0);
  auto value = byte();
  if (bound > 256) value = value << 8 | byte();
  return value % bound;
}

ByteView Choices::piece() {
  const std::size_t wanted = below(65'536);
  const auto size = std::min(wanted, rest_.size());
  const auto result = rest_.first(size);
  rest_ = rest_.subspan(size);
  return result;
}

void check_line(std::string_view text) {
  CHECK(!text.empty());
  CHECK(text.size() <= kErrorBytesMax);
  for (const char c : text) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

}  // namespace penstock::fuzz
