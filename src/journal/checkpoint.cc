#include "journal/checkpoint.h"

#include <algorithm>

#include "base/crc32c.h"
#include "journal/names.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kMagic = 0x3150'4b43'4e45'5026;  // "&PENCKP1"
constexpr std::size_t kFixedBytes = 8 + 4 + 4 + 16 + 8 * 6 + 8;
constexpr std::size_t kSegmentBytes = 16;  // its number's distance and how many are live in it
constexpr std::size_t kCoveredAt = 16;     // the checksum covers from here to the end

Bytes encode_live(const std::vector<LiveSegment>& live) {
  Bytes out;
  Encoder encoder(out);
  std::uint64_t last_number = 0;
  for (const auto& segment : live) {
    encoder.varint(segment.number - last_number).varint(segment.offsets.size());
    last_number = segment.number;
    std::uint32_t last = 0;
    for (const auto offset : segment.offsets) {
      encoder.varint((offset - last) / kRecordAlign);
      last = offset;
    }
  }
  return out;
}

bool decode_live(Cursor& cursor, std::uint64_t segments, std::uint64_t segment_bytes,
                 std::vector<LiveSegment>& live) {
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; i < segments && cursor.ok(); ++i) {
    LiveSegment segment;
    segment.number = number += cursor.varint();
    const auto count = cursor.varint();
    std::uint64_t offset = 0;
    for (std::uint64_t n = 0; n < count && cursor.ok(); ++n) {
      offset += cursor.varint() * kRecordAlign;
      if (offset >= segment_bytes) return false;
      segment.offsets.push_back(static_cast<std::uint32_t>(offset));
    }
    live.push_back(std::move(segment));
  }
  return cursor.finished();
}

Result<void> write_pieces(Directory& directory, ByteView fixed, ByteView state, ByteView live) {
  auto file = directory.create(kCheckpointTemporary);
  if (!file) return fail(std::move(file).error());
  std::uint64_t at = 0;
  for (const auto piece : {fixed, state, live}) {
    if (auto done = (*file)->write_at(at, piece); !done) return done;
    at += piece.size();
  }
  return (*file)->sync();
}

}  // namespace

std::uint64_t checkpoint_file_bytes(std::uint64_t state_bytes, std::uint64_t segments) {
  return kFixedBytes + state_bytes + segments * kSegmentBytes;
}

Result<void> write_checkpoint_file(Directory& directory, const Checkpoint& header, ByteView state,
                                   const std::vector<LiveSegment>& live) {
  const Bytes live_bytes = encode_live(live);
  Bytes covered;
  Encoder(covered)
      .bytes(header.log_id)
      .integer(header.number)
      .integer(header.epoch)
      .integer(header.covers.value)
      .integer(header.segment_bytes)
      .integer(std::uint64_t{state.size()})
      .integer(std::uint64_t{live_bytes.size()})
      .integer(std::uint64_t{live.size()});
  const auto crc = crc32c(live_bytes, crc32c(state, crc32c(covered)));
  Bytes fixed;
  Encoder(fixed).integer(kMagic).integer(kFormatVersion).integer(crc).bytes(covered);
  auto written = write_pieces(directory, fixed, state, live_bytes);
  if (written) written = directory.rename(kCheckpointTemporary, checkpoint_name(header.number));
  if (!written) {
    // The file must not take the space that is wanting, nor its name stand in the way of the next
    // try; the first error is what counts.
    static_cast<void>(directory.remove(kCheckpointTemporary));
    return fail(std::move(written).error().at("write checkpoint"));
  }
  return directory.sync();
}

Result<Checkpoint> read_checkpoint_file(Directory& directory, std::uint64_t number) {
  const auto name = checkpoint_name(number);
  const auto damaged = [&](const char* what) {
    return fail(ErrorCode::corrupt, directory.path() + "/" + name + ": " + what);
  };
  auto file = directory.open(name);
  if (!file) return fail(std::move(file).error());
  const auto size = (*file)->size();
  if (!size) return fail(size.error());
  Bytes bytes(*size);
  if (auto got = (*file)->read_at(0, bytes); !got || *got != bytes.size())
    return got ? damaged("shorter than its size") : fail(std::move(got).error());
  if (bytes.size() < kFixedBytes) return damaged("too short");
  Cursor cursor(bytes);
  if (cursor.integer<std::uint64_t>() != kMagic) return damaged("not a checkpoint");
  const auto version = cursor.integer<std::uint32_t>();
  const auto crc = cursor.integer<std::uint32_t>();
  const bool holds = crc32c(ByteView(bytes).subspan(kCoveredAt)) == crc;
  // What holds as this version is one of it, whatever damage says in its place.
  if (holds && version != kFormatVersion) return damaged("its format version is damaged");
  if (version > kFormatVersion)
    return fail(ErrorCode::unsupported,
                name + " has format version " + std::to_string(version) + ", this program knows " +
                    std::to_string(kFormatVersion),
                "open it with the newer penstock that wrote it");
  if (!holds) return damaged("checksum does not hold");
  Checkpoint checkpoint;
  std::ranges::copy(cursor.bytes(checkpoint.log_id.size()), checkpoint.log_id.begin());
  checkpoint.number = cursor.integer<std::uint64_t>();
  checkpoint.epoch = cursor.integer<std::uint64_t>();
  checkpoint.covers = LogPosition(cursor.integer<std::uint64_t>());
  checkpoint.segment_bytes = cursor.integer<std::uint64_t>();
  const auto state_bytes = cursor.integer<std::uint64_t>();
  const auto live_bytes = cursor.integer<std::uint64_t>();
  const auto live_segments = cursor.integer<std::uint64_t>();
  const auto state = cursor.bytes(state_bytes);
  Cursor live(cursor.bytes(live_bytes));
  if (!cursor.finished() || checkpoint.number != number) return damaged("lengths do not add up");
  if (checkpoint.covers.value % kBlock != 0) return damaged("no batch ends where it says");
  if (!decode_live(live, live_segments, checkpoint.segment_bytes, checkpoint.live))
    return damaged("the live set does not read");
  checkpoint.state.assign(state.begin(), state.end());
  return checkpoint;
}

}  // namespace penstock::journal
