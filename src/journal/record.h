// What one record of the journal is, seen from above.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace penstock::journal {

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
