// What is asked for and not there, what is there and not wanted, and who is told when the owner
// itself cannot go on.
#include <algorithm>

#include "journal/checkpoint.h"
#include "journal/verify.h"
#include "test/journal/parity_fixture.h"

namespace penstock::journal {
namespace {

// ---- an owner that fails

enum class At : std::uint8_t { checkpoint, live_record, live_done, record };

class FailingOwner : public Recorder {
 public:
  explicit FailingOwner(At at) : at_(at) {}
  Result<void> checkpoint(ByteView, LogPosition) override { return answer(At::checkpoint); }
  Result<void> live_record(const RecordHead&) override { return answer(At::live_record); }
  Result<void> live_done() override { return answer(At::live_done); }
  Result<void> record(const RecordHead&) override { return answer(At::record); }

 private:
  [[nodiscard]] Result<void> answer(At here) const {
    if (here != at_) return {};
    return fail(ErrorCode::unsupported, "the owner knows no such record");
  }
  const At at_;
};

TEST(JournalOwner, that_cannot_go_on_ends_the_opening_with_its_own_error) {
  for (const bool by_scan : {false, true}) {
    MemoryDirectory disk;
    {
      Life life(disk);
      const auto old = life.put("old", pattern(1, 30'000));
      life.put("gone", pattern(2, 30'000));
      life->commit();
      life.put("next", pattern(3, 30'000));
      life->commit();
      const LiveSegment live{life->segment_of(old), {life->offset_of(old)}};
      ASSERT_TRUE(life->write_checkpoint(as_bytes("state"), {live}));
      life.put("new", pattern(4, 40'000));
      life->commit();
      life.put("newer", pattern(5, 40'000));
      life->commit();
    }
    if (by_scan) {
      for (const auto& [name, bytes] : disk.snapshot()) {
        auto damaged = bytes;
        if (!segment_number(name)) continue;
        std::ranges::fill(std::span(damaged).last(kBlock), std::byte{0});
        disk.set_contents(name, std::move(damaged));
      }
    }
    for (const auto at : {At::checkpoint, At::live_record, At::live_done, At::record}) {
      FailingOwner owner(at);
      const auto opened = Journal::open(disk, small_options(), owner);
      ASSERT_FALSE(opened) << static_cast<int>(at);
      EXPECT_EQ(opened.error().code, ErrorCode::unsupported) << opened.error().message;
    }
    EXPECT_TRUE(Life(disk));
  }
}

TEST(JournalOwner, of_a_new_log_may_refuse_to_begin_it) {
  MemoryDirectory disk;
  FailingOwner owner(At::live_done);
  EXPECT_FALSE(Journal::open(disk, small_options(), owner));
  EXPECT_TRUE(disk.snapshot().empty());
}

// ---- asking for what is not there

TEST(JournalEdges, a_size_of_segments_outside_its_bounds_is_refused) {
  for (const std::uint64_t bytes : {kMinSegmentBytes / 2, kMaxSegmentBytes * 2}) {
    MemoryDirectory disk;
    auto options = small_options();
    options.segment_bytes = bytes;
    Life life(disk, options);
    EXPECT_FALSE(life);
    EXPECT_EQ(life.error.code, ErrorCode::invalid) << bytes;
  }
}

TEST(JournalEdges, reading_from_the_disk_where_no_record_can_be_is_an_error) {
  MemoryDirectory disk;
  auto options = small_options();
  options.tail_cache_bytes = 0;
  Life life(disk, options);
  const auto first = life.put("a", pattern(1, 30'000));
  life->commit();
  life.put("b", pattern(2, 50'000));
  life->commit();
  const auto segment = first.value / kSegment * kSegment;
  for (const auto offset : {std::uint64_t{0}, std::uint64_t{kBlock}, first.value % kSegment + 1,
                            kSegment - 8, std::uint64_t{36'864}})
    EXPECT_FALSE(life->read(LogPosition(segment + offset))) << offset;
  EXPECT_FALSE(life->read(LogPosition(99 * kSegment)));
  EXPECT_EQ(life.body(first), pattern(1, 30'000));
  life->trim(kNowhereInLog);
  EXPECT_EQ(life.body(first), pattern(1, 30'000)) << "what was given back is read again";
  for (const std::uint64_t number : {0, 77})
    EXPECT_FALSE(life->for_each_record(number, [](const RecordHead&) {})) << number;
  life->close();
  life->close();
}

TEST(JournalEdges, a_log_in_which_all_lives_offers_nothing_to_clean) {
  MemoryDirectory disk;
  Life life(disk);
  for (int n = 0; n < 3; ++n) {
    const auto position = life.put("h", pattern(1, 40'000));
    life->retain(position, 40'000);
    life->commit();
  }
  EXPECT_FALSE(life->cleaning_candidate(0.1));
  EXPECT_TRUE(life->cleaning_candidate(0.9));
}

// ---- files that are not wanted

TEST(JournalEdges, reserves_and_spares_that_are_too_small_or_too_many_go_at_the_start) {
  MemoryDirectory disk;
  auto options = small_options();
  options.reserve_bytes = 32 << 10;
  {
    Life life(disk, options);
    while (life->prepare().value()) continue;
    EXPECT_EQ(life->statistics().spare_segments, 2u);
  }
  const auto image = disk.snapshot();
  disk.set_contents(kReserveSegment, Bytes(100));
  disk.set_contents(kReserveCheckpoint, Bytes(100));
  for (std::uint64_t n = 50; n < 60; ++n) disk.set_contents(spare_name(n), Bytes(kSegment));
  {
    Life life(disk, options);
    EXPECT_FALSE(disk.exists(kReserveSegment) || disk.exists(kReserveCheckpoint));
    EXPECT_EQ(life->statistics().spare_segments, 3u);
  }
  disk.restore(image);
  Life life(disk);
  EXPECT_FALSE(disk.exists(kReserveSegment) || disk.exists(kReserveCheckpoint))
      << "without a reserve there is none";
  life->expect_checkpoint(1 << 20);
  while (life->prepare().value()) continue;
  EXPECT_EQ(life->statistics().reserve_bytes, 0u) << "nor does one come";
}

// ---- what recovery and verify say of logs of which the most is gone

class JournalRemains : public JournalParity {
 protected:
  void refused(std::string_view part) {
    open(false);
    ASSERT_FALSE(*life_);
    EXPECT_EQ(life_->error.code, ErrorCode::corrupt);
    EXPECT_NE(life_->error.message.find(part), std::string::npos) << life_->error.message;
  }
  void remove(const std::string& name) {
    ASSERT_TRUE(disk_.remove(name));
    ASSERT_TRUE(disk_.sync());
  }
  void checkpoint() {
    std::vector<LiveSegment> live;
    for (const auto& record : records_) {
      const auto number = (*life_)->segment_of(record.position);
      if (live.empty() || live.back().number != number) live.push_back({number, {}});
      live.back().offsets.push_back((*life_)->offset_of(record.position));
    }
    ASSERT_TRUE((*life_)->write_checkpoint(as_bytes("state"), live));
  }
};

TEST_F(JournalRemains, a_checkpoint_without_segments_or_without_its_own_is_no_log) {
  write_log(2);
  checkpoint();
  life_.reset();
  remove(segment_name(3));
  remove(parity_name(1));
  remove(parity_name(2));
  refused("the checkpoint says the log goes on there");
  remove(segment_name(1));
  remove(segment_name(2));
  refused("no segment");
  // It was a failed assertion once.
  const auto report = verify(disk_, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
}

TEST_F(JournalRemains, parity_behind_the_end_proves_nothing_when_it_is_damaged_or_anothers) {
  write_log(2);
  life_.reset();
  disk_.set_contents(parity_name(9), Bytes(100));
  Options other = options();
  (*other.log_id)[0] = std::byte{99};
  MemoryDirectory elsewhere;
  {
    Life life(elsewhere, other);
    for (int n = 0; n < 6; ++n) {
      life.put("h", pattern(1, 30'000));
      life->commit();
    }
    while (life->tend() <= clock_.now()) continue;
  }
  disk_.set_contents(parity_name(8), elsewhere.contents(parity_name(1)));
  disk_.set_contents(parity_name(7), elsewhere.contents(parity_name(2)));
  const auto report = verify(disk_, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  open();
  EXPECT_EQ(life_->recorder.records.size(), records_.size());
  EXPECT_FALSE(disk_.exists(parity_name(9)));
}

TEST_F(JournalRemains, what_the_log_is_can_be_told_by_one_header_or_by_parity_alone) {
  write_log(3);
  life_.reset();
  const auto damage_headers = [&](std::uint64_t from) {
    for (std::uint64_t number = from; number <= 4; ++number) damage(segment_name(number), 20, 8);
  };
  damage_headers(2);
  damage(segment_name(1), 20, 8);
  auto report = verify(disk_, false);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_FALSE(report->healthy());
  // The first parity does not say it either.
  damage(parity_name(1), 0, disk_.contents(parity_name(1)).size());
  report = verify(disk_, true);
  ASSERT_TRUE(report) << report.error().message;
  for (const auto& problem : report->problems) EXPECT_TRUE(problem.repaired) << problem.what;
  disk_.restore(image_);
  for (const std::uint64_t number : {1, 2, 3}) remove(parity_name(number));
  damage_headers(1);
  const auto nothing = verify(disk_, true);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::corrupt);
  EXPECT_NE(nothing.error().hint.find("backup"), std::string::npos);
}

TEST_F(JournalRemains, a_segment_that_is_longer_than_it_should_be_is_told_and_cut) {
  write_log(2);
  life_.reset();
  auto bytes = image_.at(segment_name(1));
  bytes.resize(kSegment + 100);
  disk_.set_contents(segment_name(1), std::move(bytes));
  const auto report = verify(disk_, true);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->problems.size(), 1u);
  EXPECT_EQ(report->problems[0].offset, kSegment);
  EXPECT_TRUE(disk_.contents(segment_name(1)) == image_.at(segment_name(1)));
}

TEST_F(JournalRemains, segments_between_live_ones_may_be_gone_and_their_parity_too) {
  open();
  fill(4);
  tend();
  std::vector<LiveSegment> live;
  for (const auto& record : records_) {
    const auto number = (*life_)->segment_of(record.position);
    if (number != 1 && number != 3) {
      (*life_)->release(record.position, record.body.size());
      continue;
    }
    if (live.empty() || live.back().number != number) live.push_back({number, {}});
    live.back().offsets.push_back((*life_)->offset_of(record.position));
  }
  const auto old_parity = disk_.contents(parity_name(2));
  ASSERT_TRUE((*life_)->write_checkpoint(as_bytes("state"), live));
  ASSERT_FALSE(disk_.exists(segment_name(2)));
  life_.reset();
  // As after a crash before it was removed.
  disk_.set_contents(parity_name(2), old_parity);
  const auto report = verify(disk_, true);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_TRUE(report->healthy()) << report->problems[0].what;
  open();
  EXPECT_EQ(life_->recorder.live.size(), live[0].offsets.size() + live[1].offsets.size());
}

TEST_F(JournalRemains, names_of_segments_that_are_none_all_go) {
  write_log(1);
  life_.reset();
  for (const auto& [name, bytes] : image_)
    if (segment_number(name) || parity_number(name)) remove(name);
  disk_.set_contents(segment_name(5), Bytes(100));
  disk_.set_contents(segment_name(6), image_.at(segment_name(1)));
  const auto report = verify(disk_, true);
  EXPECT_FALSE(report && report->healthy());
}

TEST_F(JournalRemains, a_trailer_that_was_lost_is_no_reason_for_parity) {
  write_log(1);
  ASSERT_TRUE(disk_.remove(parity_name(1)));
  life_.reset();
  damage(segment_name(1), kSegment - kBlock + 12, 8);
  open();
  tend();
  EXPECT_FALSE(disk_.exists(parity_name(1)));
  EXPECT_EQ((*life_)->take_findings().size(), 1u);
}

}  // namespace
}  // namespace penstock::journal
