#include "journal/parity.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "journal/names.h"
#include "journal/scan.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kParityMagic = 0x3152'4150'4e45'5026;  // "&PENPAR1"
constexpr std::size_t kCoveredBytes = 4 + 16 + 2 * 8 + 5 * 4;

std::uint32_t checksum_of(ByteView block) {
  std::uint32_t crc;
  std::memcpy(&crc, block.data() + 8, sizeof crc);
  return crc;
}

// What the damaged block was: the parity of its stripe and all others in it, each of which must
// hold. Empty when it cannot be told.
Bytes bring_back(const Parity& parity, const File& segment, std::uint64_t block) {
  const auto stripes = parity.geometry().stripes();
  auto sum = parity.parity_of(block % stripes);
  if (!sum) return {};
  Bytes other(kBlock);
  for (auto at = block % stripes; at < parity.geometry().blocks(); at += stripes) {
    if (at == block) continue;
    if (!read_padded(segment, at * kBlock, other) || !parity.holds(at, other)) return {};
    add_block(*sum, other);
  }
  return parity.holds(block, *sum) ? std::move(*sum) : Bytes{};
}

}  // namespace

Bytes encode(const ParityHeader& header) {
  Bytes rest;
  Encoder(rest)
      .integer(kFormatVersion)
      .bytes(header.log_id)
      .integer(header.number)
      .integer(header.segment_bytes)
      .integer(kBlock)
      .integer(kParityRows)
      .integer(header.trailer_crc)
      .integer(header.table_crc)
      .integer(std::uint32_t{0});
  CHECK(rest.size() == kCoveredBytes);
  Bytes block;
  Encoder(block).integer(kParityMagic).integer(crc32c(rest)).bytes(rest);
  block.resize(kBlock);
  return block;
}

std::optional<ParityHeader> decode_parity_header(ByteView block) {
  Cursor cursor(block);
  const auto magic = cursor.integer<std::uint64_t>();
  const auto crc = cursor.integer<std::uint32_t>();
  const auto rest = cursor.bytes(kCoveredBytes);
  if (!cursor.ok() || magic != kParityMagic || crc32c(rest) != crc) return std::nullopt;
  Cursor fields(rest);
  ParityHeader header;
  const auto version = fields.integer<std::uint32_t>();
  std::ranges::copy(fields.bytes(header.log_id.size()), header.log_id.begin());
  header.number = fields.integer<std::uint64_t>();
  header.segment_bytes = fields.integer<std::uint64_t>();
  const auto block_bytes = fields.integer<std::uint32_t>();
  const auto rows = fields.integer<std::uint32_t>();
  header.trailer_crc = fields.integer<std::uint32_t>();
  header.table_crc = fields.integer<std::uint32_t>();
  const bool sane =
      version == kFormatVersion && header.number > 0 && header.segment_bytes >= kMinSegmentBytes &&
      header.segment_bytes <= kMaxSegmentBytes && std::has_single_bit(header.segment_bytes) &&
      block_bytes == kBlock && rows == kParityRows;
  return sane ? std::optional(header) : std::nullopt;
}

std::uint32_t parity_table_crc(const Layout& layout, std::uint64_t number, std::uint64_t block,
                               ByteView bytes) {
  const auto blocks = layout.segment_bytes() / kBlock;
  const auto place = block < blocks ? layout.position(number, block * kBlock).value
                                    : ~layout.position(number, (block - blocks) * kBlock).value;
  return crc32c(bytes, layout.seed(place));
}

void add_block(std::span<std::byte> sum, ByteView bytes) {
  CHECK(sum.size() >= kBlock && bytes.size() >= kBlock);
  for (std::size_t i = 0; i < kBlock; i += sizeof(std::uint64_t)) {
    std::uint64_t a;
    std::uint64_t b;
    std::memcpy(&a, sum.data() + i, sizeof a);
    std::memcpy(&b, bytes.data() + i, sizeof b);
    a ^= b;
    std::memcpy(sum.data() + i, &a, sizeof a);
  }
}

std::uint32_t trailer_crc_of(ByteView trailer_block) {
  return checksum_of(trailer_block);
}

Result<Parity> Parity::load(Directory& directory, std::uint64_t number) {
  auto file = directory.open(parity_name(number));
  if (!file) return fail(std::move(file).error());
  const auto size = (*file)->size();
  if (!size) return fail(size.error());
  // The second header is the last block, whatever the size of a segment.
  std::array<std::optional<ParityHeader>, 2> headers;
  for (const int copy : {0, 1}) {
    if (*size < kBlock) break;
    Bytes block(kBlock);
    if (!read_padded(**file, copy == 0 ? 0 : *size - kBlock, block)) continue;
    auto& header = headers[static_cast<std::size_t>(copy)];
    header = decode_parity_header(block);
    if (header && header->number != number) header.reset();
    // The zeros behind it belong to it, so that no damaged byte of the file goes unseen.
    if (header && block != encode(*header)) header.reset();
  }
  const auto& found = headers[0] ? headers[0] : headers[1];
  if (found) {
    Parity parity(std::move(*file), *found);
    parity.worn_ = !headers[0] || !headers[1] || *size != parity.geometry().file_bytes();
    if (parity.load_table()) return parity;
  }
  return fail(ErrorCode::corrupt,
              directory.path() + "/" + parity_name(number) + ": the parity's header is damaged");
}

bool Parity::load_table() {
  bool found = false;
  for (const int copy : {0, 1}) {
    Bytes bytes(geometry().table_bytes());
    const bool whole = read_padded(*file_, geometry().table_at(copy), bytes) &&
                       crc32c(bytes, layout_.seed(header_.number)) == header_.table_crc;
    if (!whole) worn_ = true;
    if (!whole || found) continue;
    found = true;
    table_.resize(geometry().table_entries());
    std::memcpy(table_.data(), bytes.data(), table_.size() * sizeof(std::uint32_t));
  }
  return found;
}

bool Parity::belongs_to(const Layout& layout, const File& segment) const {
  if (layout.log_id() != header_.log_id || layout.segment_bytes() != header_.segment_bytes)
    return false;
  Bytes block(kBlock);
  // What cannot be read is damaged, and as good as a trailer that does not hold.
  if (!read_padded(segment, layout.segment_bytes() - kBlock, block)) return true;
  const auto trailer = decode_trailer(layout, header_.number, block);
  return !trailer || checksum_of(block) == header_.trailer_crc;
}

std::optional<Bytes> Parity::parity_of(std::uint64_t stripe) const {
  Bytes bytes(kBlock);
  if (!read_padded(*file_, geometry().parity_at() + stripe * kBlock, bytes)) return std::nullopt;
  if (!holds(geometry().blocks() + stripe, bytes)) return std::nullopt;
  return bytes;
}

Examined examine(const Parity& parity, const File& segment, std::uint64_t from, std::uint64_t to) {
  Examined examined;
  Bytes piece;
  const auto end = std::min(to, parity.geometry().blocks() * kBlock);
  for (auto at = from / kBlock * kBlock; at < end; at += piece.size()) {
    piece.resize(std::min(round_up(end - at, kBlock), kExamineBytes));
    const bool readable = read_padded(segment, at, piece).has_value();
    for (std::uint64_t i = 0; i < piece.size(); i += kBlock) {
      ++examined.blocks;
      const auto bytes = std::span(piece).subspan(i, kBlock);
      const auto block = (at + i) / kBlock;
      // One bad sector makes the whole read fail: then block by block.
      const bool there = readable || read_padded(segment, at + i, bytes).has_value();
      if (there && parity.holds(block, bytes)) continue;
      examined.damaged.push_back({at + i, bring_back(parity, segment, block)});
    }
  }
  return examined;
}

Result<void> write_back(const Parity& parity, File& segment, const Examined& examined) {
  bool any = false;
  for (const auto& block : examined.damaged) {
    if (block.bytes.empty()) continue;
    if (auto done = segment.write_at(block.offset, block.bytes); !done) return done;
    any = true;
  }
  if (!any) return {};
  if (auto done = segment.sync(); !done) return done;
  Bytes again(kBlock);
  for (const auto& block : examined.damaged) {
    if (block.bytes.empty()) continue;
    segment.drop_cached(block.offset, kBlock);
    if (auto done = read_padded(segment, block.offset, again); !done) return done;
    if (!parity.holds(block.offset / kBlock, again))
      return fail(ErrorCode::corrupt, segment_name(parity.number()) + ": offset " +
                                          std::to_string(block.offset) +
                                          ": the disk does not keep what was repaired");
  }
  return {};
}

void add_ranges(const Examined& examined, std::vector<DamagedRange>& ranges) {
  for (const auto& block : examined.damaged) {
    const bool repaired = !block.bytes.empty();
    if (!ranges.empty() && ranges.back().repaired == repaired &&
        ranges.back().offset + ranges.back().bytes == block.offset) {
      ranges.back().bytes += kBlock;
    } else {
      ranges.push_back({block.offset, kBlock, repaired});
    }
  }
}

Result<std::vector<DamagedRange>> mend_segment(Directory& directory, const Layout* layout,
                                               std::uint64_t number, bool repair) {
  std::vector<DamagedRange> ranges;
  auto parity = Parity::load(directory, number);
  // Without parity nothing can be mended; whoever wants to know why loads it himself.
  if (!parity) return ranges;
  auto segment = directory.open(segment_name(number));
  if (!segment) return fail(std::move(segment).error());
  if (!parity->belongs_to(layout != nullptr ? *layout : parity->layout(), **segment)) return ranges;
  const auto bytes = parity->layout().segment_bytes();
  for (std::uint64_t at = 0; at < bytes; at += kExamineBytes) {
    const auto examined = examine(*parity, **segment, at, at + kExamineBytes);
    if (repair)
      if (auto done = write_back(*parity, **segment, examined); !done)
        return fail(std::move(done).error());
    add_ranges(examined, ranges);
  }
  return ranges;
}

}  // namespace penstock::journal
