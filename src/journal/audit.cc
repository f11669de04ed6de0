#include "journal/audit.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace penstock::journal {
namespace {

// A missing file reads as zeros.
Result<void> read_or_zeros(const File* file, std::uint64_t offset, std::span<std::byte> into) {
  if (file != nullptr) return read_padded(*file, offset, into);
  std::ranges::fill(into, std::byte{0});
  return {};
}

class Auditor {
 public:
  Auditor(const Layout& layout, const File* file, const AuditContext& context)
      : layout_(layout), file_(file), context_(context), footer_(layout, context.number) {}

  Result<Audit> run();

 private:
  Result<void> read_header();
  Result<void> read_end();
  Result<void> walk();
  Result<bool> take_batch(std::uint64_t offset);
  Result<bool> make_hole(std::uint64_t offset);
  Result<void> fill_hole(Hole& hole);
  void take_record(std::uint64_t offset, const RecordView& record);
  Result<void> finish_footer();

  const Layout& layout_;
  const File* const file_;
  const AuditContext& context_;
  FooterBuilder footer_;
  Audit audit_;
  Bytes buffer_;
  std::optional<Trailer> trailer_;
  std::optional<std::uint64_t> end_;  // where the batches must end
  std::uint32_t end_crc_ = 0;
  std::string why_;
  bool stale_ = false;  // what is there is whole but does not belong there
  // A batch that recovery refuses as well, and does not take for a torn tail.
  std::optional<BatchHeader> refused_;
};

Result<void> Auditor::read_header() {
  Bytes block(kBlock);
  if (auto done = read_or_zeros(file_, 0, block); !done) return done;
  auto read = decode_segment_header(block);
  if (read.newer_version != 0)
    return fail(ErrorCode::unsupported, "format version " + std::to_string(read.newer_version),
                "verify it with the newer penstock that wrote it");
  audit_.header = read.header;
  auto& header = audit_.header;
  const bool fits = header && header->number == context_.number &&
                    header->log_id == layout_.log_id() &&
                    header->segment_bytes == layout_.segment_bytes() &&
                    (!context_.link || header->previous_crc == context_.link->crc) &&
                    (context_.previous_end == 0 || header->previous_end == context_.previous_end);
  if (fits) return {};
  audit_.header_damaged = true;
  header = SegmentHeader{.log_id = layout_.log_id(),
                         .number = context_.number,
                         .segment_bytes = layout_.segment_bytes(),
                         .first_epoch = context_.link ? context_.link->epoch : 1,
                         .previous_end = context_.previous_end,
                         .previous_crc = context_.link ? context_.link->crc : 0};
  if (context_.link) return {};
  block.resize(kBatchHeaderBytes);
  if (auto done = read_or_zeros(file_, kBlock, block); !done) return done;
  const auto first = decode_batch_header(layout_, layout_.position(context_.number, kBlock), block);
  if (first) header->previous_crc = first->previous_crc;
  return {};
}

Result<void> Auditor::read_end() {
  Bytes block(kBlock);
  if (auto done = read_or_zeros(file_, layout_.segment_bytes() - kBlock, block); !done) return done;
  trailer_ = decode_trailer(layout_, context_.number, block);
  if (trailer_) {
    end_ = trailer_->data_end;
    end_crc_ = trailer_->last_crc;
  }
  if (context_.next) {
    const LogPosition said(context_.next->previous_end);
    if (layout_.segment_of(said) == context_.number) {
      end_ = layout_.offset_of(said);
      end_crc_ = context_.next->previous_crc;
    }
  }
  audit_.sealed = end_.has_value();
  return {};
}

void Auditor::take_record(std::uint64_t offset, const RecordView& record) {
  const auto at = static_cast<std::uint32_t>(offset);
  footer_.add(at, record.kind, record.head, static_cast<std::uint32_t>(record.body.size()),
              audit_.chunks);
  audit_.offsets.push_back(at);
  ++audit_.records;
}

// The batch at `offset`, if it is whole and belongs there. Sets why_ otherwise.
Result<bool> Auditor::take_batch(std::uint64_t offset) {
  stale_ = false;
  refused_.reset();
  why_ = "no batch header is here";
  if (file_ == nullptr) return false;
  auto probe = probe_batch(layout_, *file_, layout_.position(context_.number, offset), buffer_);
  if (!probe) return fail(std::move(probe).error());
  if (!probe->header) return false;
  const auto& header = *probe->header;
  audit_.torn_bytes = header.total_bytes;
  if (header.previous_crc != audit_.link.crc && header.epoch >= audit_.link.epoch)
    refused_ = header;
  why_ = "the batch's checksum does not hold";
  if (!probe->whole) return false;
  stale_ = true;
  why_ = "the batch does not follow the one before it";
  if (header.previous_crc != audit_.link.crc || header.epoch < audit_.link.epoch) return false;
  if (end_ && offset + header.total_bytes > *end_) return false;
  stale_ = false;
  refused_ = header;
  why_ = "the batch's checksum holds, and its records make no sense";
  std::vector<RecordView> records;
  const auto keep = [&](const RecordView& record) -> Result<void> {
    const auto at = record.position.value - header.position;
    if (!decode_record(layout_, record.position, ByteView(buffer_).subspan(at))) {
      why_ = "a record's checksum does not hold though its batch's does";
      return fail(ErrorCode::corrupt, why_);
    }
    records.push_back(record);
    return {};
  };
  if (!for_each_record_in(layout_, header, buffer_, keep)) return false;
  for (const auto& record : records) take_record(layout_.offset_of(record.position), record);
  audit_.link = {header.epoch, header.chain_crc()};
  audit_.data_end = offset + header.total_bytes;
  audit_.torn_bytes = 0;
  ++audit_.batches;
  return true;
}

// False when nothing proves that a batch was durable at `offset`: the log's end, or a torn tail.
Result<bool> Auditor::make_hole(std::uint64_t offset) {
  Hole hole{.from = offset, .epoch = audit_.link.epoch, .previous_crc = audit_.link.crc};
  hole.why = why_;
  if (file_ != nullptr) {
    auto later =
        find_batch_header(layout_, *file_, context_.number, offset + kBlock, audit_.link.epoch);
    if (!later) return fail(std::move(later).error());
    if (*later) {
      const auto at = layout_.offset_of(LogPosition((*later)->position));
      if (!end_ || at < *end_) {
        hole.to = at;
        hole.next_crc = (*later)->previous_crc;
      }
    }
  }
  if (hole.to == 0 && refused_) {
    hole.to =
        std::min(offset + refused_->total_bytes, end_.value_or(layout_.segment_bytes() - kBlock));
    hole.next_crc = end_ && hole.to == *end_ ? end_crc_ : refused_->chain_crc();
  }
  if (hole.to == 0) {
    const auto end = end_.value_or(context_.durable_end);
    if (offset >= end) return false;
    hole.to = end;
    hole.next_crc = end_crc_;
  }
  if (auto done = fill_hole(hole); !done) return fail(std::move(done).error());
  audit_.link = {hole.epoch, hole.next_crc};
  audit_.data_end = hole.to;
  audit_.torn_bytes = 0;
  audit_.holes.push_back(std::move(hole));
  return true;
}

// The batch for the hole: records that hold stay where they are, what lies between becomes filler.
Result<void> Auditor::fill_hole(Hole& hole) {
  Bytes& batch = hole.batch;
  batch.resize(hole.to - hole.from);
  if (auto done = read_or_zeros(file_, hole.from, batch); !done) return done;
  const auto base = layout_.position(context_.number, hole.from);
  std::uint64_t gap = kBatchHeaderBytes;  // where what is not saved begins
  const auto close_gap = [&](std::uint64_t to) {
    if (to == gap) return;
    std::memset(batch.data() + gap, 0, to - gap);
    encode_record_header(
        {.body_bytes = static_cast<std::uint32_t>(to - gap - kRecordHeaderBytes), .filler = true},
        batch.data() + gap);
  };
  std::uint64_t at = gap;
  while (!stale_ && at + kRecordHeaderBytes <= batch.size()) {
    const auto position = LogPosition(base.value + at);
    // What only keeps a place is no record, whatever its checksum says.
    const bool reachable = (at == gap || at >= gap + kRecordHeaderBytes) &&
                           !decode_record_header(batch.data() + at).filler;
    const auto record =
        reachable ? decode_record(layout_, position, ByteView(batch).subspan(at)) : std::nullopt;
    const auto total = record ? record_bytes(record->head.size(), record->body.size()) : 0;
    if (!record || at + total > batch.size()) {
      at += kRecordAlign;
      continue;
    }
    take_record(hole.from + at, *record);
    ++hole.saved;
    close_gap(at);
    at += total;
    gap = at;
  }
  std::uint64_t payload_end = gap;
  if (batch.size() - gap >= kRecordHeaderBytes) {
    close_gap(batch.size());
    payload_end = batch.size();
  }
  BatchHeader header{.position = base.value,
                     .durable = base.value,
                     .epoch = hole.epoch,
                     .total_bytes = static_cast<std::uint32_t>(batch.size()),
                     .payload_bytes = static_cast<std::uint32_t>(payload_end - kBatchHeaderBytes),
                     .record_count = static_cast<std::uint32_t>(hole.saved),
                     .previous_crc = hole.previous_crc,
                     .flags = kBatchRepair,
                     .replaced_crc = hole.next_crc};
  seal_batch(layout_, header, batch);
  return {};
}

Result<void> Auditor::walk() {
  audit_.link = {audit_.header->first_epoch, audit_.header->previous_crc};
  const auto limit = end_.value_or(layout_.segment_bytes() - kBlock);
  while (audit_.data_end + kBlock <= limit) {
    const auto offset = audit_.data_end;
    auto taken = take_batch(offset);
    if (!taken) return fail(std::move(taken).error());
    if (*taken) continue;
    auto hole = make_hole(offset);
    if (!hole) return fail(std::move(hole).error());
    if (!*hole) return {};
  }
  audit_.torn_bytes = 0;
  return {};
}

Result<void> Auditor::finish_footer() {
  auto& expected = audit_.trailer;
  expected.number = context_.number;
  expected.data_end = audit_.data_end;
  expected.last_epoch = audit_.link.epoch;
  expected.last_crc = audit_.link.crc;
  if (!audit_.sealed) return {};
  footer_.finish(expected, audit_.chunks);
  audit_.footer_damaged = true;
  if (!trailer_ || file_ == nullptr) return {};
  auto entries = load_footer(layout_, *file_, *trailer_);
  if (!entries && entries.error().code != ErrorCode::corrupt)
    return fail(std::move(entries).error());
  audit_.footer_damaged = !entries || trailer_->data_end != expected.data_end ||
                          trailer_->last_epoch != expected.last_epoch ||
                          trailer_->last_crc != expected.last_crc ||
                          trailer_->record_count != expected.record_count ||
                          trailer_->chunks_crc != expected.chunks_crc;
  return {};
}

Result<Audit> Auditor::run() {
  for (const auto step :
       {&Auditor::read_header, &Auditor::read_end, &Auditor::walk, &Auditor::finish_footer})
    if (auto done = (this->*step)(); !done) return fail(std::move(done).error());
  return std::move(audit_);
}

}  // namespace

Result<Audit> audit_segment(const Layout& layout, const File* file, const AuditContext& context) {
  return Auditor(layout, file, context).run();
}

Result<void> write_repaired(const Layout& layout, const File* from, const Audit& audit, File& to) {
  Bytes piece(1 << 20);
  for (std::uint64_t at = 0; at < layout.segment_bytes(); at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), layout.segment_bytes() - at));
    if (auto done = read_or_zeros(from, at, piece); !done) return done;
    if (auto done = to.write_at(at, piece); !done) return done;
  }
  if (auto done = to.write_at(0, encode(*audit.header)); !done) return done;
  for (const auto& hole : audit.holes)
    if (auto done = to.write_at(hole.from, hole.batch); !done) return done;
  for (const auto& chunk : audit.chunks)
    if (auto done = to.write_at(chunk_offset(layout, chunk.index), chunk.bytes); !done) return done;
  if (audit.sealed) {
    const auto at = layout.segment_bytes() - kBlock;
    if (auto done = to.write_at(at, encode(layout, audit.trailer)); !done) return done;
  }
  return to.sync();
}

}  // namespace penstock::journal
