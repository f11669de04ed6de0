// Makes the parity file of one sealed segment, a piece at a time; or only reads the segment, to see
// that it is whole.
//
// Parity of damaged data would bring the damage back, so every batch's checksum and its place in
// the chain are checked over the very bytes that go into the parity, and the footer against the
// table. Threads: one. Memory: a sixteenth of a segment. Damage: Error::corrupt names the offset.
// Error::full when the disk has no room; nothing is left.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "journal/format.h"
#include "journal/parity.h"
#include "journal/scan.h"
#include "os/file.h"

namespace penstock::journal {

// Takes a segment's blocks in order, and says whether they are what was written.
class SegmentCheck {
 public:
  SegmentCheck(const Layout& layout, std::uint64_t number, const Trailer& trailer)
      : layout_(layout), number_(number), trailer_(trailer) {}
  [[nodiscard]] Result<void> take(std::uint64_t offset, ByteView block);
  // Where take() found that something does not hold; `unless` when it did not.
  [[nodiscard]] std::uint64_t bad_at(std::uint64_t unless) const {
    return bad_at_.value_or(unless);
  }

 private:
  [[nodiscard]] Result<void> begin_batch(std::uint64_t offset, ByteView block);
  [[nodiscard]] std::unexpected<Error> damaged(std::uint64_t offset, const char* what);

  const Layout& layout_;
  const std::uint64_t number_;
  const Trailer trailer_;
  ChainLink link_;
  BatchHeader batch_;
  std::uint64_t begin_ = kBlock, end_ = kBlock;  // of the batch under way
  std::uint32_t crc_ = 0;
  std::optional<std::uint64_t> bad_at_;
};

class ParityMaker {
 public:
  enum class Purpose : std::uint8_t { make, check };
  ParityMaker(Directory& directory, const Layout& layout, std::uint64_t number, Purpose purpose)
      : directory_(directory), layout_(layout), number_(number), purpose_(purpose) {}

  // Reads up to kExamineBytes. True: that was the last, and what was made lies, synced, in
  // kParityTemporary.
  [[nodiscard]] Result<bool> step();
  [[nodiscard]] std::uint64_t number() const { return number_; }
  // The last step failed while it read the segment, here; else it could not write the parity.
  [[nodiscard]] bool reading() const { return reading_; }
  [[nodiscard]] std::uint64_t read_up_to() const { return check_ ? check_->bad_at(at_) : at_; }

 private:
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> check_footer();
  [[nodiscard]] Result<void> write_file();
  void take(std::uint64_t offset, ByteView block);

  Directory& directory_;
  const Layout& layout_;
  const std::uint64_t number_;
  const Purpose purpose_;
  std::unique_ptr<File> file_;
  Trailer trailer_;
  std::uint32_t trailer_crc_ = 0;
  std::optional<SegmentCheck> check_;
  std::uint64_t at_ = 0;
  bool reading_ = true;
  Bytes sum_;
  std::vector<std::uint32_t> table_;
};

}  // namespace penstock::journal
