// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that outsiders can neither predict nor
// collide.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace penstock {

[[nodiscard]] std::uint64_t siphash(std::uint64_t key_low, std::uint64_t key_high, ByteView bytes);

}  // namespace penstock
