#include "journal/verify.h"

#include <algorithm>
#include <set>

#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

struct Log {
  std::vector<Seen> records;
  std::map<LogPosition, std::string> bodies;
};

// Several segments; with a checkpoint in the middle when asked for, in which every third record
// lives.
Log write_log(Directory& disk, bool with_checkpoint) {
  Log log;
  Life life(disk);
  EXPECT_TRUE(life) << life.error.message;
  std::vector<LiveSegment> live;
  for (int i = 0; i < 150; ++i) {
    if (with_checkpoint && i == 90) {
      EXPECT_TRUE(life->write_checkpoint(as_bytes("state"), live));
      std::erase_if(log.records, [&](const Seen& seen) {
        return std::ranges::none_of(live, [&](const LiveSegment& segment) {
          return segment.number == life->segment_of(seen.position) &&
                 std::ranges::binary_search(segment.offsets, life->offset_of(seen.position));
        });
      });
    }
    const auto body = pattern(static_cast<std::uint64_t>(i), static_cast<std::size_t>(500 + i * 7));
    const auto head = "h" + std::to_string(i);
    const auto position = life.put(head, body);
    log.records.push_back({position, 1, head, static_cast<std::uint32_t>(body.size())});
    log.bodies[position] = body;
    if (i % 3 == 0) {
      if (live.empty() || live.back().number != life->segment_of(position))
        live.push_back({life->segment_of(position), {}});
      live.back().offsets.push_back(life->offset_of(position));
    }
    if (i % 4 == 0) life->commit();
  }
  life->commit();
  EXPECT_GT(life->statistics().segments, 3u);
  return log;
}

// After a repair the log opens and holds exactly the records whose bytes were not damaged.
void expect_repaired(MemoryDirectory& disk, const Log& log, const std::set<LogPosition>& lost) {
  auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  for (const auto& problem : report->problems)
    EXPECT_TRUE(problem.repaired) << problem.file << ": " << problem.what;
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  std::vector<Seen> found = life.recorder.live;
  found.insert(found.end(), life.recorder.records.begin(), life.recorder.records.end());
  std::vector<Seen> expected;
  for (const auto& seen : log.records)
    if (!lost.contains(seen.position)) expected.push_back(seen);
  ASSERT_EQ(found.size(), expected.size());
  ASSERT_EQ(found, expected);
  for (const auto& seen : found) ASSERT_EQ(life.body(seen.position), log.bodies.at(seen.position));
  life.put("new", "life");
  life->close();
  life.journal.reset();
  auto again = verify(disk, false);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->healthy()) << again->problems[0].file << again->problems[0].what;
}

void flip(MemoryDirectory& disk, const std::string& name, std::uint64_t at) {
  auto bytes = disk.contents(name);
  bytes.at(at) ^= std::byte{0x20};
  disk.set_contents(name, bytes);
}

constexpr std::uint64_t kSegment = 64 << 10;

// The records whose bytes (header, head, body) include `position`.
std::set<LogPosition> records_at(const Log& log, std::uint64_t position) {
  std::set<LogPosition> hit;
  for (const auto& seen : log.records) {
    const auto end = seen.position.value + kRecordHeaderBytes + seen.head.size() + seen.body_bytes;
    if (position >= seen.position.value && position < end) hit.insert(seen.position);
  }
  return hit;
}

TEST(JournalVerify, of_a_healthy_log_finds_nothing_and_counts_everything) {
  MemoryDirectory disk;
  const auto log = write_log(disk, false);
  const auto before = disk.snapshot();
  auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->healthy());
  EXPECT_EQ(report->records, log.records.size());
  EXPECT_EQ(disk.snapshot(), before);
}

TEST(JournalVerify, of_an_empty_directory_finds_nothing) {
  MemoryDirectory disk;
  auto report = verify(disk, false);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->healthy());
}

TEST(JournalVerify, finds_a_flipped_bit_in_bodies_that_opening_does_not_read) {
  MemoryDirectory disk;
  write_log(disk, false);
  flip(disk, segment_name(1), 5000);
  {
    Life life(disk);
    EXPECT_TRUE(life);
  }
  auto report = verify(disk, false);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(report->problems[0].file, segment_name(1));
  EXPECT_EQ(report->problems[0].offset, 4096u);
  EXPECT_FALSE(report->problems[0].repaired);
}

TEST(JournalVerify, does_not_call_a_torn_tail_damage) {
  MemoryDirectory disk;
  const auto log = write_log(disk, false);
  flip(disk, segment_name(log.records.back().position.value / kSegment),
       log.records.back().position.value % kSegment + 4);
  auto report = verify(disk, false);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->healthy());
  EXPECT_GT(report->torn_bytes, 0u);
}

TEST(JournalVerify, repairs_a_flipped_bit_anywhere_and_loses_only_the_record_it_hit) {
  for (const bool with_checkpoint : {false, true}) {
    MemoryDirectory disk;
    const auto log = write_log(disk, with_checkpoint);
    const auto image = disk.snapshot();
    const auto tail = log.records[log.records.size() - 8].position;
    for (std::uint64_t position = kSegment; position < tail.value; position += 1511) {
      const auto name = segment_name(position / kSegment);
      if (!image.contains(name)) continue;
      disk.restore(image);
      flip(disk, name, position % kSegment);
      auto report = verify(disk, false);
      ASSERT_TRUE(report);
      if (report->healthy()) {
        // Spare bytes: between the batches' end and the footer, or in a chunk behind its entries.
        EXPECT_TRUE(records_at(log, position).empty());
        continue;
      }
      SCOPED_TRACE(position);
      expect_repaired(disk, log, records_at(log, position));
      if (HasFatalFailure()) return;
      EXPECT_TRUE(disk.exists(name + ".damaged"));
    }
  }
}

TEST(JournalVerify, repairs_zeroed_ranges_and_loses_only_what_was_in_them) {
  MemoryDirectory disk;
  const auto log = write_log(disk, true);
  const auto image = disk.snapshot();
  SeededRandom random(5);
  const auto tail = log.records[log.records.size() - 8].position.value;
  for (int round = 0; round < 60; ++round) {
    const auto& victim = log.records[random.below(log.records.size() - 20)];
    const auto from = victim.position.value / 512 * 512;
    const auto count = 512 * (1 + random.below(12));
    if (from / kSegment != (from + count) / kSegment || from + count >= tail) continue;
    const auto name = segment_name(from / kSegment);
    disk.restore(image);
    auto bytes = image.at(name);
    std::set<LogPosition> lost;
    for (auto at = from; at < from + count; ++at) {
      if (bytes.at(at % kSegment) != std::byte{0}) lost.merge(records_at(log, at));
      bytes.at(at % kSegment) = std::byte{0};
    }
    disk.set_contents(name, bytes);
    SCOPED_TRACE(from);
    expect_repaired(disk, log, lost);
    if (HasFatalFailure()) return;
  }
}

TEST(JournalVerify, repairs_a_missing_segment_and_says_what_is_lost) {
  MemoryDirectory disk;
  const auto log = write_log(disk, true);
  const auto image = disk.snapshot();
  std::set<std::uint64_t> numbers;
  for (const auto& seen : log.records) numbers.insert(seen.position.value / kSegment);
  numbers.erase(*numbers.rbegin());
  for (const auto number : numbers) {
    disk.restore(image);
    ASSERT_TRUE(disk.remove(segment_name(number)));
    ASSERT_TRUE(disk.sync());
    std::set<LogPosition> lost;
    for (const auto& seen : log.records)
      if (seen.position.value / kSegment == number) lost.insert(seen.position);
    SCOPED_TRACE(number);
    expect_repaired(disk, log, lost);
  }
}

TEST(JournalVerify, keeps_the_checkpoint_that_named_what_a_repair_gave_up) {
  MemoryDirectory disk;
  const auto log = write_log(disk, true);
  const auto image = disk.snapshot();
  const auto live = log.records.front();
  flip(disk, segment_name(live.position.value / kSegment),
       live.position.value % kSegment + kRecordHeaderBytes);
  const auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->live_lost, 1u);
  const auto name = checkpoint_name(1);
  EXPECT_FALSE(disk.exists(name));
  EXPECT_EQ(disk.contents(name + ".damaged"), image.at(name));
}

TEST(JournalVerify, puts_a_damaged_checkpoint_aside_when_the_log_is_complete) {
  MemoryDirectory disk;
  std::size_t count = 0;
  {
    Life life(disk);
    for (; count < 10; ++count) life->retain(life.put("x", "y"), 1);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("state"), {}));
  }
  flip(disk, checkpoint_name(1), 40);
  {
    Life life(disk);
    EXPECT_FALSE(life);
  }
  auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_TRUE(report->problems[0].repaired);
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.records.size(), count);
}

TEST(JournalVerify, says_that_a_lost_checkpoint_cannot_be_repaired_when_segments_are_recycled) {
  MemoryDirectory disk;
  write_log(disk, true);
  const auto name = checkpoint_name(1);
  ASSERT_TRUE(disk.exists(name));
  if (disk.exists(segment_name(1))) {
    ASSERT_TRUE(disk.remove(segment_name(1)));
  }
  flip(disk, name, 40);
  auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->problems[0].repaired);
  EXPECT_TRUE(disk.exists(name));
}

Layout layout_of(const MemoryDirectory& disk) {
  const auto bytes = disk.contents(segment_name(1));
  const auto header = decode_segment_header(ByteView(bytes).first(kBlock)).header;
  return {header.value().log_id, header->segment_bytes};
}

// Writes the log's only segment anew with its last batch changed, under checksums that hold.
template <class Change>
void falsify_last_batch(MemoryDirectory& disk, LogPosition last_record, const Change& change) {
  const auto name = segment_name(1);
  auto bytes = disk.contents(name);
  const Layout layout = layout_of(disk);
  const LogPosition position(last_record.value - kBatchHeaderBytes);
  const auto rest = std::span(bytes).subspan(layout.offset_of(position));
  auto batch = decode_batch_header(layout, position, rest);
  ASSERT_TRUE(batch);
  change(*batch, rest.subspan(kBatchHeaderBytes));
  seal_batch(layout, *batch, rest.first(batch->total_bytes));
  disk.set_contents(name, std::move(bytes));
}

// Verify took such a batch for a torn tail, and the log did not open.
void expect_refused_and_repaired(MemoryDirectory& disk, std::size_t records_kept) {
  EXPECT_FALSE(Life(disk));
  const auto report = verify(disk, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  EXPECT_FALSE(Life(disk)) << "nothing was to be repaired";
  ASSERT_TRUE(verify(disk, true));
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  ASSERT_EQ(life.recorder.records.size(), records_kept);
  EXPECT_EQ(life.body(life.recorder.records[0].position), "kept");
}

class JournalVerifyNonsense : public testing::Test {
 protected:
  JournalVerifyNonsense() {
    Life life(disk);
    life.put("first", "kept");
    life->commit();
    last = life.put("last", "lost");
    life->commit();
  }
  MemoryDirectory disk;
  LogPosition last;
};

TEST_F(JournalVerifyNonsense,
       a_last_batch_that_counts_its_records_wrong_is_damage_and_they_are_kept) {
  falsify_last_batch(disk, last,
                     [](BatchHeader& batch, std::span<std::byte>) { batch.record_count = 7; });
  expect_refused_and_repaired(disk, 2);
}

TEST_F(JournalVerifyNonsense, a_last_batch_that_does_not_follow_the_one_before_it_is_damage) {
  falsify_last_batch(disk, last,
                     [](BatchHeader& batch, std::span<std::byte>) { ++batch.previous_crc; });
  expect_refused_and_repaired(disk, 1);
}

TEST_F(JournalVerifyNonsense, a_last_batch_with_a_record_longer_than_itself_is_damage) {
  falsify_last_batch(disk, last, [](BatchHeader&, std::span<std::byte> record) {
    encode_record_header({.head_bytes = 4, .body_bytes = 1u << 20}, record.data());
  });
  expect_refused_and_repaired(disk, 1);
}

// It was counted as a record that was saved, and recovery did not find it.
TEST_F(JournalVerifyNonsense, a_place_that_is_kept_is_no_record_although_its_checksum_holds) {
  const Layout layout = layout_of(disk);
  falsify_last_batch(disk, last, [&](BatchHeader& batch, std::span<std::byte> record) {
    batch.record_count = 7;
    encode_record_header({.head_bytes = 4, .body_bytes = 4, .filler = true}, record.data());
    const auto crc = record_crc(layout, last, record.first(kRecordHeaderBytes + 8));
    std::memcpy(record.data(), &crc, sizeof crc);
  });
  expect_refused_and_repaired(disk, 1);
}

TEST(JournalVerify, a_segment_that_names_another_end_of_the_one_before_it_has_a_damaged_header) {
  MemoryDirectory disk;
  write_log(disk, false);
  auto bytes = disk.contents(segment_name(2));
  auto header = *decode_segment_header(ByteView(bytes).first(kBlock)).header;
  header.previous_end = 3 * kSegment;
  std::ranges::copy(encode(header), bytes.begin());
  disk.set_contents(segment_name(2), std::move(bytes));
  EXPECT_FALSE(Life(disk));
  const auto report = verify(disk, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  Life life(disk);
  EXPECT_TRUE(life) << life.error.message;
}

TEST(JournalVerify, is_refused_while_the_log_is_open) {
  MemoryDirectory disk;
  Life life(disk);
  auto report = verify(disk, false);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
}

}  // namespace
}  // namespace penstock::journal
