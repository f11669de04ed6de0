// A batch while it is in memory, and the buffer that holds it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/footer.h"
#include "journal/format.h"
#include "journal/record.h"

namespace penstock::journal {

// Bytes on whole pages, which grow without being zeroed first.
class Buffer {
 public:
  [[nodiscard]] std::byte* data() { return bytes_.get(); }
  [[nodiscard]] const std::byte* data() const { return bytes_.get(); }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t capacity() const { return capacity_; }
  [[nodiscard]] ByteView view() const { return {bytes_.get(), size_}; }
  void clear() { size_ = 0; }

  // Room for `count` bytes more, whose content is not set.
  std::byte* extend(std::uint64_t count) {
    if (size_ + count > capacity_) reallocate(std::max(size_ + count, capacity_ * 2));
    std::byte* at = bytes_.get() + size_;
    size_ += count;
    return at;
  }
  // Gives back what is not used.
  void shrink() {
    if (round_up(size_, kBlock) < capacity_) reallocate(size_);
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  void reallocate(std::uint64_t capacity) {
    capacity_ = round_up(std::max<std::uint64_t>(capacity, kBlock), kBlock);
    std::unique_ptr<std::byte[], Free> bytes(
        static_cast<std::byte*>(std::aligned_alloc(kBlock, capacity_)));
    if (!bytes) throw std::bad_alloc();
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
  }

  std::unique_ptr<std::byte[], Free> bytes_;
  std::uint64_t size_ = 0;
  std::uint64_t capacity_ = 0;
};

// What ends a segment: its last footer chunk and its trailer (whose chain link the writer knows).
struct SealOrder {
  Trailer trailer;
  std::vector<FooterChunk> chunks;
};

// Threads: the owner's until seal() hands it out; then the writer's until complete(). Meanwhile the
// owner may read the records, of which the writer changes nothing but the checksums.
class Batch {
 public:
  LogPosition base;
  Buffer buffer;
  std::uint64_t used = 0;  // of the buffer, by header and records; set when the batch is closed
  std::uint32_t record_count = 0;
  bool has_bodies = false;
  std::uint32_t flags = 0;
  std::optional<SealOrder> seals;   // the segment before, first
  std::uint64_t opens = 0;          // then this segment, when not 0
  std::vector<FooterChunk> chunks;  // of this batch's segment
  std::uint64_t sync_micros = 0;    // set by the writer
  std::uint64_t written_bytes = 0;  // set by the writer

  // Records follow the header.
  void begin(LogPosition at) {
    base = at;
    buffer.clear();
    buffer.extend(kBatchHeaderBytes);
    used = 0;
    record_count = flags = 0;
    has_bodies = false;
    seals.reset();
    opens = 0;
    chunks.clear();
    sync_micros = written_bytes = 0;
  }
  [[nodiscard]] bool empty() const { return record_count == 0; }
  [[nodiscard]] LogPosition end() const { return LogPosition(base.value + buffer.size()); }
  [[nodiscard]] bool holds(LogPosition position) const {
    return position.value >= base.value + kBatchHeaderBytes && position < end();
  }
  // One that it holds, whose checksum may not be computed yet; none: there is no record.
  [[nodiscard]] std::optional<RecordView> record(LogPosition position) const {
    const auto bytes = buffer.view().subspan(position.value - base.value);
    if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
    const auto header = decode_record_header(bytes.data());
    const auto rest = bytes.subspan(kRecordHeaderBytes);
    if (std::uint64_t{header.head_bytes} + header.body_bytes > rest.size()) return std::nullopt;
    return RecordView{position, header.kind, rest.first(header.head_bytes),
                      rest.subspan(header.head_bytes, header.body_bytes)};
  }
};

}  // namespace penstock::journal
