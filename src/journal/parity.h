// Parity of a sealed segment: what brings a damaged block back. Drawn in docs/formats/journal.md.
//
// What it is: the segment is cut into kParityRows rows of the same length, and the parity is their
//   XOR. So the blocks at one place of all rows are a stripe, of which one may be lost; blocks side
//   by side are of different stripes, so one piece of a whole row's length may be lost too. A table
//   has a checksum of every block, of data and of parity, so that a damaged block is known and what
//   was brought back is proved before anybody sees it.
// Threads: values and pure functions, but for what takes a File; those as File says.
// Damage: header and table are there twice. A parity file that does not hold is no damage of the
//   log: it is made anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "journal/format.h"
#include "os/file.h"

namespace penstock::journal {

inline constexpr std::uint32_t kParityRows = 16;

// Sizes and places; all of it follows from the size of a segment.
class ParityGeometry {
 public:
  explicit ParityGeometry(std::uint64_t segment_bytes) : segment_bytes_(segment_bytes) {}
  [[nodiscard]] std::uint64_t row_bytes() const { return segment_bytes_ / kParityRows; }
  [[nodiscard]] std::uint64_t blocks() const { return segment_bytes_ / kBlock; }
  [[nodiscard]] std::uint64_t stripes() const { return row_bytes() / kBlock; }
  // One checksum a block of data, then one a block of parity.
  [[nodiscard]] std::uint64_t table_entries() const { return blocks() + stripes(); }
  [[nodiscard]] std::uint64_t table_bytes() const { return round_up(table_entries() * 4, kBlock); }
  // Header, table, parity, table, header.
  [[nodiscard]] std::uint64_t table_at(int copy) const {
    return copy == 0 ? kBlock : parity_at() + row_bytes();
  }
  [[nodiscard]] std::uint64_t parity_at() const { return kBlock + table_bytes(); }
  [[nodiscard]] std::uint64_t header_at(int copy) const {
    return copy == 0 ? 0 : table_at(1) + table_bytes();
  }
  [[nodiscard]] std::uint64_t file_bytes() const { return header_at(1) + kBlock; }

 private:
  std::uint64_t segment_bytes_;
};

struct ParityHeader {
  LogId log_id{};
  std::uint64_t number = 0;
  std::uint64_t segment_bytes = 0;
  std::uint32_t trailer_crc = 0;  // of the segment when this was made: its identity
  std::uint32_t table_crc = 0;
};
[[nodiscard]] Bytes encode(const ParityHeader& header);
[[nodiscard]] std::optional<ParityHeader> decode_parity_header(ByteView block);

// The checksum of data block `block`, or of the parity of stripe `block - blocks()`. Seeded with
// the place, so that a block in another's place does not pass.
[[nodiscard]] std::uint32_t parity_table_crc(const Layout& layout, std::uint64_t number,
                                             std::uint64_t block, ByteView bytes);
// XORs one block into another.
void add_block(std::span<std::byte> sum, ByteView bytes);
// What a whole trailer block says of itself; see ParityHeader::trailer_crc.
[[nodiscard]] std::uint32_t trailer_crc_of(ByteView trailer_block);

// The parity file of one segment, open, with its table.
class Parity {
 public:
  // Error::not_found when there is none, Error::corrupt when no copy of header or table holds.
  [[nodiscard]] static Result<Parity> load(Directory& directory, std::uint64_t number);

  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] std::uint64_t number() const { return header_.number; }
  [[nodiscard]] ParityGeometry geometry() const { return ParityGeometry(header_.segment_bytes); }
  // A copy of header or table does not hold; the other one was used.
  [[nodiscard]] bool worn() const { return worn_; }
  // Whether it is of this very segment. A segment whose trailer does not hold may be: what is
  // brought back has to match the table anyway.
  [[nodiscard]] bool belongs_to(const Layout& layout, const File& segment) const;
  [[nodiscard]] bool holds(std::uint64_t block, ByteView bytes) const {
    return parity_table_crc(layout_, header_.number, block, bytes) == table_[block];
  }
  // Of one stripe, checked. Nothing when it does not hold or cannot be read.
  [[nodiscard]] std::optional<Bytes> parity_of(std::uint64_t stripe) const;
  // As File has it, of all of it.
  void drop_cached() const { file_->drop_cached(0, geometry().file_bytes()); }

 private:
  Parity(std::unique_ptr<File> file, const ParityHeader& header)
      : file_(std::move(file)), header_(header), layout_(header.log_id, header.segment_bytes) {}
  [[nodiscard]] bool load_table();

  std::unique_ptr<File> file_;
  ParityHeader header_;
  Layout layout_;
  std::vector<std::uint32_t> table_;
  bool worn_ = false;
};

// A block that is not as it was when the parity was made.
struct DamagedBlock {
  std::uint64_t offset = 0;
  Bytes bytes;  // what it was; empty when it cannot be brought back
};
struct Examined {
  std::uint64_t blocks = 0;
  std::vector<DamagedBlock> damaged;
};
// Reads the blocks that [from, to) touches, and brings damaged ones back in memory. A block that
// cannot be read is damaged.
[[nodiscard]] Examined examine(const Parity& parity, const File& segment, std::uint64_t from,
                               std::uint64_t to);
// Writes what was brought back, syncs, and reads it again from the disk.
[[nodiscard]] Result<void> write_back(const Parity& parity, File& segment,
                                      const Examined& examined);

// Damage in words: side by side blocks in one piece.
struct DamagedRange {
  std::uint64_t offset = 0, bytes = 0;
  bool repaired = false;
};
// How much is examined in one go.
inline constexpr std::uint64_t kExamineBytes = 1 << 20;
void add_ranges(const Examined& examined, std::vector<DamagedRange>& ranges);

// Examines [from, to) and repairs what can be repaired. For where nobody else may touch the
// segment: while a log is opened or verified. Nothing damaged, or no parity that belongs to the
// segment: an empty answer. `layout` may be null when the parity is all that tells.
[[nodiscard]] Result<std::vector<DamagedRange>> mend_segment(Directory& directory,
                                                             const Layout* layout,
                                                             std::uint64_t number, bool repair);

}  // namespace penstock::journal
