// Reads every byte of a log and says what is not as it was written; repairs what can be repaired.
//
// What the parity of a sealed segment brings back is as it was, and nothing of it is lost. Of the
// rest repair keeps every record whose checksum holds, at its position. A damaged batch becomes a
// batch that
//   says so, with the records that could be saved in their old places; the damaged file is kept
//   beside as <name>.damaged. What cannot be repaired is said, and left as it is.
// Threads: one; the log must not be open (the directory is locked meanwhile).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "os/file.h"

namespace penstock::journal {

struct VerifyProblem {
  std::string file;
  std::uint64_t offset = 0;
  LogPosition position;  // none for a checkpoint
  std::string what;
  std::string affected;     // what is lost, or may be
  bool repairable = false;  // from the parity, with nothing lost
  bool repaired = false;
};

struct VerifyReport {
  std::vector<VerifyProblem> problems;
  std::uint64_t segments = 0, checkpoints = 0, batches = 0, records = 0, bytes_read = 0;
  std::uint64_t parity_files = 0;
  std::uint64_t repairable_blocks = 0;  // damaged ones that the parity brings back
  std::uint64_t records_saved = 0;      // out of damaged batches
  std::uint64_t live_lost = 0;          // records that the checkpoint names and that are gone
  std::uint64_t torn_bytes = 0;         // at the tail: no damage, the next start cuts it
  [[nodiscard]] bool healthy() const { return problems.empty(); }
};

[[nodiscard]] Result<VerifyReport> verify(Directory& directory, bool repair);

}  // namespace penstock::journal
