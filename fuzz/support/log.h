// A journal whose first segment is any bytes: opened, read, verified, repaired.
#pragma once

#include "base/bytes.h"

namespace penstock::fuzz {

inline constexpr std::uint64_t kSegmentBytes = 64u << 10;

// Makes every checksum right whose structure is there, as far as the batches follow each other: so
// that a fuzzer gets at what lies behind them.
void reseal(Bytes& segment);

// `bytes` are the first ones of the segment, zeros follow.
void check_log(ByteView bytes, bool resealed);

}  // namespace penstock::fuzz
