// Reading segments as they lie on the disk: for recovery, for verify, and where a footer is
// missing.
//
// Damage: is told, never skipped. What lies beyond a file's end reads as zeros, which are no batch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "journal/format.h"
#include "os/file.h"

namespace penstock::journal {

// Fills all of `into`; with zeros behind the file's end.
[[nodiscard]] Result<void> read_padded(const File& file, std::uint64_t offset,
                                       std::span<std::byte> into);

// What is at one place where a batch may begin.
struct BatchProbe {
  std::optional<BatchHeader> header;  // its own checksum holds
  bool whole = false;                 // so does that of the batch, whose bytes are in the buffer
};
[[nodiscard]] Result<BatchProbe> probe_batch(const Layout& layout, const File& file,
                                             LogPosition position, Bytes& buffer);

// Visits the records of a whole batch. Error::corrupt when the batch breaks the format's laws.
[[nodiscard]] Result<void> for_each_record_in(
    const Layout& layout, const BatchHeader& header, ByteView batch,
    const std::function<Result<void>(const RecordView&)>& visit);

// The first place in the segment, at or behind `offset`, with a valid batch header of an epoch not
// before `epoch`: evidence that everything before it was durable.
[[nodiscard]] Result<std::optional<BatchHeader>> find_batch_header(const Layout& layout,
                                                                   const File& file,
                                                                   std::uint64_t segment,
                                                                   std::uint64_t offset,
                                                                   std::uint64_t epoch);

// The chain of batches as recovery follows it.
struct ChainLink {
  std::uint64_t epoch = 0;
  std::uint32_t crc = 0;
};

// Walks the batches of one segment from `offset`.
struct SegmentWalk {
  std::uint64_t data_end = kBlock;  // where the whole, linked batches end
  ChainLink link;                   // of the last of them
  std::uint32_t last_flags = 0;
  std::uint64_t batches = 0;
  std::optional<BatchHeader> torn;  // a header that holds, at data_end, of a batch that does not
};
[[nodiscard]] Result<SegmentWalk> walk_segment(
    const Layout& layout, const File& file, std::uint64_t segment, ChainLink link,
    std::uint64_t end, const std::function<Result<void>(const RecordView&)>& visit);

}  // namespace penstock::journal
