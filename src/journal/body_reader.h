// Reads records back from segments, through a few windows that make nearby reads cheap.
//
// Threads: the owner's; it has file handles of its own.
// Damage: a checksum that does not hold is Error::corrupt with segment and offset.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "journal/format.h"
#include "journal/record.h"
#include "os/file.h"

namespace penstock::journal {

class BodyReader {
 public:
  BodyReader(Directory& directory, const Layout& layout) : directory_(directory), layout_(layout) {}

  // `limit`: the offset in the segment behind its last durable batch. The view lives until the next
  // call.
  [[nodiscard]] Result<RecordView> read(LogPosition position, std::uint64_t limit);
  // The segment's file will become another's.
  void forget(std::uint64_t segment);
  void trim();
  [[nodiscard]] std::uint64_t disk_reads() const { return disk_reads_; }

 private:
  // A first look reads little, as what is near may never be asked for. Who goes on where a window
  // ends gets twice as much the next time.
  static constexpr std::uint64_t kFirstWindowBytes = 16 << 10;
  static constexpr std::uint64_t kWindowBytes = 256 << 10;
  static constexpr std::uint64_t kKeptLargeBytes = 1 << 20;
  static constexpr std::size_t kWindows = 8;
  static constexpr std::size_t kHandles = 16;

  struct Window {
    std::uint64_t segment = 0;
    std::uint64_t start = 0;
    Bytes bytes;
    std::uint64_t used = 0;  // the turn of its last use
    [[nodiscard]] bool holds(std::uint64_t s, std::uint64_t offset, std::uint64_t count) const {
      return segment == s && offset >= start && offset + count <= start + bytes.size();
    }
  };
  struct Handle {
    std::uint64_t segment = 0;
    std::unique_ptr<File> file;
    std::uint64_t used = 0;
  };

  [[nodiscard]] Result<File*> handle(std::uint64_t segment);
  // Bytes from `offset`, at least `count` of them (count <= kWindowBytes - kBlock).
  [[nodiscard]] Result<ByteView> window(std::uint64_t segment, std::uint64_t offset,
                                        std::uint64_t count, std::uint64_t limit);
  [[nodiscard]] Result<ByteView> whole(std::uint64_t segment, std::uint64_t offset,
                                       std::uint64_t count);

  Directory& directory_;
  const Layout layout_;
  std::array<Window, kWindows> windows_;
  std::vector<Handle> handles_;
  Bytes large_;
  std::uint64_t turn_ = 0;
  std::uint64_t disk_reads_ = 0;
};

}  // namespace penstock::journal
