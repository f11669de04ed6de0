// Checkpoints, live sets, recycling, cleaning.
#include "base/crc32c.h"
#include "journal/journal.h"
#include "journal/verify.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

// Appends and commits records until `segments` segments are there; returns their places.
std::vector<LogPosition> fill(Life& life, std::uint64_t segments) {
  std::vector<LogPosition> positions;
  while (life->segment_of(life->durable()) < segments) {
    positions.push_back(life.put("h" + std::to_string(positions.size()), pattern(1, 2000)));
    life->retain(positions.back(), 2000);
    life->commit();
  }
  return positions;
}

std::vector<LiveSegment> live_set(Life& life, const std::vector<LogPosition>& positions) {
  std::vector<LiveSegment> live;
  for (const auto position : positions) {
    if (live.empty() || live.back().number != life->segment_of(position))
      live.push_back({life->segment_of(position), {}});
    live.back().offsets.push_back(life->offset_of(position));
  }
  return live;
}

TEST(JournalCheckpoint, replays_the_state_then_the_live_records_then_what_came_after) {
  MemoryDirectory disk;
  std::vector<LogPosition> kept;
  LogPosition later;
  {
    Life life(disk);
    const auto all = fill(life, 4);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 5 == 0) {
        kept.push_back(all[i]);
      } else {
        life->release(all[i], 2000);
      }
    }
    ASSERT_TRUE(life->write_checkpoint(as_bytes("the state"), live_set(life, kept)));
    EXPECT_EQ(life->since_checkpoint(), 0u);
    later = life.put("later", "body");
    life->commit();
    EXPECT_GT(life->since_checkpoint(), 0u);
  }
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.state, "the state");
  std::vector<LogPosition> live;
  for (const auto& seen : life.recorder.live) live.push_back(seen.position);
  EXPECT_EQ(live, kept);
  ASSERT_EQ(life.recorder.records.size(), 1u);
  EXPECT_EQ(life.recorder.records[0].position, later);
  EXPECT_EQ(life.body(kept[1]), pattern(1, 2000));
}

TEST(JournalCheckpoint, recycles_segments_without_live_records_and_keeps_the_others) {
  MemoryDirectory disk;
  Life life(disk);
  const auto all = fill(life, 5);
  std::vector<LogPosition> kept;
  for (const auto position : all) {
    if (life->segment_of(position) == 2 && kept.empty()) {
      kept.push_back(position);
    } else {
      life->release(position, 2000);
    }
  }
  ASSERT_TRUE(life->write_checkpoint({}, live_set(life, kept)));
  EXPECT_FALSE(disk.exists(segment_name(1)));
  EXPECT_TRUE(disk.exists(segment_name(2)));
  EXPECT_FALSE(disk.exists(segment_name(3)));
  EXPECT_TRUE(disk.exists(segment_name(5)));
  EXPECT_EQ(life->statistics().spare_segments, 1u) << "no more than options ask for";
  EXPECT_EQ(life.body(kept[0]), pattern(1, 2000));
}

TEST(JournalCheckpoint, gives_the_old_name_of_a_recycled_segment_up_for_good_before_it_is_used) {
  MemoryDirectory disk;
  {
    Life life(disk);
    for (const auto position : fill(life, 3)) life->release(position, 2000);
    ASSERT_TRUE(life->write_checkpoint({}, {}));
    ASSERT_FALSE(disk.exists(segment_name(1)));
  }
  // Else the next content of the file could come up under the old name, beside an older checkpoint.
  SeededRandom random(1);
  disk.crash(MemoryDirectory::Survivors::nothing, random);
  EXPECT_FALSE(disk.exists(segment_name(1)));
  EXPECT_FALSE(disk.exists(segment_name(2)));
  EXPECT_TRUE(disk.exists(segment_name(3)));
}

TEST(JournalCheckpoint, never_recycles_a_segment_that_the_owner_still_retains) {
  MemoryDirectory disk;
  Life life(disk);
  const auto all = fill(life, 3);
  ASSERT_TRUE(life->write_checkpoint({}, {}));
  EXPECT_EQ(life.body(all[0]), pattern(1, 2000));
  EXPECT_TRUE(disk.exists(segment_name(1)));
}

TEST(JournalCheckpoint, commits_what_gathered_and_waits_for_what_is_being_written) {
  MemoryDirectory disk;
  Life life(disk);
  life.put("a", "");
  Batch* batch = life->seal();
  const auto busy = life->write_checkpoint({}, {});
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::busy);
  life->write(*batch);
  life->complete(*batch);
  life.put("b", "");
  ASSERT_TRUE(life->write_checkpoint({}, {}));
  EXPECT_EQ(life->durable(), life->appended());
}

TEST(JournalCheckpoint, that_is_damaged_is_refused_at_every_byte) {
  MemoryDirectory disk;
  {
    Life life(disk);
    const auto all = fill(life, 2);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("the state"), live_set(life, all)));
  }
  const auto image = disk.snapshot();
  const auto name = checkpoint_name(1);
  for (std::size_t at = 0; at < image.at(name).size(); ++at) {
    disk.restore(image);
    auto bytes = image.at(name);
    bytes[at] ^= std::byte{8};
    disk.set_contents(name, bytes);
    Life life(disk);
    ASSERT_FALSE(life) << at;
    EXPECT_EQ(life.error.code, ErrorCode::corrupt) << at;
    EXPECT_NE(life.error.message.find(name), std::string::npos);
  }
}

TEST(JournalCheckpoint, of_a_newer_version_is_unsupported_and_flipped_bits_make_none) {
  constexpr std::size_t kVersionAt = 8;
  constexpr std::size_t kCrcAt = 12;
  MemoryDirectory disk;
  {
    Life life(disk);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("the state"), {}));
  }
  const auto name = checkpoint_name(1);
  const auto was = disk.contents(name);
  for (std::size_t bit = 0; bit < 32; ++bit) {
    auto bytes = was;
    bytes[kVersionAt + bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    disk.set_contents(name, bytes);
    Life life(disk);
    ASSERT_FALSE(life) << bit;
    EXPECT_EQ(life.error.code, ErrorCode::corrupt) << life.error.message;
  }
  auto newer = was;
  newer[kVersionAt] = std::byte{2};
  newer[kCrcAt] ^= std::byte{0xff};
  disk.set_contents(name, newer);
  Life life(disk);
  ASSERT_FALSE(life);
  EXPECT_EQ(life.error.code, ErrorCode::unsupported) << life.error.message;
}

// Under a checksum that holds: nobody of ours wrote it.
TEST(JournalCheckpoint, that_covers_a_part_of_a_block_is_damaged) {
  MemoryDirectory disk;
  {
    Life life(disk);
    ASSERT_TRUE(life->write_checkpoint(as_bytes("the state"), {}));
  }
  const auto name = checkpoint_name(1);
  auto bytes = disk.contents(name);
  bytes[48] ^= std::byte{8};
  const auto crc = crc32c(ByteView(bytes).subspan(16));
  std::memcpy(bytes.data() + 12, &crc, sizeof crc);
  disk.set_contents(name, bytes);
  Life life(disk);
  ASSERT_FALSE(life);
  EXPECT_EQ(life.error.code, ErrorCode::corrupt) << life.error.message;
  const auto report = verify(disk, true);
  EXPECT_TRUE(report) << report.error().message;
}

TEST(JournalCheckpoint, an_older_one_is_used_when_the_newest_is_damaged_and_nothing_is_missing) {
  MemoryDirectory disk;
  Life first(disk);
  first.put("one", "");
  ASSERT_TRUE(first->write_checkpoint(as_bytes("old"), {}));
  const auto old = disk.contents(checkpoint_name(1));
  first.put("two", "");
  ASSERT_TRUE(first->write_checkpoint(as_bytes("new"), {}));
  first.journal.reset();
  auto bytes = disk.contents(checkpoint_name(2));
  bytes.back() ^= std::byte{1};
  disk.set_contents(checkpoint_name(2), bytes);
  disk.set_contents(checkpoint_name(1), old);
  Life life(disk);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life.recorder.state, "old");
  ASSERT_EQ(life.recorder.records.size(), 1u);
  EXPECT_EQ(life.recorder.records[0].head, "two");
}

TEST(JournalCheckpoint, a_live_record_that_is_missing_is_refused) {
  MemoryDirectory disk;
  {
    Life life(disk);
    auto all = fill(life, 3);
    auto live = live_set(life, all);
    live[0].offsets[1] += 8;
    ASSERT_TRUE(life->write_checkpoint({}, live));
  }
  Life life(disk);
  ASSERT_FALSE(life);
  EXPECT_EQ(life.error.code, ErrorCode::corrupt);
}

TEST(JournalCheckpoint, damage_in_a_segment_that_nobody_needs_does_no_harm) {
  MemoryDirectory disk;
  {
    Life life(disk);
    const auto all = fill(life, 3);
    ASSERT_TRUE(life->write_checkpoint({}, {}));
    EXPECT_TRUE(disk.exists(segment_name(1)));
  }
  disk.set_contents(segment_name(1), Bytes(64 << 10));
  Life life(disk);
  EXPECT_TRUE(life) << life.error.message;
}

TEST(JournalCleaning, offers_the_sealed_segment_with_the_fewest_live_bytes) {
  MemoryDirectory disk;
  Life life(disk);
  const auto all = fill(life, 5);
  EXPECT_EQ(life->cleaning_candidate(0.3), std::nullopt);
  std::map<std::uint64_t, int> left{{1, 4}, {2, 2}, {3, 3}};
  for (const auto position : all) {
    const auto segment = life->segment_of(position);
    if (left.contains(segment) && left[segment]-- <= 0) life->release(position, 2000);
  }
  EXPECT_EQ(life->cleaning_candidate(0.3), 2u);
  EXPECT_EQ(life->cleaning_candidate(0.01), std::nullopt);
}

TEST(JournalCleaning, moves_live_records_to_the_tail_and_frees_the_segment) {
  MemoryDirectory disk;
  LogPosition moved;
  {
    Life life(disk);
    const auto all = fill(life, 3);
    for (std::size_t i = 1; i < all.size(); ++i) life->release(all[i], 2000);
    ASSERT_EQ(life->cleaning_candidate(0.5), 1u);
    ASSERT_TRUE(life->for_each_record(1, [&](const RecordHead& record) {
      if (record.position != all[0]) return;
      const auto old = life->read(record.position);
      ASSERT_TRUE(old);
      const std::string body(as_text(old->body));
      moved = life.put("moved", body);
      life->retain(moved, 2000);
      life->release(record.position, 2000);
    }));
    ASSERT_TRUE(life->write_checkpoint({}, live_set(life, {moved})));
    EXPECT_FALSE(disk.exists(segment_name(1)));
  }
  Life life(disk);
  ASSERT_EQ(life.recorder.live.size(), 1u);
  EXPECT_EQ(life.body(moved), pattern(1, 2000));
}

// ---- space

Options reserving() {
  auto options = small_options();
  options.reserve_bytes = 32 << 10;
  return options;
}

void prepare_all(Life& life) {
  for (;;) {
    const auto more = life->prepare();
    ASSERT_TRUE(more) << more.error().message;
    if (!*more) return;
  }
}

TEST(JournalSpace, prepare_writes_the_reserves_and_the_spares_ahead) {
  MemoryDirectory disk;
  auto options = reserving();
  options.spare_segments = 2;
  Life life(disk, options);
  prepare_all(life);
  EXPECT_EQ(life->statistics().spare_segments, 2u);
  EXPECT_EQ(disk.contents(kReserveSegment).size(), 64u << 10);
  EXPECT_EQ(disk.contents(kReserveCheckpoint).size(), 32u << 10);
  const auto before = disk.operations();
  EXPECT_EQ(life->prepare().value(), false);
  EXPECT_EQ(disk.operations(), before);
}

TEST(JournalSpace, spares_found_at_the_start_are_used_and_those_cut_short_are_removed) {
  MemoryDirectory disk;
  {
    Life life(disk);
    prepare_all(life);
  }
  disk.set_contents(spare_name(77), Bytes(1000));
  Life life(disk);
  EXPECT_EQ(life->statistics().spare_segments, 1u);
  EXPECT_FALSE(disk.exists(spare_name(77)));
  life.put("", pattern(1, 20000));
  fill(life, 2);
  EXPECT_EQ(life->statistics().spare_segments, 0u);
}

TEST(JournalSpace,
     a_full_disk_refuses_publishes_but_takes_settles_and_checkpoints_until_it_has_space) {
  MemoryDirectory disk;
  Life life(disk, reserving());
  prepare_all(life);
  std::uint64_t used = 0;
  for (const auto& [name, bytes] : disk.snapshot()) used += bytes.size();
  disk.set_capacity(used);
  std::vector<LogPosition> published;
  while (life->room_for(1000) == Journal::Room::yes) {
    published.push_back(life.put("publish", pattern(1, 900)));
    life->retain(published.back(), 900);
    life->commit();
    ASSERT_LT(published.size(), 1000u);
  }
  EXPECT_EQ(life->room_for(1000), Journal::Room::disk_full);
  EXPECT_EQ(life->statistics().spare_segments, 1u);
  // Settles go on for more than what is left of this segment: spare and reserve are taken into use.
  int settles = 0;
  while (disk.exists(kReserveSegment) || settles < 10) {
    life.put("settle", "", 2);
    life->commit();
    ASSERT_LT(++settles, 1000);
  }
  for (const auto position : published) life->release(position, 900);
  EXPECT_EQ(life->room_for(1000), Journal::Room::disk_full);
  // The checkpoint takes the space kept for it, and frees the segments.
  ASSERT_TRUE(life->write_checkpoint(as_bytes(pattern(1, 20000)), {}));
  EXPECT_FALSE(disk.exists(kReserveCheckpoint));
  prepare_all(life);
  EXPECT_TRUE(disk.exists(kReserveSegment));
  disk.set_capacity(1 << 30);
  prepare_all(life);
  EXPECT_EQ(life->room_for(1000), Journal::Room::yes);
  life.put("publish", "again");
  life->close();
  life.journal.reset();
  Life next(disk, reserving());
  EXPECT_TRUE(next) << next.error.message;
}

std::uint64_t used_bytes(const MemoryDirectory& disk) {
  std::uint64_t used = 0;
  for (const auto& [name, bytes] : disk.snapshot()) used += bytes.size();
  return used;
}

TEST(JournalSpace, the_reserve_grows_with_the_checkpoint_by_what_is_missing) {
  MemoryDirectory disk;
  Life life(disk, reserving());
  prepare_all(life);
  const auto reserved = [&] { return disk.contents(kReserveCheckpoint).size() >> 10; };
  life->expect_checkpoint(20 << 10);
  prepare_all(life);
  EXPECT_EQ(reserved(), 32u) << "it fits";
  disk.set_capacity(used_bytes(disk) + (64 << 10));
  life->expect_checkpoint(90 << 10);
  EXPECT_EQ(life->room_for(10), Journal::Room::yes) << "the disk has the rest of it";
  prepare_all(life);
  EXPECT_EQ(reserved(), 96u);
  EXPECT_EQ(disk.free_bytes().value(), 0u);
  // More than the disk has, until it has more.
  life->expect_checkpoint(150 << 10);
  EXPECT_EQ(life->room_for(10), Journal::Room::disk_full);
  prepare_all(life);
  EXPECT_EQ(reserved(), 96u);
  disk.set_capacity(used_bytes(disk) + (64 << 10));
  prepare_all(life);
  EXPECT_EQ(reserved(), 160u);
  EXPECT_EQ(life->room_for(10), Journal::Room::yes);
  ASSERT_TRUE(life->write_checkpoint(as_bytes(pattern(1, 150 << 10)), {}));
  EXPECT_FALSE(disk.exists(kReserveCheckpoint)) << "lent";
  EXPECT_EQ(life->room_for(10), Journal::Room::disk_full);
}

TEST(JournalSpace, a_reserve_is_kept_over_a_start_and_given_up_when_it_is_four_times_too_large) {
  MemoryDirectory disk;
  {
    Life life(disk, reserving());
    life->expect_checkpoint(150 << 10);
    prepare_all(life);
    life->close();
  }
  Life life(disk, reserving());
  const auto reserved = [&] { return disk.contents(kReserveCheckpoint).size() >> 10; };
  EXPECT_EQ(reserved(), 160u);
  life->expect_checkpoint(40 << 10);
  prepare_all(life);
  EXPECT_EQ(reserved(), 160u) << "growing again costs more";
  life->expect_checkpoint(0);
  prepare_all(life);
  EXPECT_EQ(reserved(), 32u);
  EXPECT_EQ(life->statistics().reserve_bytes, (32u + 64) << 10);
}

TEST(JournalSpace, refusals_notice_by_themselves_that_space_came_back) {
  MemoryDirectory disk(66 << 10);
  Life life(disk, reserving());
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_EQ(life->room_for(10), Journal::Room::disk_full);
  disk.set_capacity(1 << 30);
  int refusals = 0;
  while (life->room_for(10) == Journal::Room::disk_full) ASSERT_LT(++refusals, 1000);
}

TEST(JournalSpace, a_checkpoint_that_finds_no_space_is_an_error_and_leaves_nothing_behind) {
  MemoryDirectory disk;
  Life life(disk);
  life.put("a", "");
  life->commit();
  disk.set_capacity(65 << 10);
  const auto written = life->write_checkpoint(as_bytes(pattern(1, 20000)), {});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::full);
  EXPECT_FALSE(disk.exists(kCheckpointTemporary));
  life.put("b", "");
  life->commit();
  EXPECT_TRUE(life->write_checkpoint(as_bytes("s"), {}));
}

TEST(JournalSpace, a_checkpoint_without_space_at_any_step_does_not_stand_in_the_way_of_the_next) {
  for (std::uint64_t step = 1;; ++step) {
    MemoryDirectory disk;
    Life life(disk);
    life.put("a", "");
    life->commit();
    disk.fail_at(disk.operations() + step, ErrorCode::full);
    const auto written = life->write_checkpoint(as_bytes("s"), {});
    disk.clear_faults();
    if (written) break;
    EXPECT_EQ(written.error().code, ErrorCode::full) << step;
    EXPECT_FALSE(disk.exists(kCheckpointTemporary)) << step;
    const auto again = life->write_checkpoint(as_bytes("s"), {});
    EXPECT_TRUE(again) << step << ": " << again.error().message;
    ASSERT_LT(step, 50u);
  }
}

}  // namespace
}  // namespace penstock::journal
