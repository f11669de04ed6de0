// Structures under checksums that hold and that nobody wrote like this: another program's, or a
// hand's. A decoder gives all of a structure or nothing.
#include "journal/format.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/crc32c.h"
#include "journal/names.h"
#include "journal/parity.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kSize = kMinSegmentBytes;

LogId some_id() {
  LogId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(3 * i + 1);
  return id;
}
Layout layout() {
  return {some_id(), kSize};
}

void put(Bytes& bytes, std::size_t at, std::uint32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// ---- segment headers

TEST(JournalFormat, a_segment_header_that_no_log_has_is_none) {
  const SegmentHeader good{some_id(), 1, kSize, 1, 0, 0};
  ASSERT_TRUE(decode_segment_header(encode(good)).header);
  const struct {
    const char* what;
    std::uint64_t number, segment_bytes, previous_end = 0;
  } forged[] = {{"number 0", 0, kSize},
                {"one before that ends within a block", 2, kSize, kBlock + 8},
                {"too small", 1, kMinSegmentBytes / 2},
                {"too large", 1, kMaxSegmentBytes * 2},
                {"no power of two", 1, kMinSegmentBytes + kBlock}};
  for (const auto& one : forged) {
    auto header = good;
    header.number = one.number;
    header.segment_bytes = one.segment_bytes;
    header.previous_end = one.previous_end;
    const auto read = decode_segment_header(encode(header));
    EXPECT_FALSE(read.header) << one.what;
    EXPECT_EQ(read.newer_version, 0u) << one.what;
  }
}

TEST(JournalFormat, a_segment_header_cut_short_at_any_byte_is_none) {
  const auto block = encode(SegmentHeader{some_id(), 1, kSize, 1, 0, 0});
  for (std::size_t size = 0; size < 68; ++size) {
    const auto read = decode_segment_header(ByteView(block).first(size));
    EXPECT_FALSE(read.header) << size;
    EXPECT_EQ(read.newer_version, 0u) << size;
  }
}

// The checksum of a newer version may cover something else.
TEST(JournalFormat, a_newer_version_is_told_whether_its_checksum_holds_here_or_not) {
  constexpr std::size_t kCovered = 56;
  for (const bool sealed : {false, true}) {
    auto block = encode(SegmentHeader{some_id(), 1, kSize, 1, 0, 0});
    put(block, 12, kFormatVersion + 1);
    put(block, 8, sealed ? crc32c(ByteView(block).subspan(12, kCovered)) : 1);
    const auto read = decode_segment_header(block);
    EXPECT_FALSE(read.header) << sealed;
    EXPECT_EQ(read.newer_version, kFormatVersion + 1) << sealed;
  }
  // Noise makes no version.
  auto block = encode(SegmentHeader{some_id(), 1, kSize, 1, 0, 0});
  put(block, 12, 1u << 30);
  put(block, 8, 1);
  EXPECT_EQ(decode_segment_header(block).newer_version, 0u);
}

TEST(JournalFormat, flipped_bits_of_the_version_make_no_newer_one) {
  for (int bit = 0; bit < 32; ++bit) {
    auto block = encode(SegmentHeader{some_id(), 1, kSize, 1, 0, 0});
    put(block, 12, kFormatVersion ^ 1u << bit);
    const auto read = decode_segment_header(block);
    EXPECT_FALSE(read.header) << bit;
    EXPECT_EQ(read.newer_version, 0u) << bit;
  }
}

// ---- batches and records

class JournalBatchFormat : public testing::Test {
 protected:
  JournalBatchFormat() : batch(2 * kBlock) {
    header.position = position.value;
    header.total_bytes = static_cast<std::uint32_t>(batch.size());
    header.payload_bytes = 100;
    seal_batch(layout(), header, batch);
  }
  // With one field of the header changed under a checksum that holds.
  Bytes forged(std::size_t at, std::uint32_t value) {
    auto bytes = batch;
    put(bytes, at, value);
    put(bytes, 12,
        crc32c(ByteView(bytes).subspan(16, kBatchHeaderBytes - 16), layout().seed(position.value)));
    return bytes;
  }
  static constexpr std::size_t kTotalAt = 48, kPayloadAt = 52;
  const LogPosition position = layout().position(1, kSize - 4 * kBlock);
  BatchHeader header;
  Bytes batch;
};

TEST_F(JournalBatchFormat, a_header_of_a_batch_that_cannot_be_there_is_none) {
  ASSERT_TRUE(decode_batch_header(layout(), position, batch));
  ASSERT_TRUE(decode_batch_header(layout(), position, forged(kTotalAt, 3 * kBlock)));
  for (const std::uint32_t total : {2 * kBlock - 1, 5 * kBlock, 0u})
    EXPECT_FALSE(decode_batch_header(layout(), position, forged(kTotalAt, total))) << total;
  for (const std::uint32_t payload : {2 * kBlock - kBatchHeaderBytes + 1, ~0u})
    EXPECT_FALSE(decode_batch_header(layout(), position, forged(kPayloadAt, payload))) << payload;
}

TEST_F(JournalBatchFormat, what_is_cut_short_is_no_header_no_batch_and_no_record) {
  for (const std::size_t size : {0u, 8u, kBatchHeaderBytes - 1})
    EXPECT_FALSE(decode_batch_header(layout(), position, ByteView(batch).first(size))) << size;
  EXPECT_TRUE(batch_is_whole(layout(), header, batch));
  EXPECT_FALSE(batch_is_whole(layout(), header, ByteView(batch).first(kBlock)));
  for (const std::size_t size : {0u, 4u, kRecordHeaderBytes - 1})
    EXPECT_FALSE(decode_record(layout(), position, ByteView(batch).first(size))) << size;
}

// ---- trailers

TEST(JournalFormat, a_trailer_that_no_segment_has_is_none) {
  const auto chunk = layout().chunk_bytes();
  const Trailer good{.number = 2,
                     .data_end = 8 * kBlock,
                     .last_epoch = 1,
                     .last_crc = 5,
                     .record_count = 3,
                     .footer_bytes = 40,
                     .chunk_count = 1,
                     .chunks_crc = 9};
  ASSERT_TRUE(decode_trailer(layout(), 2, encode(layout(), good)));
  const struct {
    const char* what;
    void (*change)(Trailer&);
  } forged[] = {
      {"of another segment", [](Trailer& trailer) { trailer.number = 3; }},
      {"data before the first batch", [](Trailer& trailer) { trailer.data_end = 0; }},
      {"data between blocks", [](Trailer& trailer) { trailer.data_end += 8; }},
      {"data behind the segment", [](Trailer& trailer) { trailer.data_end = kSize; }},
      {"more chunks than fit", [](Trailer& trailer) { trailer.chunk_count = 100; }},
      {"more entries than chunks hold",
       [](Trailer& trailer) { trailer.footer_bytes = layout().chunk_bytes() + 1; }},
  };
  ASSERT_GT(chunk, 40u);
  for (const auto& one : forged) {
    auto trailer = good;
    one.change(trailer);
    // Sealed for the segment that it is looked for in.
    EXPECT_FALSE(decode_trailer(layout(), 2, encode(layout(), trailer))) << one.what;
  }
}

// ---- parity headers

TEST(JournalFormat, a_parity_header_that_no_segment_has_is_none) {
  const ParityHeader good{some_id(), 1, kSize, 7, 8};
  ASSERT_TRUE(decode_parity_header(encode(good)));
  const struct {
    const char* what;
    std::uint64_t number, segment_bytes;
  } forged[] = {{"number 0", 0, kSize},
                {"too small", 1, kMinSegmentBytes / 2},
                {"too large", 1, kMaxSegmentBytes * 2},
                {"no power of two", 1, kMinSegmentBytes + kBlock}};
  for (const auto& one : forged) {
    auto header = good;
    header.number = one.number;
    header.segment_bytes = one.segment_bytes;
    EXPECT_FALSE(decode_parity_header(encode(header))) << one.what;
  }
  // Version, size of a block, rows.
  constexpr std::size_t kCovered = 56, kAt = 12;
  for (const std::size_t field : {kAt, kAt + 36, kAt + 40}) {
    auto block = encode(good);
    put(block, field, 77);
    put(block, 8, crc32c(ByteView(block).subspan(kAt, kCovered)));
    EXPECT_FALSE(decode_parity_header(block)) << field;
  }
  EXPECT_FALSE(decode_parity_header(ByteView(encode(good)).first(kAt + kCovered - 1)));
}

// ---- names

TEST(JournalNames, give_back_their_number_and_no_other_name_gives_one) {
  for (const std::uint64_t number : {1ull, 255ull, ~0ull}) {
    EXPECT_EQ(segment_number(segment_name(number)), number);
    EXPECT_EQ(parity_number(parity_name(number)), number);
    EXPECT_EQ(spare_number(spare_name(number)), number);
    EXPECT_EQ(checkpoint_number(checkpoint_name(number)), number);
  }
  for (const auto* name :
       {"", "checkpoint-.ckp", "checkpoint-0.ckp", "checkpoint-x.ckp", "checkpoint-1x.ckp",
        "checkpoint-1", "checkpoint-99999999999999999999.ckp", "checkpoint--1.ckp",
        "checkpoint-1.ckp.damaged", "heckpoint-1.ckp", "lost+found", ".ckp", "-1.ckp"})
    EXPECT_FALSE(checkpoint_number(name)) << name;
  for (const auto* name : {"journal-.seg", "journal-0000000000000000.seg", "spare-1.seg",
                           "journal-00000000000000zz.seg", "journal-0000000000000001.par"})
    EXPECT_FALSE(segment_number(name)) << name;
}

}  // namespace
}  // namespace penstock::journal
