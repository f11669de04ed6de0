#include "journal/scan.h"

#include <algorithm>

#include "base/canary.h"

namespace penstock::journal {

Result<void> read_padded(const File& file, std::uint64_t offset, std::span<std::byte> into) {
  auto count = file.read_at(offset, into);
  if (!count) return fail(std::move(count).error());
  std::ranges::fill(into.subspan(*count), std::byte{0});
  return {};
}

Result<BatchProbe> probe_batch(const Layout& layout, const File& file, LogPosition position,
                               Bytes& buffer) {
  const auto offset = layout.offset_of(position);
  // Most batches are small; the rest of a larger one is read when its header holds.
  constexpr std::uint64_t kFirstRead = 64 << 10;
  buffer.resize(std::min(kFirstRead, layout.segment_bytes() - offset));
  if (auto done = read_padded(file, offset, buffer); !done) return fail(std::move(done).error());
  BatchProbe probe;
  probe.header = decode_batch_header(layout, position, buffer);
  if (!probe.header) return probe;
  const auto have = std::min<std::uint64_t>(buffer.size(), probe.header->total_bytes);
  buffer.resize(probe.header->total_bytes);
  if (have < buffer.size()) {
    const auto rest = std::span(buffer).subspan(have);
    if (auto done = read_padded(file, offset + have, rest); !done)
      return fail(std::move(done).error());
  }
  probe.whole = batch_is_whole(layout, *probe.header, buffer);
  return probe;
}

Result<void> for_each_record_in(const Layout& layout, const BatchHeader& header, ByteView batch,
                                const std::function<Result<void>(const RecordView&)>& visit) {
  const auto bad = [&](std::uint64_t at) {
    return fail(ErrorCode::corrupt, "batch at position " + std::to_string(header.position) +
                                        " has a whole checksum but no record at byte " +
                                        std::to_string(at));
  };
  std::uint64_t at = kBatchHeaderBytes;
  const std::uint64_t end = at + header.payload_bytes;
  std::uint32_t count = 0;
  while (at < end) {
    if (end - at < kRecordHeaderBytes) return bad(at);
    const auto record = decode_record_header(batch.data() + at);
    if (record.total_bytes() > end - at) return bad(at);
    const auto pieces = batch.subspan(at + kRecordHeaderBytes);
    if (!record.filler) {
      const RecordView view{LogPosition(header.position + at), record.kind,
                            pieces.first(record.head_bytes),
                            pieces.subspan(record.head_bytes, record.body_bytes)};
      if (auto done = visit(view); !done) return done;
      ++count;
    }
    at += record.total_bytes();
  }
  if (count != header.record_count) return bad(end);
  static_cast<void>(layout);
  return {};
}

Result<std::optional<BatchHeader>> find_batch_header(const Layout& layout, const File& file,
                                                     std::uint64_t segment, std::uint64_t offset,
                                                     std::uint64_t epoch) {
  constexpr std::uint64_t kWindow = 1 << 20;
  Bytes window;
  for (auto at = round_up(offset, kBlock); at < layout.segment_bytes(); at += window.size()) {
    window.resize(std::min(kWindow, layout.segment_bytes() - at));
    if (auto done = read_padded(file, at, window); !done) return fail(std::move(done).error());
    for (std::uint64_t block = 0; block < window.size(); block += kBlock) {
      const auto position = layout.position(segment, at + block);
      const auto header = decode_batch_header(layout, position, ByteView(window).subspan(block));
      if (header && header->epoch >= epoch) return header;
    }
  }
  return std::nullopt;
}

Result<SegmentWalk> walk_segment(const Layout& layout, const File& file, std::uint64_t segment,
                                 ChainLink link, std::uint64_t end,
                                 const std::function<Result<void>(const RecordView&)>& visit) {
  SegmentWalk walk;
  walk.link = link;
  Bytes buffer;
  while (walk.data_end + kBlock <= end) {
    auto probe = probe_batch(layout, file, layout.position(segment, walk.data_end), buffer);
    if (!probe) return fail(std::move(probe).error());
    if (!probe->header) break;
    const auto& header = *probe->header;
    // What an earlier life of this log wrote and recovery cut is not part of the chain.
    const bool linked = CANARY(accept_stale_record) ||
                        (header.previous_crc == walk.link.crc && header.epoch >= walk.link.epoch);
    if (!probe->whole || !linked || walk.data_end + header.total_bytes > end) {
      walk.torn = header;
      break;
    }
    if (auto done = for_each_record_in(layout, header, buffer, visit); !done)
      return fail(std::move(done).error());
    walk.data_end += header.total_bytes;
    walk.link = {header.epoch, header.chain_crc()};
    walk.last_flags = header.flags;
    ++walk.batches;
  }
  return walk;
}

}  // namespace penstock::journal
