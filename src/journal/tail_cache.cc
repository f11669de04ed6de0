#include "journal/tail_cache.h"

#include <cstring>
#include <utility>

namespace penstock::journal {

std::unique_ptr<Batch> TailCache::add(std::unique_ptr<Batch> batch) {
  if (!batch->has_bodies || batch->buffer.size() > limit_) return batch;
  const auto first = block_of(batch->base);
  // Blocks between, that are not kept, have places, too; a great many of them are not worth it.
  if (!blocks_.empty() && (first - first_block_ - blocks_.size()) * sizeof(Block) > limit_ / 4)
    clear();
  if (blocks_.empty()) first_block_ = first;
  const auto before = blocks_.size();
  blocks_.resize(first - first_block_);

  Kept kept{.base = batch->base};
  const auto bytes = batch->buffer.view().first(batch->used);
  const std::byte* begin = bytes.data();
  std::unique_ptr<Batch> unused;
  if (batch->used < batch->buffer.capacity() / 2) {
    begin = static_cast<std::byte*>(
        std::memcpy(room_for(kept, bytes.size()), bytes.data(), bytes.size()));
    unused = std::move(batch);
  } else {
    kept.cost = batch->buffer.capacity();
    kept.batch = std::move(batch);
  }
  for (std::uint64_t at = 0; at < bytes.size(); at += kBlock)
    blocks_.push_back({begin + at, bytes.size() - at});
  kept.cost += sizeof(Kept) + (blocks_.size() - before) * sizeof(Block);
  bytes_ += kept.cost;
  batches_.push_back(std::move(kept));
  while (bytes_ > limit_ && !batches_.empty()) {
    auto oldest = drop_oldest();
    // The newest to go lends its buffer to the next batch.
    if (!unused) unused = std::move(oldest);
  }
  return unused;
}

std::byte* TailCache::room_for(Kept& kept, std::uint64_t bytes) {
  kept.shares = bytes <= kSharedBytes / kSmallInShared && kSharedBytes <= limit_ / kSmallInShared;
  if (!kept.shares) {
    kept.cost = bytes;
    kept.memory = std::make_shared_for_overwrite<std::byte[]>(bytes);
    return kept.memory.get();
  }
  if (shared_ == nullptr || shared_used_ + bytes > kSharedBytes) {
    // Whose batches are all gone already goes now; the others' memory goes with the last of them.
    if (shared_.use_count() == 1) bytes_ -= kSharedBytes;
    shared_ = std::make_shared_for_overwrite<std::byte[]>(kSharedBytes);
    shared_used_ = 0;
    bytes_ += kSharedBytes;
  }
  kept.memory = shared_;
  return shared_.get() + std::exchange(shared_used_, round_up(shared_used_ + bytes, kRecordAlign));
}

std::unique_ptr<Batch> TailCache::drop_oldest() {
  Kept oldest = std::move(batches_.front());
  batches_.pop_front();
  bytes_ -= oldest.cost;
  if (oldest.shares && oldest.memory.use_count() == 1) bytes_ -= kSharedBytes;
  const auto next =
      batches_.empty() ? first_block_ + blocks_.size() : block_of(batches_.front().base);
  blocks_.erase(blocks_.begin(),
                blocks_.begin() + static_cast<std::ptrdiff_t>(next - first_block_));
  first_block_ = next;
  return std::move(oldest.batch);
}

void TailCache::drop_before(LogPosition position) {
  const auto end = [this] {
    return batches_.size() > 1 ? block_of(batches_[1].base) : first_block_ + blocks_.size();
  };
  while (!batches_.empty() && end() <= block_of(position)) drop_oldest();
  if (batches_.empty()) clear();
}

void TailCache::clear() {
  batches_.clear();
  blocks_.clear();
  shared_.reset();
  bytes_ = 0;
}

}  // namespace penstock::journal
