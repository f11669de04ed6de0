// Where the engine's events go: the journal, seen from the engine.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace penstock::engine {

class Storage {
 public:
  virtual ~Storage() = default;
  // Appends one record to the batch that gathers; cannot fail: room was made sure of before.
  virtual LogPosition append(std::uint8_t kind, ByteView head, ByteView body) = 0;
  // Keeps a body in memory, until it is released; what lives no longer than the process is kept so.
  [[nodiscard]] virtual LogPosition keep(ByteView body) = 0;
  // Whether so much can be appended now, beside what was made sure of before.
  [[nodiscard]] virtual bool has_room(std::uint64_t bytes, std::uint32_t records) const = 0;
  // The body of a record written or kept before; lives until the next call.
  [[nodiscard]] virtual Result<ByteView> read_body(LogPosition position) = 0;
  // This record's bytes are needed from now on, or no longer. What was kept is needed already.
  virtual void retain(LogPosition position, std::uint64_t bytes) = 0;
  virtual void release(LogPosition position, std::uint64_t bytes) = 0;
};

}  // namespace penstock::engine
