// One test per kind of damage: a torn tail is cut, everything else is told.
#include <algorithm>

#include "journal/journal.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

constexpr std::uint64_t kSectorBytes = 512;
const std::string kFirst = segment_name(1);

// Commits `batches` batches of three records; remembers where each batch ends.
struct Written {
  std::vector<Seen> records;
  std::vector<std::uint64_t> ends{kBlock};  // offsets in segment 1
};

Written write_batches(Directory& disk, int batches, std::size_t body = 1500, bool clean = false) {
  Written written;
  Life life(disk);
  EXPECT_TRUE(life) << life.error.message;
  for (int i = 0; i < batches; ++i) {
    for (int k = 0; k < 3; ++k) {
      const auto head = std::to_string(i) + "/" + std::to_string(k);
      written.records.push_back(
          {life.put(head, pattern(static_cast<std::uint64_t>(i * 3 + k), body)), 1, head,
           static_cast<std::uint32_t>(body)});
    }
    life->commit();
    written.ends.push_back(life->offset_of(life->durable()));
  }
  if (clean) life->close();
  return written;
}

void zero(Bytes& bytes, std::uint64_t from, std::uint64_t to) {
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from),
            bytes.begin() + static_cast<std::ptrdiff_t>(to), std::byte{0});
}

// The log opens with exactly the first `count` records, and goes on to work.
void expect_cut_to(MemoryDirectory& disk, const Written& written, std::size_t count) {
  std::vector<Seen> expected(written.records.begin(),
                             written.records.begin() + static_cast<std::ptrdiff_t>(count));
  {
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    ASSERT_EQ(life.recorder.records, expected);
    EXPECT_FALSE(life->report().clean);
    expected.push_back({life.put("new", "body"), 1, "new", 4});
    life->commit();
  }
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  ASSERT_EQ(life.recorder.records, expected);
}

void expect_refused(MemoryDirectory& disk, const std::string& part) {
  const auto before = disk.snapshot();
  Life life(disk);
  ASSERT_FALSE(life);
  EXPECT_EQ(life.error.code, ErrorCode::corrupt) << life.error.message;
  EXPECT_NE(life.error.message.find(part), std::string::npos) << life.error.message;
  EXPECT_NE(life.error.hint.find("penstock verify"), std::string::npos) << life.error.hint;
  EXPECT_EQ(disk.snapshot(), before) << "a refused open must change nothing";
}

TEST(JournalDamage, a_torn_tail_is_cut_whichever_sector_of_the_last_batch_is_lost) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 4);
  const auto image = disk.snapshot();
  const auto last = written.ends[3];
  for (auto at = last; at < written.ends[4]; at += kSectorBytes) {
    for (const bool garble : {false, true}) {
      auto bytes = image.at(kFirst);
      const auto before = bytes;
      zero(bytes, at, at + kSectorBytes);
      if (garble)
        for (auto i = at; i < at + kSectorBytes; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 1);
      if (bytes == before) continue;
      disk.restore(image);
      disk.set_contents(kFirst, bytes);
      expect_cut_to(disk, written, 9);
    }
  }
}

TEST(JournalDamage, a_tail_truncated_anywhere_in_the_last_batch_is_cut) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  const auto image = disk.snapshot();
  for (auto size = written.ends[2]; size < written.ends[2] + 4500; size += 97) {
    disk.restore(image);
    auto bytes = image.at(kFirst);
    bytes.resize(size);
    disk.set_contents(kFirst, bytes);
    expect_cut_to(disk, written, 6);
  }
}

TEST(JournalDamage, a_zeroed_tail_is_the_logs_end) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  auto bytes = disk.contents(kFirst);
  zero(bytes, written.ends[2], bytes.size());
  disk.set_contents(kFirst, bytes);
  expect_cut_to(disk, written, 6);
}

TEST(JournalDamage, cutting_a_torn_tail_twice_is_the_same_as_once) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  auto bytes = disk.contents(kFirst);
  bytes[written.ends[2] + 300] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  std::vector<std::map<std::string, Bytes>> images;
  for (int i = 0; i < 3; ++i) {
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    EXPECT_EQ(life.recorder.records.size(), 6u);
    EXPECT_EQ(life->report().torn_bytes, written.ends[3] - written.ends[2]);
    images.push_back(disk.snapshot());
  }
  EXPECT_EQ(images[0], images[1]);
  EXPECT_EQ(images[1], images[2]);
}

TEST(JournalDamage, what_was_cut_never_comes_back_when_the_new_tail_is_shorter) {
  MemoryDirectory disk;
  auto written = write_batches(disk, 2);
  auto bytes = disk.contents(kFirst);
  {
    // A large batch whose second half survived, with the batch that would have followed it.
    Life life(disk);
    life.put("large", pattern(9, 9000));
    life->commit();
  }
  bytes = disk.contents(kFirst);
  bytes[written.ends[2] + 100] ^= std::byte{4};
  disk.set_contents(kFirst, bytes);
  {
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    ASSERT_EQ(life.recorder.records, written.records);
    written.records.push_back({life.put("short", ""), 1, "short", 0});
    life->commit();
  }
  expect_cut_to(disk, written, written.records.size());
}

TEST(JournalDamage, a_flipped_bit_in_any_block_before_the_tail_is_refused) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 4);
  const auto image = disk.snapshot();
  for (auto at = written.ends[0]; at < written.ends[3]; at += 331) {
    disk.restore(image);
    auto bytes = image.at(kFirst);
    bytes[at] ^= std::byte{0x10};
    disk.set_contents(kFirst, bytes);
    expect_refused(disk, kFirst);
  }
}

TEST(JournalDamage, a_flipped_bit_in_the_last_batch_is_refused_after_a_clean_end) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 2, 1500, true);
  auto bytes = disk.contents(kFirst);
  bytes[written.ends[1] + 200] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, "offset " + std::to_string(written.ends[1]));
}

TEST(JournalDamage, a_damaged_clean_mark_only_makes_the_end_unclean) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 2, 1500, true);
  auto bytes = disk.contents(kFirst);
  bytes[written.ends[2] + 20] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  expect_cut_to(disk, written, written.records.size());
}

TEST(JournalDamage, a_last_batch_that_a_checkpoint_covers_is_no_torn_tail) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 2);
  {
    Life life(disk);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("state"), {}));
  }
  auto bytes = disk.contents(kFirst);
  bytes[written.ends[1] + 200] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, "checkpoint covers it");
}

TEST(JournalDamage, a_wrong_length_in_a_record_is_refused) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  auto bytes = disk.contents(kFirst);
  const auto record = written.records[1].position.value % (64 << 10);
  bytes[record + 8] ^= std::byte{0xff};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, kFirst);
}

TEST(JournalDamage, a_wrong_length_in_a_batch_header_is_refused) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  auto bytes = disk.contents(kFirst);
  bytes[written.ends[1] + 49] ^= std::byte{0x40};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, kFirst);
}

TEST(JournalDamage, a_missing_segment_is_named) {
  MemoryDirectory disk;
  write_batches(disk, 40);
  const auto image = disk.snapshot();
  for (const std::uint64_t number : {1, 2, 3}) {
    disk.restore(image);
    ASSERT_TRUE(disk.remove(segment_name(number)));
    expect_refused(disk, segment_name(number) + " is missing");
  }
}

TEST(JournalDamage, a_damaged_segment_header_is_refused_even_in_the_last_segment) {
  MemoryDirectory disk;
  write_batches(disk, 1);
  auto bytes = disk.contents(kFirst);
  bytes[30] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, "header is damaged");
}

TEST(JournalDamage, a_segment_of_another_log_is_refused) {
  MemoryDirectory disk, other;
  write_batches(disk, 40);
  auto options = small_options();
  (*options.log_id)[0] = std::byte{99};
  {
    Life life(other, options);
    for (int i = 0; i < 120; ++i) {
      life.put("x", pattern(1, 1500));
      life->commit();
    }
  }
  disk.set_contents(segment_name(2), other.contents(segment_name(2)));
  expect_refused(disk, "another log");
}

TEST(JournalDamage, a_segment_of_a_newer_format_is_unsupported_and_not_corrupt) {
  MemoryDirectory disk;
  write_batches(disk, 1);
  auto bytes = disk.contents(kFirst);
  bytes[12] = std::byte{2};
  bytes[8] ^= std::byte{0xff};  // its checksum covers something else, or is seeded otherwise
  disk.set_contents(kFirst, bytes);
  Life life(disk);
  EXPECT_EQ(life.error.code, ErrorCode::unsupported) << life.error.message;
}

TEST(JournalDamage, a_flipped_bit_of_a_format_version_is_damage_and_named) {
  MemoryDirectory disk;
  write_batches(disk, 1);
  auto bytes = disk.contents(kFirst);
  bytes[12] ^= std::byte{16};
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, "the segment's header is damaged");
}

TEST(JournalDamage, stale_records_of_a_recycled_segment_are_never_taken_for_new_ones) {
  MemoryDirectory disk;
  write_batches(disk, 40);
  {
    Life life(disk);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("s"), {}));
    EXPECT_EQ(life->statistics().spare_segments, 1u);
    // Goes on into the recycled segment, with one small batch in it.
    while (life->statistics().spare_segments == 1) {
      life.put("new", pattern(1, 5000));
      life->commit();
    }
  }
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  for (const auto& record : life.recorder.records) EXPECT_EQ(record.head, "new");
  EXPECT_EQ(life->report().torn_bytes, 0u);
}

TEST(JournalDamage, a_replaced_older_version_of_a_batch_is_refused) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 2);
  auto old = disk.contents(kFirst);
  // The last batch is cut and written anew; then its former life comes back.
  auto bytes = old;
  bytes[written.ends[1] + 100] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  for (int i = 0; i < 2; ++i) {
    Life life(disk);
    life.put("again", pattern(5, 4000));
    life->commit();
    life.put("more", "");
    life->commit();
  }
  bytes = disk.contents(kFirst);
  std::copy(old.begin() + static_cast<std::ptrdiff_t>(written.ends[1]),
            old.begin() + static_cast<std::ptrdiff_t>(written.ends[1] + kBlock),
            bytes.begin() + static_cast<std::ptrdiff_t>(written.ends[1]));
  disk.set_contents(kFirst, bytes);
  expect_refused(disk, kFirst);
}

TEST(JournalDamage, reading_a_damaged_record_is_an_error_that_names_the_place) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  auto options = small_options();
  Life life(disk, options);
  const auto position = written.records[2].position;
  auto bytes = disk.contents(kFirst);
  bytes[position.value % (64 << 10) + 50] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  const auto record = life->read(position);
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, ErrorCode::corrupt);
  EXPECT_NE(record.error().message.find(kFirst), std::string::npos);
  EXPECT_NE(record.error().message.find("offset"), std::string::npos);
  EXPECT_TRUE(life->read(written.records[0].position));
}

TEST(JournalDamage, reading_where_no_record_begins_is_an_error) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 3);
  Life life(disk);
  for (std::uint64_t delta : {1, 8, 16, 800, 1504})
    EXPECT_FALSE(life->read(LogPosition(written.records[0].position.value + delta))) << delta;
  EXPECT_FALSE(life->read(LogPosition(1)));
  EXPECT_FALSE(life->read(life->durable()));
  EXPECT_FALSE(life->read(LogPosition(life->durable().value + (10 << 20))));
}

TEST(JournalDamage, a_disk_that_cannot_be_read_is_an_input_output_error) {
  MemoryDirectory disk;
  write_batches(disk, 3);
  disk.fail_reads_of(kFirst);
  Life life(disk);
  EXPECT_EQ(life.error.code, ErrorCode::io) << life.error.message;
}

TEST(JournalDamage, an_operation_that_fails_while_opening_is_an_error_and_harms_nothing) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 40);
  const auto image = disk.snapshot();
  int failures = 0;
  for (std::uint64_t n = 1;; ++n) {
    disk.restore(image);
    disk.fail_at(disk.operations() + n, ErrorCode::io);
    {
      Life life(disk);
      if (life) break;
      EXPECT_EQ(life.error.code, ErrorCode::io) << life.error.message;
      ++failures;
    }
    disk.clear_faults();
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    EXPECT_EQ(life.recorder.records, written.records);
  }
  EXPECT_GT(failures, 1);
}

TEST(JournalFooter, replays_the_same_as_a_scan) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 60, 700);
  const auto image = disk.snapshot();
  ASSERT_TRUE(image.contains(segment_name(3)));
  // The trailer, or the first chunk.
  for (const std::uint64_t at : {(64u << 10) - 4096 + 20, (64u << 10) - 8192 + 30}) {
    disk.restore(image);
    for (const std::uint64_t number : {1, 2}) {
      auto bytes = disk.contents(segment_name(number));
      bytes[at] ^= std::byte{1};
      disk.set_contents(segment_name(number), bytes);
    }
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    EXPECT_EQ(life.recorder.records, written.records);
    std::vector<LogPosition> visited;
    ASSERT_TRUE(life->for_each_record(
        1, [&](const RecordHead& record) { visited.push_back(record.position); }));
    ASSERT_FALSE(visited.empty());
    for (std::size_t i = 0; i < visited.size(); ++i)
      EXPECT_EQ(visited[i], written.records[i].position);
  }
}

TEST(JournalFooter, lets_reopening_read_no_bodies) {
  MemoryDirectory disk;
  const auto written = write_batches(disk, 60, 700);
  // Body bytes of a sealed segment are garbled: only reading them tells.
  auto bytes = disk.contents(kFirst);
  bytes[5000] ^= std::byte{1};
  disk.set_contents(kFirst, bytes);
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.records, written.records);
  EXPECT_FALSE(life->read(written.records[1].position));
}

TEST(JournalFooter, of_many_small_records_and_of_large_heads_always_fits) {
  MemoryDirectory disk;
  std::vector<Seen> written;
  {
    Life life(disk);
    SeededRandom random(3);
    for (int i = 0; i < 6000; ++i) {
      const auto head = pattern(random.next(), random.below(i % 50 == 0 ? 9000 : 12));
      written.push_back({life.put(head, ""), 1, head, 0});
      if (random.below(40) == 0) life->commit();
    }
    life->commit();
    EXPECT_GT(life->statistics().segments, 10u);
  }
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.records, written);
}

}  // namespace
}  // namespace penstock::journal
