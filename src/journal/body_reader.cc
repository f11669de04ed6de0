#include "journal/body_reader.h"

#include <algorithm>

#include "journal/names.h"
#include "journal/scan.h"

namespace penstock::journal {

Result<RecordView> BodyReader::read(LogPosition position, std::uint64_t limit) {
  const auto segment = layout_.segment_of(position);
  const std::uint64_t offset = layout_.offset_of(position);
  const auto corrupt = [&](const char* what) {
    return fail(ErrorCode::corrupt,
                directory_.path() + "/" + segment_name(segment) + ": offset " +
                    std::to_string(offset) + ": " + what,
                "run `penstock verify " + directory_.path() + "` to see what is affected");
  };
  if (offset % kRecordAlign != 0 || offset < kBlock + kBatchHeaderBytes ||
      offset + kRecordHeaderBytes > limit)
    return corrupt("no record can be here");
  ++turn_;
  if (large_.capacity() > kKeptLargeBytes) large_ = {};
  auto bytes = window(segment, offset, kRecordHeaderBytes, limit);
  if (!bytes) return fail(std::move(bytes).error());
  const auto header = decode_record_header(bytes->data());
  const auto exact = std::uint64_t{kRecordHeaderBytes} + header.head_bytes + header.body_bytes;
  if (offset + exact > limit || header.filler) return corrupt("no record is here");
  if (bytes->size() < exact) {
    bytes = exact <= kWindowBytes - kBlock ? window(segment, offset, exact, limit)
                                           : whole(segment, offset, exact);
    if (!bytes) return fail(std::move(bytes).error());
  }
  const auto record = decode_record(layout_, position, *bytes);
  if (!record) return corrupt("the record's checksum does not hold");
  return *record;
}

Result<ByteView> BodyReader::window(std::uint64_t segment, std::uint64_t offset,
                                    std::uint64_t count, std::uint64_t limit) {
  Window* victim = windows_.data();
  auto bytes = kFirstWindowBytes;
  for (auto& window : windows_) {
    if (window.holds(segment, offset, count)) {
      window.used = turn_;
      return ByteView(window.bytes).subspan(offset - window.start);
    }
    const auto end = window.start + window.bytes.size();
    if (window.segment == segment && offset >= window.start && offset < end + kFirstWindowBytes)
      bytes = std::max(bytes, std::min<std::uint64_t>(2 * window.bytes.size(), kWindowBytes));
    if (window.used < victim->used) victim = &window;
  }
  auto file = handle(segment);
  if (!file) return fail(std::move(file).error());
  const auto start = offset / kBlock * kBlock;
  victim->segment = 0;  // until it is filled
  bytes = std::max(bytes, round_up(offset + count - start, kBlock));
  victim->bytes.resize(std::min(bytes, limit - start));
  ++disk_reads_;
  if (auto done = read_padded(**file, start, victim->bytes); !done)
    return fail(std::move(done).error());
  victim->segment = segment;
  victim->start = start;
  victim->used = turn_;
  return ByteView(victim->bytes).subspan(offset - start);
}

Result<ByteView> BodyReader::whole(std::uint64_t segment, std::uint64_t offset,
                                   std::uint64_t count) {
  auto file = handle(segment);
  if (!file) return fail(std::move(file).error());
  large_.resize(count);
  ++disk_reads_;
  if (auto done = read_padded(**file, offset, large_); !done) return fail(std::move(done).error());
  return ByteView(large_);
}

Result<File*> BodyReader::handle(std::uint64_t segment) {
  for (auto& handle : handles_) {
    if (handle.segment != segment) continue;
    handle.used = turn_;
    return handle.file.get();
  }
  auto file = directory_.open(segment_name(segment));
  if (!file) return fail(std::move(file).error());
  if (handles_.size() < kHandles) {
    handles_.push_back({segment, std::move(*file), turn_});
    return handles_.back().file.get();
  }
  auto& oldest = *std::ranges::min_element(handles_, {}, &Handle::used);
  oldest = {segment, std::move(*file), turn_};
  return oldest.file.get();
}

void BodyReader::forget(std::uint64_t segment) {
  for (auto& window : windows_)
    if (window.segment == segment) window.segment = 0;
  std::erase_if(handles_, [&](const Handle& handle) { return handle.segment == segment; });
}

void BodyReader::trim() {
  for (auto& window : windows_) window = {};
  handles_.clear();
  large_ = {};
}

}  // namespace penstock::journal
