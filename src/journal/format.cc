#include "journal/format.h"

#include <algorithm>
#include <cstring>

#include "base/canary.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x3147'4553'4e45'5026;  // "&PENSEG1"
constexpr std::uint64_t kBatchMagic = 0x3154'4142'4e45'5026;    // "&PENBAT1"
constexpr std::uint64_t kTrailerMagic = 0x3152'5254'4e45'5026;  // "&PENTRR1"

constexpr std::size_t kBatchCrcAt = 8;
constexpr std::size_t kBatchCoveredAt = 12;  // batch_crc covers from here
constexpr std::size_t kHeaderCrcAt = 12;
constexpr std::size_t kHeaderCoveredAt =
    16;  // header_crc covers from here, and batch_crc's field not

void put_u32(std::byte* at, std::uint32_t value) {
  std::memcpy(at, &value, sizeof value);
}

// A structure in a block of its own: magic, crc over the rest of its bytes, the rest, zeros.
Bytes framed_block(std::uint64_t magic, std::uint32_t seed, const Bytes& rest) {
  Bytes block;
  block.reserve(kBlock);
  Encoder(block).integer(magic).integer(crc32c(rest, seed)).bytes(rest);
  CHECK(block.size() <= 512);
  block.resize(kBlock);
  return block;
}

// The rest of such a structure, of `count` bytes, when magic and checksum hold.
std::optional<ByteView> unframe(std::uint64_t magic, std::uint32_t seed, std::size_t count,
                                ByteView block) {
  Cursor cursor(block);
  const auto found = cursor.integer<std::uint64_t>();
  const auto crc = cursor.integer<std::uint32_t>();
  const auto rest = cursor.bytes(count);
  if (!cursor.ok() || found != magic || crc32c(rest, seed) != crc) return std::nullopt;
  return rest;
}

constexpr std::size_t kSegmentHeaderRest = 4 + 16 + 4 * 8 + 4;
constexpr std::size_t kTrailerRest = 4 * 8 + 4 * 4 + 4;
constexpr std::size_t kVersionAt = 12;

// Whether a segment's header is one of this version, of which only the version is damaged: a newer
// one is sealed with the version that it says, so it does not hold with this one in that place.
bool is_whole_but_for_its_version(ByteView block) {
  Bytes copy(block.begin(), block.begin() + kVersionAt + kSegmentHeaderRest);
  put_u32(copy.data() + kVersionAt, kFormatVersion);
  return unframe(kSegmentMagic, 0, kSegmentHeaderRest, copy).has_value();
}

}  // namespace

Layout::Layout(const LogId& id, std::uint64_t segment_bytes)
    : log_id_(id), segment_bytes_(segment_bytes), seed_(crc32c(id)) {
  std::memcpy(&short_id_, id.data(), sizeof short_id_);
}

std::uint32_t Layout::chunk_bytes() const {
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(segment_bytes_ / 1024, kBlock, 64u << 10));
}

std::uint32_t Layout::seed(std::uint64_t place) const {
  if (CANARY(accept_stale_record)) return seed_;
  std::array<std::byte, sizeof place> bytes;
  std::memcpy(bytes.data(), &place, sizeof place);
  return crc32c(bytes, seed_);
}

// The header names the log it belongs to, so its checksum has no other seed.
Bytes encode(const SegmentHeader& header) {
  Bytes rest;
  Encoder(rest)
      .integer(kFormatVersion)
      .bytes(header.log_id)
      .integer(header.number)
      .integer(header.segment_bytes)
      .integer(header.first_epoch)
      .integer(header.previous_end)
      .integer(header.previous_crc);
  CHECK(rest.size() == kSegmentHeaderRest);
  return framed_block(kSegmentMagic, 0, rest);
}

SegmentHeaderRead decode_segment_header(ByteView block) {
  Cursor start(block);
  const auto magic = start.integer<std::uint64_t>();
  static_cast<void>(start.integer<std::uint32_t>());
  const auto version = start.integer<std::uint32_t>();
  const auto rest = unframe(kSegmentMagic, 0, kSegmentHeaderRest, block);
  // A newer version may cover other bytes with its checksum; magic and version stay where they are.
  if (!rest && start.ok() && magic == kSegmentMagic && version > kFormatVersion && version < 1000 &&
      block.size() >= kVersionAt + kSegmentHeaderRest && !is_whole_but_for_its_version(block))
    return {std::nullopt, version};
  if (!rest) return {};
  if (version > kFormatVersion) return {std::nullopt, version};
  Cursor cursor(*rest);
  SegmentHeader header;
  static_cast<void>(cursor.integer<std::uint32_t>());
  std::ranges::copy(cursor.bytes(header.log_id.size()), header.log_id.begin());
  header.number = cursor.integer<std::uint64_t>();
  header.segment_bytes = cursor.integer<std::uint64_t>();
  header.first_epoch = cursor.integer<std::uint64_t>();
  header.previous_end = cursor.integer<std::uint64_t>();
  header.previous_crc = cursor.integer<std::uint32_t>();
  const bool sane = header.segment_bytes >= kMinSegmentBytes &&
                    header.segment_bytes <= kMaxSegmentBytes &&
                    std::has_single_bit(header.segment_bytes) && header.number > 0 &&
                    header.previous_end % kBlock == 0;
  if (!sane) return {};
  return {header, 0};
}

void seal_batch(const Layout& layout, BatchHeader& header, std::span<std::byte> batch) {
  CHECK(batch.size() == header.total_bytes && header.total_bytes % kBlock == 0);
  Bytes bytes;
  bytes.reserve(kBatchHeaderBytes);
  Encoder(bytes)
      .integer(kBatchMagic)
      .integer(std::uint32_t{0})
      .integer(std::uint32_t{0})
      .integer(layout.short_id())
      .integer(header.position)
      .integer(header.durable)
      .integer(header.epoch)
      .integer(header.total_bytes)
      .integer(header.payload_bytes)
      .integer(header.record_count)
      .integer(header.previous_crc)
      .integer(header.flags)
      .integer(header.replaced_crc)
      .integer(std::uint64_t{0});
  CHECK(bytes.size() == kBatchHeaderBytes);
  const auto seed = layout.seed(header.position);
  put_u32(bytes.data() + kHeaderCrcAt, crc32c(ByteView(bytes).subspan(kHeaderCoveredAt), seed));
  std::memcpy(batch.data(), bytes.data(), bytes.size());
  header.batch_crc = crc32c(ByteView(batch).subspan(kBatchCoveredAt), seed);
  put_u32(batch.data() + kBatchCrcAt, header.batch_crc);
}

std::optional<BatchHeader> decode_batch_header(const Layout& layout, LogPosition position,
                                               ByteView bytes) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  bytes = bytes.first(kBatchHeaderBytes);
  Cursor cursor(bytes);
  BatchHeader header;
  const auto magic = cursor.integer<std::uint64_t>();
  header.batch_crc = cursor.integer<std::uint32_t>();
  const auto header_crc = cursor.integer<std::uint32_t>();
  const auto short_id = cursor.integer<std::uint64_t>();
  header.position = cursor.integer<std::uint64_t>();
  header.durable = cursor.integer<std::uint64_t>();
  header.epoch = cursor.integer<std::uint64_t>();
  header.total_bytes = cursor.integer<std::uint32_t>();
  header.payload_bytes = cursor.integer<std::uint32_t>();
  header.record_count = cursor.integer<std::uint32_t>();
  header.previous_crc = cursor.integer<std::uint32_t>();
  header.flags = cursor.integer<std::uint32_t>();
  header.replaced_crc = cursor.integer<std::uint32_t>();
  if (CANARY(accept_stale_record)) header.position = position.value;
  if (magic != kBatchMagic || short_id != layout.short_id() || header.position != position.value)
    return std::nullopt;
  if (crc32c(bytes.subspan(kHeaderCoveredAt), layout.seed(position.value)) != header_crc)
    return std::nullopt;
  const std::uint64_t space = layout.segment_bytes() - layout.offset_of(position);
  const bool sane = header.total_bytes % kBlock == 0 && header.total_bytes <= space &&
                    header.payload_bytes + std::uint64_t{kBatchHeaderBytes} <= header.total_bytes;
  return sane ? std::optional(header) : std::nullopt;
}

bool batch_is_whole(const Layout& layout, const BatchHeader& header, ByteView batch) {
  return batch.size() == header.total_bytes &&
         crc32c(batch.subspan(kBatchCoveredAt), layout.seed(header.position)) == header.batch_crc;
}

void encode_record_header(const RecordHeader& header, std::byte* at) {
  put_u32(at, 0);
  put_u32(at + 4, header.head_bytes);
  put_u32(at + 8, header.body_bytes);
  put_u32(at + 12, header.kind | (header.filler ? 0x100u : 0u));
}

// Reads all but the checksum's four bytes in one piece: the writer thread may be filling those in.
RecordHeader decode_record_header(const std::byte* at) {
  std::array<std::uint32_t, 3> words;
  std::memcpy(words.data(), at + 4, sizeof words);
  RecordHeader header;
  header.head_bytes = words[0];
  header.body_bytes = words[1];
  header.kind = static_cast<std::uint8_t>(words[2]);
  header.filler = (words[2] >> 8) == 1;
  return header;
}

std::uint32_t record_crc(const Layout& layout, LogPosition position, ByteView record) {
  return crc32c(record.subspan(4), layout.seed(position.value));
}

std::optional<RecordView> decode_record(const Layout& layout, LogPosition position,
                                        ByteView bytes) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const auto header = decode_record_header(bytes.data());
  const auto exact = std::uint64_t{kRecordHeaderBytes} + header.head_bytes + header.body_bytes;
  if (exact > bytes.size()) return std::nullopt;
  std::uint32_t crc;
  std::memcpy(&crc, bytes.data(), sizeof crc);
  const auto record = bytes.first(exact);
  if (record_crc(layout, position, record) != crc) return std::nullopt;
  return RecordView{position, header.kind, record.subspan(kRecordHeaderBytes, header.head_bytes),
                    record.subspan(kRecordHeaderBytes + header.head_bytes)};
}

Bytes encode(const Layout& layout, const Trailer& trailer) {
  Bytes rest;
  Encoder(rest)
      .integer(trailer.number)
      .integer(trailer.data_end)
      .integer(trailer.last_epoch)
      .integer(trailer.footer_bytes)
      .integer(trailer.last_crc)
      .integer(trailer.record_count)
      .integer(trailer.chunk_count)
      .integer(trailer.chunks_crc)
      .integer(kFormatVersion);
  CHECK(rest.size() == kTrailerRest);
  return framed_block(kTrailerMagic, layout.seed(~trailer.number), rest);
}

std::optional<Trailer> decode_trailer(const Layout& layout, std::uint64_t number, ByteView block) {
  const auto rest = unframe(kTrailerMagic, layout.seed(~number), kTrailerRest, block);
  if (!rest) return std::nullopt;
  Cursor cursor(*rest);
  Trailer trailer;
  trailer.number = cursor.integer<std::uint64_t>();
  trailer.data_end = cursor.integer<std::uint64_t>();
  trailer.last_epoch = cursor.integer<std::uint64_t>();
  trailer.footer_bytes = cursor.integer<std::uint64_t>();
  trailer.last_crc = cursor.integer<std::uint32_t>();
  trailer.record_count = cursor.integer<std::uint32_t>();
  trailer.chunk_count = cursor.integer<std::uint32_t>();
  trailer.chunks_crc = cursor.integer<std::uint32_t>();
  const auto space = layout.segment_bytes() - 2 * kBlock;
  const bool sane =
      trailer.number == number && trailer.data_end >= kBlock && trailer.data_end % kBlock == 0 &&
      trailer.data_end <= layout.segment_bytes() - kBlock &&
      trailer.chunk_count <= space / layout.chunk_bytes() &&
      trailer.footer_bytes <= std::uint64_t{trailer.chunk_count} * layout.chunk_bytes();
  return sane ? std::optional(trailer) : std::nullopt;
}

}  // namespace penstock::journal
