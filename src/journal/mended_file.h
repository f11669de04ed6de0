// A segment read as its parity says it was, without changing it: for looking before repairing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "journal/format.h"
#include "os/file.h"

namespace penstock::journal {

// Blocks that were brought back, by offset.
using MendedBlocks = std::map<std::uint64_t, Bytes>;

// Threads: as File, for reading only. Lifetime: `blocks` outlives it.
class MendedFile : public File {
 public:
  MendedFile(std::unique_ptr<File> file, const MendedBlocks& blocks)
      : file_(std::move(file)), blocks_(blocks) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    auto count = file_->read_at(offset, into);
    if (!count && !blocks_.empty()) count = read_by_block(offset, into);
    if (!count) return count;
    const auto end = offset + into.size();
    for (auto it = blocks_.lower_bound(offset / kBlock * kBlock); it != blocks_.end(); ++it) {
      const auto& [at, bytes] = *it;
      if (at >= end) break;
      const auto from = std::max(at, offset);
      const auto to = std::min(at + kBlock, end);
      // Where the file was cut short, zeros lie before what was brought back.
      if (*count < from - offset)
        std::memset(into.data() + *count, 0, static_cast<std::size_t>(from - offset) - *count);
      std::memcpy(into.data() + (from - offset), bytes.data() + (from - at), to - from);
      *count = std::max<std::size_t>(*count, to - offset);
    }
    return count;
  }
  Result<void> write_at(std::uint64_t /*offset*/, ByteView /*data*/) override { return refuse(); }
  Result<void> sync() override { return refuse(); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  Result<void> allocate(std::uint64_t /*bytes*/) override { return refuse(); }

 private:
  [[nodiscard]] static Result<void> refuse() {
    return fail(ErrorCode::unsupported, "for reading only");
  }
  // Around sectors that cannot be read but were brought back.
  [[nodiscard]] Result<std::size_t> read_by_block(std::uint64_t offset,
                                                  std::span<std::byte> into) const {
    std::size_t total = 0;
    while (total < into.size()) {
      const auto at = offset + total;
      const auto step = std::min<std::size_t>(kBlock - at % kBlock, into.size() - total);
      if (!blocks_.contains(at / kBlock * kBlock)) {
        auto count = file_->read_at(at, into.subspan(total, step));
        if (!count || *count < step) return count ? Result<std::size_t>(total + *count) : count;
      }
      total += step;
    }
    return total;
  }

  std::unique_ptr<File> file_;
  const MendedBlocks& blocks_;
};

}  // namespace penstock::journal
