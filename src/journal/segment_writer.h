// The writing side of the log: everything that the writer thread touches.
//
// Threads: one at a time; the batch carries all that the owner has to say.
// Damage: an error is final. What was being written may be on the disk, in part or whole, or not.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "journal/batch.h"
#include "journal/scan.h"
#include "journal/space.h"
#include "os/file.h"

namespace penstock::journal {

class SegmentWriter {
 public:
  SegmentWriter(Directory& directory, Space& space, Clock& clock, const Layout& layout,
                std::uint64_t epoch);

  // Goes on in a segment that is there; everything before `end` is durable.
  [[nodiscard]] Result<void> resume(std::uint64_t segment, ChainLink link, LogPosition end);
  // A new segment, of which the directory knows durably when this returns.
  [[nodiscard]] Result<void> open_segment(std::uint64_t number);
  // Writes and syncs the batch, and before it what it says of segments.
  [[nodiscard]] Result<void> write(Batch& batch);

 private:
  [[nodiscard]] Result<void> seal_segment(SealOrder& order);
  [[nodiscard]] Result<void> write_chunks(const std::vector<FooterChunk>& chunks);
  void finish(Batch& batch);

  Directory& directory_;
  Space& space_;
  Clock& clock_;
  const Layout layout_;
  const std::uint64_t epoch_;
  std::unique_ptr<File> file_;
  std::uint64_t segment_ = 0;
  ChainLink link_;
  LogPosition end_;
  std::uint64_t bytes_since_refresh_ = 0;
};

}  // namespace penstock::journal
