// The newest batches with bodies, kept in memory after they are durable, so that a record written
// not long ago is read without the disk.
//
// What fills up a batch's last block is not kept: of the small batches that many clients make, who
// publish one message at a time, that is most.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "journal/batch.h"

namespace penstock::journal {

// Threads: the owner's.
class TailCache {
 public:
  explicit TailCache(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  // Keeps what the batch's records take. Gives the batch back when its memory was not needed for
  // that.
  std::unique_ptr<Batch> add(std::unique_ptr<Batch> batch);
  // From there to the end of its batch's records; nothing: it is not kept.
  [[nodiscard]] ByteView find(LogPosition position) const {
    const auto at = block_of(position) - first_block_;
    if (at >= blocks_.size()) return {};
    const Block& block = blocks_[at];
    const auto offset = position.value % kBlock;
    return offset < block.bytes ? ByteView(block.begin + offset, block.bytes - offset) : ByteView();
  }
  // It will be asked for soon: first where it is, then it.
  void fetch_place(LogPosition position) const {
    if (const auto at = block_of(position) - first_block_; at < blocks_.size())
      __builtin_prefetch(&blocks_[at]);
  }
  void fetch(LogPosition position) const {
    const auto bytes = find(position);
    if (bytes.empty()) return;
    __builtin_prefetch(bytes.data());
    __builtin_prefetch(bytes.data() + 64);
  }
  // Where the oldest batch begins; kNowhereInLog when there is none.
  [[nodiscard]] LogPosition begin() const {
    return batches_.empty() ? kNowhereInLog : batches_.front().base;
  }
  // Keeps no batch that ends before `position`.
  void drop_before(LogPosition position);
  void clear();

  // The memory that it takes, at most what it may.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint64_t kSharedBytes = 64 << 10;  // of small batches together
  static constexpr std::uint64_t kSmallInShared = 16;      // they are no larger than such a part

  // Where a block of the log begins in memory, and what is kept from there on. Empty: none of it.
  struct Block {
    const std::byte* begin = nullptr;
    std::uint64_t bytes = 0;
  };
  struct Kept {
    LogPosition base;
    std::uint64_t cost = 0;  // without shared memory
    bool shares = false;
    std::unique_ptr<Batch> batch{};         // whose buffer it lies in, or
    std::shared_ptr<std::byte[]> memory{};  // its own, or with other small ones
  };

  [[nodiscard]] static std::uint64_t block_of(LogPosition position) {
    return position.value / kBlock;
  }
  [[nodiscard]] std::byte* room_for(Kept& kept, std::uint64_t bytes);
  // Gives back its buffer, if it has one.
  std::unique_ptr<Batch> drop_oldest();

  const std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::deque<Kept> batches_;
  std::deque<Block> blocks_;  // of the log, from the first batch's first to the last one's last
  std::uint64_t first_block_ = 0;
  std::shared_ptr<std::byte[]> shared_;  // kSharedBytes, filled from the front
  std::uint64_t shared_used_ = 0;
};

}  // namespace penstock::journal
