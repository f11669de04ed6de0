#include "journal/footer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "journal/scan.h"

namespace penstock::journal {
namespace {

std::uint32_t chunk_seed(const Layout& layout, std::uint64_t segment) {
  return layout.seed(~segment);
}

std::uint32_t fold(std::uint32_t into, std::uint32_t crc) {
  std::array<std::byte, sizeof crc> bytes;
  std::memcpy(bytes.data(), &crc, sizeof crc);
  return crc32c(bytes, into);
}

}  // namespace

void FooterBuilder::reset(const Layout& layout, std::uint64_t segment) {
  segment_bytes_ = layout.segment_bytes();
  chunk_bytes_ = layout.chunk_bytes();
  seed_ = chunk_seed(layout, segment);
  chunks_ = chunks_crc_ = record_count_ = last_offset_ = 0;
  footer_bytes_ = 0;
  chunk_.clear();
}

void FooterBuilder::add(std::uint32_t offset, std::uint8_t kind, ByteView head,
                        std::uint32_t body_bytes, std::vector<FooterChunk>& full) {
  ShortEncoder<kEntryOverheadBytes> entry;
  entry.varint((offset - last_offset_) / kRecordAlign).integer(kind);
  entry.varint(head.size()).varint(body_bytes);
  put(entry.view(), full);
  put(head, full);
  last_offset_ = offset;
  ++record_count_;
}

void FooterBuilder::put(ByteView bytes, std::vector<FooterChunk>& full) {
  footer_bytes_ += bytes.size();
  while (!bytes.empty()) {
    if (chunk_.empty()) {
      chunk_.reserve(chunk_bytes_);
      chunk_.resize(kChunkHeaderBytes);
    }
    const auto step = std::min<std::size_t>(bytes.size(), chunk_bytes_ - chunk_.size());
    append(chunk_, bytes.first(step));
    bytes = bytes.subspan(step);
    if (chunk_.size() == chunk_bytes_) close_chunk(full);
  }
}

void FooterBuilder::close_chunk(std::vector<FooterChunk>& full) {
  const std::array<std::uint32_t, 3> words{
      chunks_, static_cast<std::uint32_t>(chunk_.size() - kChunkHeaderBytes), 0};
  std::memcpy(chunk_.data() + 4, words.data(), sizeof words);
  const auto crc = crc32c(ByteView(chunk_).subspan(4), seed_);
  std::memcpy(chunk_.data(), &crc, sizeof crc);
  chunks_crc_ = fold(chunks_crc_, crc);
  chunk_.resize(chunk_bytes_);
  full.push_back({chunks_++, std::move(chunk_)});
  chunk_ = {};
}

void FooterBuilder::finish(Trailer& trailer, std::vector<FooterChunk>& full) {
  if (!chunk_.empty()) close_chunk(full);
  trailer.record_count = record_count_;
  trailer.footer_bytes = footer_bytes_;
  trailer.chunk_count = chunks_;
  trailer.chunks_crc = chunks_crc_;
}

std::uint64_t FooterBuilder::data_limit(std::uint64_t bytes) const {
  std::uint64_t chunks = chunks_;
  const std::uint64_t used = chunk_.empty() ? kChunkHeaderBytes : chunk_.size();
  if (!chunk_.empty() || bytes > 0) ++chunks;
  if (const auto space = chunk_bytes_ - used; bytes > space)
    chunks += round_up(bytes - space, chunk_bytes_ - kChunkHeaderBytes) /
              (chunk_bytes_ - kChunkHeaderBytes);
  const auto footer = kBlock + chunks * chunk_bytes_;
  return footer < segment_bytes_ ? segment_bytes_ - footer : 0;
}

Result<Bytes> load_footer(const Layout& layout, const File& file, const Trailer& trailer) {
  const auto damaged = [&](std::uint64_t offset) {
    return fail(ErrorCode::corrupt, "footer of segment " + std::to_string(trailer.number) +
                                        " is damaged at offset " + std::to_string(offset));
  };
  Bytes entries;
  Bytes chunk(layout.chunk_bytes());
  std::uint32_t chunks_crc = 0;
  for (std::uint32_t i = 0; i < trailer.chunk_count; ++i) {
    const auto offset = chunk_offset(layout, i);
    if (offset < trailer.data_end) return damaged(offset);
    if (auto done = read_padded(file, offset, chunk); !done) return fail(std::move(done).error());
    Cursor cursor(chunk);
    const auto crc = cursor.integer<std::uint32_t>();
    const auto index = cursor.integer<std::uint32_t>();
    const auto used = cursor.integer<std::uint32_t>();
    static_cast<void>(cursor.integer<std::uint32_t>());
    const auto payload = cursor.bytes(used);
    if (!cursor.ok() || index != i) return damaged(offset);
    const auto covered = ByteView(chunk).subspan(4, kChunkHeaderBytes - 4 + used);
    if (crc32c(covered, chunk_seed(layout, trailer.number)) != crc) return damaged(offset);
    chunks_crc = fold(chunks_crc, crc);
    append(entries, payload);
  }
  if (chunks_crc != trailer.chunks_crc || entries.size() != trailer.footer_bytes)
    return damaged(layout.segment_bytes() - kBlock);
  return entries;
}

Result<void> for_each_entry(const Layout& layout, std::uint64_t segment, ByteView entries,
                            const std::function<Result<void>(const RecordHead&)>& visit) {
  Cursor cursor(entries);
  std::uint64_t offset = 0;
  while (cursor.ok() && cursor.left() > 0) {
    offset += cursor.varint() * kRecordAlign;
    RecordHead record;
    record.kind = cursor.integer<std::uint8_t>();
    const auto head_bytes = cursor.varint();
    const auto body_bytes = cursor.varint();
    record.head = cursor.bytes(head_bytes);
    if (!cursor.ok() || offset >= layout.segment_bytes() || body_bytes >= layout.segment_bytes())
      return fail(ErrorCode::corrupt,
                  "footer of segment " + std::to_string(segment) + " does not read");
    record.position = layout.position(segment, offset);
    record.body_bytes = static_cast<std::uint32_t>(body_bytes);
    if (auto done = visit(record); !done) return done;
  }
  return {};
}

}  // namespace penstock::journal
