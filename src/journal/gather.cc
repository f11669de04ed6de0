#include "journal/gather.h"

#include <algorithm>
#include <cstring>

namespace penstock::journal {
namespace {

constexpr std::size_t kFreeBatches = 2;
constexpr std::uint64_t kKeptBufferBytes = 4 << 20;  // a larger one goes back to the system
constexpr std::uint64_t kFirstBufferBytes = 64 << 10;

}  // namespace

Gather::Gather(const Layout& layout, const Start& start, FooterBuilder footer, OnRoll on_roll)
    : layout_(layout),
      on_roll_(std::move(on_roll)),
      footer_(std::move(footer)),
      segment_(start.segment),
      offset_(start.offset),
      last_end_(layout.position(start.segment, start.offset)),
      current_(fresh()) {
  current_->begin(last_end_);
  if (start.sealed) {
    ++segment_;
    offset_ = kBlock;
    footer_.reset(layout_, segment_);
    current_->begin(layout_.position(segment_, offset_));
    current_->opens = segment_;
  }
}

std::unique_ptr<Batch> Gather::fresh() {
  if (free_.empty()) {
    auto batch = std::make_unique<Batch>();
    batch->buffer.extend(kFirstBufferBytes);
    return batch;
  }
  auto batch = std::move(free_.back());
  free_.pop_back();
  return batch;
}

void Gather::recycle(std::unique_ptr<Batch> batch) {
  if (free_.size() >= kFreeBatches || batch->buffer.capacity() > kKeptBufferBytes ||
      batch->buffer.capacity() < kFirstBufferBytes)
    return;
  free_.push_back(std::move(batch));
}

LogPosition Gather::append(std::uint8_t kind, ByteView head, ByteView body) {
  CHECK(head.size() <= kMaxHeadBytes);
  const auto total = record_bytes(head.size(), body.size());
  if (!fits(total, head.size() + kEntryOverheadBytes)) [[unlikely]] {
    next_segment();
    CHECK(fits(total, head.size() + kEntryOverheadBytes));
  }
  const LogPosition position = current_->end();
  std::byte* at = current_->buffer.extend(total);
  std::memset(at + total - kRecordAlign, 0, kRecordAlign);
  encode_record_header({.head_bytes = static_cast<std::uint32_t>(head.size()),
                        .body_bytes = static_cast<std::uint32_t>(body.size()),
                        .kind = kind},
                       at);
  if (!head.empty()) std::memcpy(at + kRecordHeaderBytes, head.data(), head.size());
  if (!body.empty()) std::memcpy(at + kRecordHeaderBytes + head.size(), body.data(), body.size());
  ++current_->record_count;
  current_->has_bodies |= !body.empty();
  footer_.add(layout_.offset_of(position), kind, head, static_cast<std::uint32_t>(body.size()),
              current_->chunks);
  return position;
}

void Gather::make_room(std::uint64_t bytes, std::uint32_t records) {
  const auto heads = std::min<std::uint64_t>(bytes, std::uint64_t{records} * kMaxHeadBytes);
  const auto padding = std::uint64_t{records} * (kRecordHeaderBytes + kRecordAlign - 1);
  if (!fits(bytes + padding, heads + std::uint64_t{records} * kEntryOverheadBytes)) next_segment();
}

// Pads to a whole block. The bytes are zeros, so that nothing of the process's memory is written.
void Gather::close_current() {
  auto& buffer = current_->buffer;
  current_->used = buffer.size();
  const auto padding = round_up(buffer.size(), kBlock) - buffer.size();
  if (padding > 0) std::memset(buffer.extend(padding), 0, padding);
  last_end_ = current_->end();
  offset_ += buffer.size();
  closed_bytes_ += buffer.size();
  closed_.push_back(std::move(current_));
  begin_next();
}

void Gather::begin_next() {
  current_ = fresh();
  current_->begin(layout_.position(segment_, offset_));
}

void Gather::next_segment() {
  if (!current_->empty()) close_current();
  CHECK(current_->opens == 0);  // else an empty segment would be too small
  SealOrder order;
  order.trailer.number = segment_;
  order.trailer.data_end = offset_;
  footer_.finish(order.trailer, order.chunks);
  on_roll_(segment_, offset_);
  ++segment_;
  offset_ = kBlock;
  footer_.reset(layout_, segment_);
  current_->begin(layout_.position(segment_, offset_));
  current_->seals = std::move(order);
  current_->opens = segment_;
}

std::unique_ptr<Batch> Gather::take() {
  if (closed_.empty() && !current_->empty()) close_current();
  if (closed_.empty()) return nullptr;
  auto batch = std::move(closed_.front());
  closed_.pop_front();
  closed_bytes_ -= batch->buffer.size();
  return batch;
}

std::unique_ptr<Batch> Gather::take_clean_mark() {
  CHECK(closed_.empty() && current_->empty());
  if (!fits(0, 0)) next_segment();
  current_->flags = kBatchClean;
  close_current();
  return take();
}

const Batch* Gather::find(LogPosition position) const {
  if (current_->holds(position)) return current_.get();
  for (const auto& batch : closed_)
    if (batch->holds(position)) return batch.get();
  return nullptr;
}

}  // namespace penstock::journal
