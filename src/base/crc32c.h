// CRC-32C (Castagnoli, RFC 3720 B.4), with the SSE 4.2 instruction where the compiler may use it.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace penstock {

// `seed` is the checksum of what came before, or any value that the format mixes in.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

}  // namespace penstock
