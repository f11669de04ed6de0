#include "journal/segment_writer.h"

#include <cstring>

#include "base/canary.h"
#include "base/check.h"
#include "journal/names.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kRefreshBytes = 16 << 20;  // between looks at the file system's free space

}  // namespace

SegmentWriter::SegmentWriter(Directory& directory, Space& space, Clock& clock, const Layout& layout,
                             std::uint64_t epoch)
    : directory_(directory), space_(space), clock_(clock), layout_(layout), epoch_(epoch) {}

Result<void> SegmentWriter::resume(std::uint64_t segment, ChainLink link, LogPosition end) {
  auto file = directory_.open(segment_name(segment));
  if (!file) return fail(std::move(file).error());
  file_ = std::move(*file);
  segment_ = segment;
  link_ = link;
  end_ = end;
  return {};
}

// The header is durable before the file has the name of a segment, so a segment with a bad header
// is always damage and never a start that was cut short.
Result<void> SegmentWriter::open_segment(std::uint64_t number) {
  auto name = space_.take_segment();
  if (!name) return fail(std::move(name).error());
  auto file = directory_.open(*name);
  if (!file) return fail(std::move(file).error());
  const SegmentHeader header{.log_id = layout_.log_id(),
                             .number = number,
                             .segment_bytes = layout_.segment_bytes(),
                             .first_epoch = epoch_,
                             .previous_end = end_.value,
                             .previous_crc = link_.crc};
  if (auto done = (*file)->write_at(0, encode(header)); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = directory_.rename(*name, segment_name(number)); !done) return done;
  if (!CANARY(skip_directory_sync))
    if (auto done = directory_.sync(); !done) return done;
  file_ = std::move(*file);
  segment_ = number;
  if (!end_) end_ = layout_.position(number, kBlock);
  space_.refresh();
  return {};
}

Result<void> SegmentWriter::write_chunks(const std::vector<FooterChunk>& chunks) {
  for (const auto& chunk : chunks)
    if (auto done = file_->write_at(chunk_offset(layout_, chunk.index), chunk.bytes); !done)
      return done;
  return {};
}

// All batches of the segment are durable by now, so a valid trailer proves where they end.
Result<void> SegmentWriter::seal_segment(SealOrder& order) {
  CHECK(order.trailer.number == segment_);
  order.trailer.last_crc = link_.crc;
  order.trailer.last_epoch = link_.epoch;
  if (auto done = write_chunks(order.chunks); !done) return done;
  const auto trailer = encode(layout_, order.trailer);
  if (auto done = file_->write_at(layout_.segment_bytes() - kBlock, trailer); !done) return done;
  return file_->sync();
}

// Checksums are computed here and not in append(), to keep them off the owner's thread.
void SegmentWriter::finish(Batch& batch) {
  std::byte* const start = batch.buffer.data();
  std::uint64_t at = kBatchHeaderBytes;
  for (std::uint32_t i = 0; i < batch.record_count; ++i) {
    const auto record = decode_record_header(start + at);
    const auto exact = std::uint64_t{kRecordHeaderBytes} + record.head_bytes + record.body_bytes;
    const auto crc = record_crc(layout_, LogPosition(batch.base.value + at), {start + at, exact});
    std::memcpy(start + at, &crc, sizeof crc);
    at += record.total_bytes();
  }
  BatchHeader header;
  header.position = batch.base.value;
  header.durable = end_.value;
  header.epoch = epoch_;
  header.total_bytes = static_cast<std::uint32_t>(batch.buffer.size());
  header.payload_bytes = static_cast<std::uint32_t>(at - kBatchHeaderBytes);
  header.record_count = batch.record_count;
  header.previous_crc = link_.crc;
  header.flags = batch.flags;
  seal_batch(layout_, header, {start, batch.buffer.size()});
  link_ = {epoch_, header.batch_crc};
}

Result<void> SegmentWriter::write(Batch& batch) {
  if (batch.seals) {
    if (auto done = seal_segment(*batch.seals); !done)
      return fail(std::move(done).error().at("seal segment"));
  }
  if (batch.opens != 0) {
    if (auto done = open_segment(batch.opens); !done)
      return fail(std::move(done).error().at("begin segment"));
  }
  CHECK(layout_.segment_of(batch.base) == segment_);
  if (auto done = write_chunks(batch.chunks); !done) return done;
  finish(batch);
  if (auto done = file_->write_at(layout_.offset_of(batch.base), batch.buffer.view()); !done)
    return done;
  const Time before = clock_.now();
  if (auto done = file_->sync(); !done) return done;
  batch.sync_micros = static_cast<std::uint64_t>((clock_.now() - before).count());
  batch.written_bytes =
      batch.buffer.size() + (batch.chunks.size() * std::uint64_t{layout_.chunk_bytes()});
  end_ = batch.end();
  bytes_since_refresh_ += batch.buffer.size();
  if (bytes_since_refresh_ >= kRefreshBytes || !space_.room()) {
    bytes_since_refresh_ = 0;
    space_.refresh();
  }
  return {};
}

}  // namespace penstock::journal
