// The owner's side of appending: records become batches, batches get their places in segments.
//
// Threads: the owner's. Memory: bounded by what the owner appends before it seals; see
// gathered_bytes().
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "journal/batch.h"

namespace penstock::journal {

class Gather {
 public:
  // Where the log ends and goes on.
  struct Start {
    std::uint64_t segment = 1;
    std::uint64_t offset = kBlock;
    bool sealed = false;  // nothing more fits: the next batch opens the next segment
  };
  // `on_roll(segment, data_end)`: that segment gets no more batches.
  using OnRoll = std::function<void(std::uint64_t segment, std::uint64_t data_end)>;
  Gather(const Layout& layout, const Start& start, FooterBuilder footer, OnRoll on_roll);

  LogPosition append(std::uint8_t kind, ByteView head, ByteView body);
  // Sees to it that records of this sum go into one batch.
  void make_room(std::uint64_t bytes, std::uint32_t records);

  // The oldest batch that is not handed out yet, closed; null when nothing gathered.
  [[nodiscard]] std::unique_ptr<Batch> take();
  // An empty batch that marks the end of a clean life. Only when nothing gathered.
  [[nodiscard]] std::unique_ptr<Batch> take_clean_mark();
  // Gives a used batch back, to use its memory again.
  void recycle(std::unique_ptr<Batch> batch);
  void trim() { free_.clear(); }

  // Everything appended is before it.
  [[nodiscard]] LogPosition end() const { return current_->empty() ? last_end_ : current_->end(); }
  [[nodiscard]] std::uint64_t gathered_bytes() const {
    return closed_bytes_ + (current_->empty() ? 0 : current_->buffer.size());
  }
  // The batch, not handed out yet, that holds `position`; null when none does.
  [[nodiscard]] const Batch* find(LogPosition position) const;
  [[nodiscard]] std::uint64_t segment() const { return segment_; }
  // What still fits into that segment, index entries aside.
  [[nodiscard]] std::uint64_t left_in_segment() const {
    const auto end = round_up(offset_ + current_->buffer.size(), kBlock);
    const auto limit = footer_.data_limit(0);
    return end < limit ? limit - end : 0;
  }

 private:
  [[nodiscard]] bool fits(std::uint64_t record_bytes, std::uint64_t entry_bytes) const {
    const auto end = round_up(offset_ + current_->buffer.size() + record_bytes, kBlock);
    return end <= footer_.data_limit(entry_bytes);
  }
  void close_current();
  void begin_next();
  void next_segment();
  [[nodiscard]] std::unique_ptr<Batch> fresh();

  const Layout layout_;
  const OnRoll on_roll_;
  FooterBuilder footer_;
  std::uint64_t segment_;
  std::uint64_t offset_;  // of the current batch in its segment
  LogPosition last_end_;
  std::vector<std::unique_ptr<Batch>> free_;
  std::unique_ptr<Batch> current_;  // made by fresh(), so after free_
  std::deque<std::unique_ptr<Batch>> closed_;
  std::uint64_t closed_bytes_ = 0;
};

}  // namespace penstock::journal
