// A checkpoint: the owner's state at one position, and which older records still count.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "os/file.h"

namespace penstock::journal {

struct Checkpoint {
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
  LogPosition covers;
  LogId log_id{};
  std::uint64_t segment_bytes = 0;
  Bytes state;
  std::vector<LiveSegment> live;
};

// Writes it beside the log, syncs, renames. Error::full leaves nothing behind.
// What a file with `state_bytes`, and records in that many segments, takes at most.
[[nodiscard]] std::uint64_t checkpoint_file_bytes(std::uint64_t state_bytes,
                                                  std::uint64_t segments);
[[nodiscard]] Result<void> write_checkpoint_file(Directory& directory, const Checkpoint& header,
                                                 ByteView state,
                                                 const std::vector<LiveSegment>& live);
// Error::corrupt when any byte is not as it was written; Error::unsupported for a newer version.
[[nodiscard]] Result<Checkpoint> read_checkpoint_file(Directory& directory, std::uint64_t number);

}  // namespace penstock::journal
