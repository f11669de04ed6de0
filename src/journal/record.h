// What one record of the journal is, seen from above.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace penstock::journal {

// A head is kept a second time in its segment's footer, and in memory while it is replayed.
inline constexpr std::uint32_t kMaxHeadBytes = 64 << 10;
// What a record costs beyond its head and body, at most, footer included.
inline constexpr std::uint32_t kRecordOverheadBytes = 40;

struct RecordHead {
  LogPosition position;
  std::uint8_t kind = 0;
  ByteView head;
  std::uint32_t body_bytes = 0;
};

struct RecordView {
  LogPosition position;
  std::uint8_t kind = 0;
  ByteView head;
  ByteView body;
};

}  // namespace penstock::journal
