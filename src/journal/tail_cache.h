// The newest batches, kept in memory after they are durable, so that a record just written is read
// without the disk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "journal/batch.h"

namespace penstock::journal {

// Threads: the owner's.
class TailCache {
 public:
  explicit TailCache(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  // Keeps the batch's bytes. Gives the batch back when its memory was not needed for that.
  std::unique_ptr<Batch> add(std::unique_ptr<Batch> batch) {
    if (batch->buffer.size() > limit_ || batch->empty()) return batch;
    std::unique_ptr<Batch> unused;
    if (batch->buffer.size() < batch->buffer.capacity() / 2) {
      // A small batch in a large buffer: a copy of the right size, and the buffer stays in use.
      auto copy = std::make_unique<Batch>();
      copy->base = batch->base;
      copy->record_count = batch->record_count;
      copy->written = true;
      std::memcpy(copy->buffer.extend(batch->buffer.size()), batch->buffer.data(),
                  batch->buffer.size());
      unused = std::exchange(batch, std::move(copy));
    }
    bytes_ += batch->buffer.capacity();
    const auto base = batch->base;
    batches_.push_back({base, std::move(batch)});
    while (bytes_ > limit_) {
      auto& oldest = batches_.front().batch;
      bytes_ -= oldest->buffer.capacity();
      // The newest to go lends its buffer to the next batch.
      unused = unused ? std::move(unused) : std::move(oldest);
      batches_.pop_front();
    }
    return unused;
  }

  [[nodiscard]] const Batch* find(LogPosition position) const {
    auto after = std::ranges::upper_bound(batches_, position, {}, &Kept::base);
    if (after == batches_.begin()) return nullptr;
    const auto& batch = std::prev(after)->batch;
    return batch->holds(position) ? batch.get() : nullptr;
  }

  void clear() {
    batches_.clear();
    bytes_ = 0;
  }

 private:
  struct Kept {
    LogPosition base;  // of the batch, so that a search does not touch the others
    std::unique_ptr<Batch> batch;
  };
  const std::uint64_t limit_;
  std::uint64_t bytes_ = 0;
  std::deque<Kept> batches_;
};

}  // namespace penstock::journal
