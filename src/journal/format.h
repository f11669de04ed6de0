// The bytes on the disk, version 1. Drawn and explained in docs/formats/journal.md.
// All integers are little-endian. Nothing here does input or output.
//
// Damage: a decode function answers nothing when any check fails; it never half-succeeds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/ids.h"
#include "journal/record.h"

namespace penstock::journal {

inline constexpr std::uint32_t kFormatVersion = 1;
// The unit of writing: headers, batches and footers begin and end on it.
inline constexpr std::uint32_t kBlock = 4096;
inline constexpr std::uint32_t kBatchHeaderBytes = 80;
inline constexpr std::uint32_t kRecordHeaderBytes = 16;
inline constexpr std::uint32_t kRecordAlign = 8;
inline constexpr std::uint64_t kMinSegmentBytes = 64ull << 10;
inline constexpr std::uint64_t kMaxSegmentBytes = 1ull << 30;

[[nodiscard]] constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t head, std::uint64_t body) {
  return round_up(kRecordHeaderBytes + head + body, kRecordAlign);
}

// Made once, at random, with the log; every checksum is seeded with it.
using LogId = std::array<std::byte, 16>;

// Positions and checksum seeds of one log.
class Layout {
 public:
  Layout(const LogId& id, std::uint64_t segment_bytes);

  [[nodiscard]] const LogId& log_id() const { return log_id_; }
  [[nodiscard]] std::uint64_t short_id() const { return short_id_; }
  [[nodiscard]] std::uint64_t segment_bytes() const { return segment_bytes_; }
  // One footer chunk; see footer.h.
  [[nodiscard]] std::uint32_t chunk_bytes() const;
  [[nodiscard]] LogPosition position(std::uint64_t segment, std::uint64_t offset) const {
    return LogPosition(segment * segment_bytes_ + offset);
  }
  [[nodiscard]] std::uint64_t segment_of(LogPosition p) const { return p.value / segment_bytes_; }
  [[nodiscard]] std::uint32_t offset_of(LogPosition p) const {
    return static_cast<std::uint32_t>(p.value % segment_bytes_);
  }
  // What the checksum of anything at `place` begins with.
  [[nodiscard]] std::uint32_t seed(std::uint64_t place) const;

 private:
  LogId log_id_;
  std::uint64_t segment_bytes_;
  std::uint64_t short_id_;
  std::uint32_t seed_;
};

// ---- segment header: the first block

struct SegmentHeader {
  LogId log_id{};
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  std::uint64_t first_epoch = 0;
  std::uint64_t previous_end = 0;  // the log was durable up to here when this segment was begun
  std::uint32_t previous_crc = 0;  // of the batch that ends there
};
[[nodiscard]] Bytes encode(const SegmentHeader& header);
// Says also whether a header of a newer version is there, which is not damage.
struct SegmentHeaderRead {
  std::optional<SegmentHeader> header;
  std::uint32_t newer_version = 0;
};
[[nodiscard]] SegmentHeaderRead decode_segment_header(ByteView block);

// ---- batch header: the first bytes of a batch, all in one sector

enum BatchFlags : std::uint32_t {
  kBatchClean = 1,   // written by close(): an empty batch
  kBatchRepair = 2,  // put by verify --repair where a damaged batch was
};

struct BatchHeader {
  std::uint32_t batch_crc = 0;  // over everything after it, padding included
  std::uint64_t position = 0;
  std::uint64_t durable = 0;  // everything before it was durable when this was written
  std::uint64_t epoch = 0;
  std::uint32_t total_bytes = 0;  // a multiple of kBlock
  std::uint32_t payload_bytes = 0;
  std::uint32_t record_count = 0;
  std::uint32_t previous_crc = 0;
  std::uint32_t flags = 0;
  std::uint32_t replaced_crc = 0;  // kBatchRepair: what the next batch names as its predecessor
  // What the next batch must name as its predecessor.
  [[nodiscard]] std::uint32_t chain_crc() const {
    return (flags & kBatchRepair) != 0 ? replaced_crc : batch_crc;
  }
};
// Writes the header, with both checksums, over the first bytes of `batch`, which is whole
// otherwise.
void seal_batch(const Layout& layout, BatchHeader& header, std::span<std::byte> batch);
// The header at `position` when its own checksum holds; the batch may still be torn.
[[nodiscard]] std::optional<BatchHeader> decode_batch_header(const Layout& layout,
                                                             LogPosition position, ByteView bytes);
// Whether all of the batch is as it was written.
[[nodiscard]] bool batch_is_whole(const Layout& layout, const BatchHeader& header, ByteView batch);

// ---- record

struct RecordHeader {
  std::uint32_t crc = 0;
  std::uint32_t head_bytes = 0;
  std::uint32_t body_bytes = 0;
  std::uint8_t kind = 0;
  bool filler = false;  // no record: keeps the place of one that repair could not save
  [[nodiscard]] std::uint64_t total_bytes() const { return record_bytes(head_bytes, body_bytes); }
};
// Without the checksum, which seal_record() adds.
void encode_record_header(const RecordHeader& header, std::byte* at);
[[nodiscard]] RecordHeader decode_record_header(const std::byte* at);
// `record`: from the record's first byte to the end of its body.
[[nodiscard]] std::uint32_t record_crc(const Layout& layout, LogPosition position, ByteView record);
// The whole record at the beginning of `bytes`, checked. Nothing when it does not fit or not hold.
[[nodiscard]] std::optional<RecordView> decode_record(const Layout& layout, LogPosition position,
                                                      ByteView bytes);

// ---- trailer: the last block of a sealed segment, all in one sector

struct Trailer {
  std::uint64_t number = 0;
  std::uint64_t data_end = 0;  // offset behind the last batch
  std::uint64_t last_epoch = 0;
  std::uint32_t last_crc = 0;  // what the next batch must name as its predecessor
  std::uint32_t record_count = 0;
  std::uint64_t footer_bytes = 0;  // of entries, in the chunks
  std::uint32_t chunk_count = 0;
  std::uint32_t chunks_crc = 0;  // over the chunks' checksums, in order
};
[[nodiscard]] Bytes encode(const Layout& layout, const Trailer& trailer);
[[nodiscard]] std::optional<Trailer> decode_trailer(const Layout& layout, std::uint64_t number,
                                                    ByteView block);

}  // namespace penstock::journal
