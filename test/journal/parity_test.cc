// Parity of sealed segments: what is damaged comes back, and nothing else does.
#include "journal/parity.h"

#include <algorithm>
#include <cstring>

#include "journal/footer.h"
#include "journal/journal.h"
#include "test/journal/parity_fixture.h"

namespace penstock::journal {
namespace {

// Whether nobody has written anything at this offset of segment 1: behind header and trailer,
// between batches and footer, behind the entries of a chunk.
bool unused(const Bytes& segment, std::uint64_t at) {
  const Layout layout(*small_options().log_id, segment.size());
  const auto trailer_at = segment.size() - kBlock;
  if (at < kBlock) return at >= 68;
  if (at >= trailer_at) return at - trailer_at >= 64;
  const auto trailer = decode_trailer(layout, 1, ByteView(segment).subspan(trailer_at));
  if (!trailer || at < trailer->data_end) return false;
  if (at < chunk_offset(layout, trailer->chunk_count - 1)) return true;
  const auto chunk = ByteView(segment).subspan(at / kBlock * kBlock, kBlock);
  std::uint32_t used;
  std::memcpy(&used, chunk.data() + 8, sizeof used);
  return at % kBlock >= kChunkHeaderBytes + used;
}

TEST_F(JournalParity, costs_less_than_seven_percent_of_a_segment_as_large_as_they_usually_are) {
  const ParityGeometry geometry(64 << 20);
  EXPECT_LT(geometry.file_bytes(), (64u << 20) * 7 / 100);
}

TEST_F(JournalParity, brings_back_any_block_of_a_segment_that_is_read_over) {
  write_log(2);
  for (std::uint64_t at = 0; at < kSegment; at += kBlock) {
    disk_.restore(image_);
    open();
    damage(segment_name(1), at + at / 7 % 4000, 90);
    scrub();
    expect_as_it_was();
    EXPECT_EQ(statistics().repaired_blocks, 1u);
    const auto findings = (*life_)->take_findings();
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].kind, Finding::Kind::repaired);
    EXPECT_EQ(findings[0].file, segment_name(1));
    EXPECT_EQ(findings[0].offset, at);
    ASSERT_FALSE(HasFailure()) << at;
  }
}

TEST_F(JournalParity, brings_back_a_body_whose_checksum_does_not_hold_when_it_is_read) {
  write_log(2);
  for (const auto& record : records_) {
    if (record.position.value / kSegment > 2) break;
    for (const std::uint64_t within : {std::uint64_t{9}, record.body.size()}) {
      disk_.restore(image_);
      open();
      damage(segment_name(record.position.value / kSegment),
             record.position.value % kSegment + within, 5);
      ASSERT_EQ(life_->body(record.position), record.body);
      EXPECT_GE(statistics().repaired_blocks, 1u);
      expect_as_it_was();
      ASSERT_FALSE(HasFailure()) << record.position.value;
    }
  }
}

TEST_F(JournalParity, brings_back_what_the_disk_cannot_read) {
  write_log(2);
  const auto& record = records_[3];
  disk_.fail_reads_of(segment_name(1), record.position.value % kSegment + 60, 10);
  EXPECT_EQ(life_->body(record.position), record.body);
  expect_as_it_was();
}

TEST_F(JournalParity, brings_back_any_block_that_opening_reads) {
  write_log(2);
  std::size_t repaired = 0;
  for (std::uint64_t at = 0; at < kSegment; at += kBlock) {
    for (const std::uint64_t number : {1, 2}) {
      disk_.restore(image_);
      damage(segment_name(number), at + 8, 300);
      open();
      ASSERT_FALSE(HasFailure()) << at;
      ASSERT_EQ(life_->recorder.records.size(), records_.size());
      expect_bodies();
      for (const auto& range : (*life_)->report().repaired) {
        EXPECT_EQ(range.file, segment_name(number));
        EXPECT_EQ(range.offset, at);
        ++repaired;
      }
      expect_as_it_was();
    }
  }
  EXPECT_GE(repaired, 6u) << "headers, trailers and footers at least";
}

TEST_F(JournalParity, brings_back_a_batch_of_a_segment_whose_footer_is_damaged_too) {
  segment_bytes_ = 1 << 20;
  write_log(1);
  damage(segment_name(1), segment_bytes_ - 2 * kBlock, 2 * kBlock);
  damage(segment_name(1), 20 * kBlock, 3 * kBlock);
  open();
  EXPECT_EQ((*life_)->report().repaired.size(), 2u);
  EXPECT_EQ(life_->recorder.records.size(), records_.size());
  expect_as_it_was();
}

TEST_F(JournalParity, brings_back_one_piece_as_long_as_a_row_wherever_it_lies) {
  segment_bytes_ = 1 << 20;
  write_log(1);
  for (std::uint64_t from = 0; from + (64 << 10) <= segment_bytes_; from += 92 << 10) {
    disk_.restore(image_);
    open();
    damage(segment_name(1), from, 64 << 10);
    scrub();
    expect_as_it_was();
    ASSERT_FALSE(HasFailure()) << from;
  }
}

TEST_F(JournalParity, brings_back_a_segment_that_was_cut_short_by_less_than_a_row) {
  segment_bytes_ = 1 << 20;
  write_log(1);
  auto bytes = disk_.contents(segment_name(1));
  bytes.resize(bytes.size() - (60 << 10));
  disk_.set_contents(segment_name(1), bytes);
  open();
  expect_bodies();
  scrub();
  expect_as_it_was();
}

TEST_F(JournalParity, is_never_made_over_damage) {
  open();
  fill(2);
  for (std::uint64_t at = 0; at < kSegment; at += 509) {
    const auto image = disk_.snapshot();
    damage(segment_name(1), at, 1);
    life_.reset();
    Life life(disk_, options());
    if (life) {
      while (life->tend() <= clock_.now()) continue;
      const auto parity = Parity::load(disk_, 1);
      // Made only where the byte means nothing.
      if (parity) {
        EXPECT_TRUE(unused(image.at(segment_name(1)), at)) << at;
      } else {
        EXPECT_EQ(life->statistics().damaged_blocks, 1u);
        const auto findings = life->take_findings();
        ASSERT_EQ(findings.size(), 1u);
        EXPECT_EQ(findings[0].file, segment_name(1));
      }
      EXPECT_TRUE(Parity::load(disk_, 2));
    }
    disk_.restore(image);
  }
}

TEST_F(JournalParity, with_one_copy_of_header_and_table_left_still_repairs) {
  write_log(1);
  const ParityGeometry geometry(kSegment);
  for (const int copy : {0, 1}) {
    disk_.restore(image_);
    damage(parity_name(1), geometry.header_at(copy), kBlock);
    damage(parity_name(1), geometry.table_at(1 - copy), 4);
    damage(segment_name(1), 3 * kBlock, kBlock);
    open();
    tend();
    expect_as_it_was();
  }
}

TEST_F(JournalParity, of_another_log_or_of_another_life_repairs_nothing_and_is_made_anew) {
  write_log(2);
  std::vector<Bytes> stale{image_.at(parity_name(2))};
  for (const bool same_log : {false, true}) {
    MemoryDirectory other;
    auto others = options();
    if (!same_log) (*others.log_id)[0] = std::byte{77};
    Life life(other, others);
    for (int i = 0; i < 80; ++i) {
      life.put("x", pattern(1, 1500));
      life->commit();
    }
    while (life->tend() <= clock_.now()) continue;
    stale.push_back(other.contents(parity_name(1)));
  }
  for (const auto& bytes : stale) {
    ASSERT_FALSE(bytes.empty());
    disk_.restore(image_);
    disk_.set_contents(parity_name(1), bytes);
    open();
    tend();
    expect_as_it_was();
    EXPECT_TRUE((*life_)->take_findings().empty());
    disk_.set_contents(parity_name(1), bytes);
    scrub();
    expect_as_it_was();
    EXPECT_TRUE((*life_)->take_findings().empty());
  }
}

TEST_F(JournalParity, proves_that_the_last_segment_is_missing) {
  write_log(2);
  life_.reset();
  ASSERT_TRUE(disk_.remove(segment_name(3)));
  open(false);
  ASSERT_FALSE(*life_);
  EXPECT_EQ(life_->error.code, ErrorCode::corrupt);
  EXPECT_NE(life_->error.message.find(segment_name(3) + " is missing"), std::string::npos)
      << life_->error.message;
}

TEST_F(JournalParity, lists_the_records_of_a_damaged_segment_each_once) {
  write_log(2);
  for (std::uint64_t at = 0; at < kSegment; at += kBlock) {
    disk_.restore(image_);
    open();
    damage(segment_name(1), at + 12, 900);
    std::vector<LogPosition> seen;
    const auto done = (*life_)->for_each_record(
        1, [&](const RecordHead& record) { seen.push_back(record.position); });
    ASSERT_TRUE(done) << done.error().message;
    std::size_t expected = 0;
    while (records_[expected].position.value / kSegment == 1) ++expected;
    ASSERT_EQ(seen.size(), expected) << at;
    EXPECT_TRUE(std::ranges::is_sorted(seen));
  }
}

}  // namespace
}  // namespace penstock::journal
