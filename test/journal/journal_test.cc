#include "journal/journal.h"

#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

TEST(Journal, a_new_log_is_empty_and_says_so) {
  MemoryDirectory disk;
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_TRUE(life->report().created);
  EXPECT_TRUE(life.recorder.done);
  EXPECT_EQ(life->appended(), life->durable());
  EXPECT_EQ(life->seal(), nullptr);
}

TEST(Journal, reopening_replays_every_committed_record_in_order) {
  MemoryDirectory disk;
  std::vector<Seen> written;
  {
    Life life(disk);
    for (int i = 0; i < 1000; ++i) {
      const auto head = "head" + std::to_string(i);
      const auto body = pattern(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i % 700));
      const auto kind = static_cast<std::uint8_t>(i % 250);
      written.push_back(
          {life.put(head, body, kind), kind, head, static_cast<std::uint32_t>(body.size())});
      if (i % 7 == 0) life->commit();
    }
    life->commit();
    EXPECT_GT(life->statistics().segments, 5u);
  }
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.records, written);
  EXPECT_FALSE(life->report().clean);
  for (std::size_t i = 0; i < written.size(); ++i)
    EXPECT_EQ(life.body(written[i].position), pattern(i, i % 700));
}

TEST(Journal, what_was_not_committed_is_not_there_after_reopening) {
  MemoryDirectory disk;
  {
    Life life(disk);
    life.put("kept", "");
    life->commit();
    life.put("lost", "");
  }
  Life life(disk);
  ASSERT_EQ(life.recorder.records.size(), 1u);
  EXPECT_EQ(life.recorder.records[0].head, "kept");
}

TEST(Journal, close_marks_the_log_clean_and_the_next_life_is_clean_again) {
  MemoryDirectory disk;
  for (int i = 0; i < 5; ++i) {
    Life life(disk);
    ASSERT_TRUE(life) << life.error.message;
    EXPECT_EQ(life->report().clean, i > 0);
    EXPECT_EQ(life.recorder.records.size(), static_cast<std::size_t>(i));
    life.put("x", "y");
    life->close();
  }
}

TEST(Journal, only_one_batch_is_in_flight) {
  MemoryDirectory disk;
  Life life(disk);
  life.put("a", "");
  Batch* first = life->seal();
  ASSERT_NE(first, nullptr);
  const auto before = life->durable();
  life.put("b", "");
  EXPECT_EQ(life->seal(), nullptr);
  life->write(*first);
  EXPECT_EQ(life->durable(), before);
  life->complete(*first);
  EXPECT_GT(life->durable(), before);
  EXPECT_LT(life->durable(), life->appended());
  life->commit();
  EXPECT_EQ(life->durable(), life->appended());
}

TEST(Journal, a_record_can_be_read_at_every_stage_of_its_life) {
  MemoryDirectory disk;
  auto options = small_options();
  options.tail_cache_bytes = 16 << 10;
  Life life(disk, options);
  const auto body = pattern(1, 3000);
  const auto position = life.put("head", body);
  EXPECT_EQ(life.body(position), body) << "gathering";
  Batch* batch = life->seal();
  EXPECT_EQ(life.body(position), body) << "sealed";
  life->write(*batch);
  EXPECT_EQ(life.body(position), body) << "written";
  life->complete(*batch);
  EXPECT_EQ(life.body(position), body) << "in the tail cache";
  EXPECT_EQ(life->statistics().disk_reads, 0u);
  for (int i = 0; i < 20; ++i) {
    life.put("other", pattern(2, 3000));
    life->commit();
  }
  EXPECT_EQ(life.body(position), body) << "on the disk";
  EXPECT_EQ(life->statistics().disk_reads, 1u);
  EXPECT_EQ(life.body(position), body) << "in a window";
  EXPECT_EQ(life->statistics().disk_reads, 1u);
}

TEST(Journal, a_record_larger_than_a_window_is_read_back) {
  MemoryDirectory disk;
  auto options = small_options();
  options.segment_bytes = 4 << 20;
  options.tail_cache_bytes = 0;
  Life life(disk, options);
  const auto body = pattern(7, 1'000'000);
  const auto position = life.put("big", body);
  life->commit();
  EXPECT_EQ(life.body(position), body);
}

TEST(Journal, records_of_a_transaction_are_in_one_batch_even_at_a_segments_end) {
  MemoryDirectory disk;
  Life life(disk);
  const auto limit = Journal::max_transaction_bytes(small_options());
  for (int round = 0; round < 20; ++round) {
    const auto bytes = limit / 3 - kRecordOverheadBytes;
    if (life->room_for(3 * bytes, 3) == Journal::Room::batch_full) life->commit();
    ASSERT_EQ(life->room_for(3 * bytes, 3), Journal::Room::yes);
    const auto first = life.put(pattern(1, bytes), "");
    life.put("", pattern(2, bytes));
    const auto last = life.put(pattern(3, bytes / 2), pattern(3, bytes / 2));
    EXPECT_EQ(life->segment_of(first), life->segment_of(last));
    EXPECT_LT(last.value - first.value, limit);
    life->commit();
  }
}

TEST(Journal, refuses_a_transaction_that_fits_no_batch) {
  MemoryDirectory disk;
  Life life(disk);
  const auto limit = Journal::max_transaction_bytes(small_options());
  EXPECT_EQ(life->room_for(limit - kRecordOverheadBytes), Journal::Room::yes);
  EXPECT_EQ(life->room_for(limit), Journal::Room::too_large);
}

TEST(Journal, says_that_the_batch_is_full_before_memory_grows) {
  MemoryDirectory disk;
  Life life(disk);
  int count = 0;
  while (life->room_for(1000) == Journal::Room::yes) {
    life.put("", pattern(1, 1000));
    ASSERT_LT(++count, 100);
  }
  EXPECT_EQ(life->room_for(1000), Journal::Room::batch_full);
  EXPECT_LE(life->gathered_bytes(), Journal::max_transaction_bytes(small_options()) + 4096);
  life->commit();
  EXPECT_EQ(life->room_for(1000), Journal::Room::yes);
}

TEST(Journal, the_segment_size_of_the_log_wins_over_the_option) {
  MemoryDirectory disk;
  {
    Life life(disk);
    life.put("a", "b");
    life->commit();
  }
  auto options = small_options();
  options.segment_bytes = 1 << 20;
  Life life(disk, options);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.records.size(), 1u);
}

TEST(Journal, a_second_owner_of_the_directory_is_refused) {
  MemoryDirectory disk;
  Life first(disk);
  Life second(disk);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error.code, ErrorCode::conflict);
}

TEST(Journal, rejects_a_segment_size_that_is_no_power_of_two) {
  MemoryDirectory disk;
  auto options = small_options();
  options.segment_bytes = 100'000;
  Life life(disk, options);
  EXPECT_EQ(life.error.code, ErrorCode::invalid);
}

TEST(Journal, a_failed_write_ends_the_process_and_names_the_file) {
  MemoryDirectory disk;
  Life life(disk);
  life.put("a", "b");
  disk.fail_at(disk.operations() + 2, ErrorCode::io);
  EXPECT_DEATH(life->commit(), "journal.*journal-0000000000000001.seg.*sync");
}

}  // namespace
}  // namespace penstock::journal
