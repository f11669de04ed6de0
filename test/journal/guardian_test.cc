// When parity is made, when all is read over, and what happens when a segment is recycled
// meanwhile.
#include <functional>

#include "journal/journal.h"
#include "test/journal/parity_fixture.h"

namespace penstock::journal {
namespace {

// Does what it is told in the middle of the next read of a segment; else it is the directory given.
class Interrupting : public Directory {
 public:
  explicit Interrupting(Directory& inner) : inner_(inner) {}
  std::function<void()> at_next_read;

  Result<std::unique_ptr<File>> open(const std::string& name) override {
    auto file = inner_.open(name);
    if (!file) return file;
    return std::make_unique<Reading>(*this, std::move(*file));
  }
  Result<std::unique_ptr<File>> create(const std::string& n) override { return inner_.create(n); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return inner_.rename(from, to);
  }
  Result<void> remove(const std::string& name) override { return inner_.remove(name); }
  Result<std::vector<std::string>> list() override { return inner_.list(); }
  Result<void> sync() override { return inner_.sync(); }
  Result<std::uint64_t> free_bytes() override { return inner_.free_bytes(); }
  Result<std::unique_ptr<DirectoryLock>> lock() override { return inner_.lock(); }
  std::string path() const override { return inner_.path(); }

 private:
  class Reading : public File {
   public:
    Reading(Interrupting& directory, std::unique_ptr<File> file)
        : directory_(directory), file_(std::move(file)) {}
    Result<void> write_at(std::uint64_t at, ByteView data) override {
      return file_->write_at(at, data);
    }
    Result<std::size_t> read_at(std::uint64_t at, std::span<std::byte> into) const override {
      const auto what = std::exchange(directory_.at_next_read, nullptr);
      auto count = file_->read_at(at, into);
      if (what) what();
      return count;
    }
    Result<void> sync() override { return file_->sync(); }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Result<void> allocate(std::uint64_t bytes) override { return file_->allocate(bytes); }

   private:
    Interrupting& directory_;
    std::unique_ptr<File> file_;
  };
  Directory& inner_;
};

using JournalGuardian = JournalParity;

TEST_F(JournalGuardian, is_made_of_every_sealed_segment_and_of_no_other) {
  write_log(3);
  for (const std::uint64_t number : {1, 2, 3}) {
    const auto parity = Parity::load(disk_, number);
    ASSERT_TRUE(parity) << parity.error().message;
    EXPECT_FALSE(parity->worn());
    EXPECT_EQ(disk_.contents(parity_name(number)).size(), parity->geometry().file_bytes());
  }
  EXPECT_FALSE(disk_.exists(parity_name(4)));
  EXPECT_FALSE(disk_.exists(kParityTemporary));
  EXPECT_EQ(statistics().parity_files, 3u);
  EXPECT_GT(statistics().parity_bytes, 0u);
  const auto before = disk_.operations();
  tend();
  EXPECT_EQ(disk_.operations(), before) << "nothing is left to be done";
}

TEST_F(JournalGuardian, that_was_not_made_before_the_end_is_made_at_the_next_start) {
  open();
  fill(3);
  open();
  tend();
  EXPECT_EQ(statistics().parity_files, 3u);
  open();
  EXPECT_EQ(statistics().parity_files, 3u);
  const auto before = disk_.operations();
  tend();
  EXPECT_EQ(disk_.operations(), before) << "what is there is good";
}

TEST_F(JournalGuardian, does_not_touch_what_is_beyond_repair_and_names_it_once) {
  write_log(2);
  const auto first = records_[0];
  damage(segment_name(1), first.position.value % kSegment + 40, 10);
  damage(segment_name(1), 9 * kBlock, 10);
  const auto damaged = disk_.contents(segment_name(1));
  scrub();
  scrub();
  EXPECT_TRUE(disk_.contents(segment_name(1)) == damaged);
  EXPECT_EQ(statistics().damaged_blocks, 2u);
  EXPECT_EQ(statistics().repaired_blocks, 0u);
  const auto findings = (*life_)->take_findings();
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].kind, Finding::Kind::damaged);
  EXPECT_EQ(findings[1].offset, 9u * kBlock);
  const auto body = life_->body(first.position);
  EXPECT_TRUE(body.starts_with("error: ")) << body;
  EXPECT_NE(body.find(segment_name(1)), std::string::npos);
}

TEST_F(JournalGuardian, that_is_damaged_itself_is_found_and_made_anew_whichever_byte_it_is) {
  write_log(1);
  const auto size = disk_.contents(parity_name(1)).size();
  for (std::uint64_t at = 0; at < size; at += 61) {
    disk_.restore(image_);
    damage(parity_name(1), at, 1);
    open();
    expect_bodies();
    tend();
    scrub();
    expect_as_it_was();
    ASSERT_FALSE(HasFailure()) << at;
  }
}

TEST_F(JournalGuardian, goes_with_its_segment_when_that_is_recycled) {
  write_log(3);
  for (const auto& record : records_) (*life_)->release(record.position, record.body.size());
  ASSERT_TRUE((*life_)->write_checkpoint({}, {}));
  EXPECT_FALSE(disk_.exists(segment_name(1)));
  for (const std::uint64_t number : {1, 2, 3}) EXPECT_FALSE(disk_.exists(parity_name(number)));
  EXPECT_EQ(statistics().parity_files, 0u);
}

TEST_F(JournalGuardian, without_a_segment_is_removed_at_the_start_and_so_is_a_half_made_one) {
  write_log(2);
  for (const auto& record : records_) (*life_)->release(record.position, record.body.size());
  ASSERT_TRUE((*life_)->write_checkpoint({}, {}));
  disk_.set_contents(parity_name(1), image_.at(parity_name(1)));
  disk_.set_contents(kParityTemporary, Bytes(100));
  open();
  EXPECT_FALSE(disk_.exists(parity_name(1)));
  EXPECT_FALSE(disk_.exists(kParityTemporary));
}

TEST_F(JournalGuardian, under_way_never_touches_a_segment_that_is_recycled_meanwhile) {
  segment_bytes_ = 2 << 20;
  // `ahead` steps of the background's work, and then the segment is given up.
  for (int ahead = 0; ahead < 7; ++ahead) {
    for (const bool scrubbing : {false, true}) {
      life_.reset();
      disk_.restore({});
      records_.clear();
      open();
      fill(1);
      if (scrubbing) {
        tend();
        damage(segment_name(1), 100 * kBlock, 30);
        clock_.forward(2 * kHour);
      }
      for (int n = 0; n < ahead; ++n) {
        static_cast<void>((*life_)->tend());
        clock_.forward(std::chrono::milliseconds(200));
      }
      for (const auto& record : records_) (*life_)->release(record.position, record.body.size());
      ASSERT_TRUE((*life_)->write_checkpoint({}, {}));
      const auto before = disk_.snapshot();
      for (int n = 0; n < 20; ++n) {
        static_cast<void>((*life_)->tend());
        clock_.forward(std::chrono::milliseconds(200));
      }
      auto after = disk_.snapshot();
      after.erase(kParityTemporary);
      auto expected = before;
      expected.erase(kParityTemporary);
      EXPECT_TRUE(after == expected) << ahead << scrubbing;
      EXPECT_EQ(statistics().damaged_blocks, 0u);
      EXPECT_FALSE(disk_.exists(parity_name(1)));
    }
  }
}

TEST_F(JournalGuardian, repairs_nothing_in_a_segment_that_is_recycled_while_the_damage_is_read) {
  Interrupting directory(disk_);
  for (int read = 0; read < 6; ++read) {
    life_.reset();
    disk_.restore({});
    records_.clear();
    life_.emplace(directory, options());
    fill(1);
    tend();
    damage(segment_name(1), 5 * kBlock, 30);
    clock_.forward(2 * kHour);
    std::map<std::string, Bytes> after_recycling;
    const auto recycle = [&] {
      for (const auto& record : records_) (*life_)->release(record.position, record.body.size());
      ASSERT_TRUE((*life_)->write_checkpoint({}, {}));
      ASSERT_FALSE(disk_.exists(segment_name(1)));
      after_recycling = disk_.snapshot();
    };
    // The scrub reads header and table of the parity, the trailer, then what is damaged.
    std::function<void()> count_down;
    int left = read;
    count_down = [&] {
      if (left-- == 0) return recycle();
      directory.at_next_read = count_down;
    };
    directory.at_next_read = count_down;
    for (int n = 0; n < 5; ++n) {
      static_cast<void>((*life_)->tend());
      clock_.forward(std::chrono::milliseconds(200));
    }
    ASSERT_FALSE(after_recycling.empty());
    EXPECT_TRUE(disk_.snapshot() == after_recycling) << read;
    EXPECT_EQ(statistics().repaired_blocks, 0u);
  }
}

TEST_F(JournalGuardian, waits_for_room_on_the_disk_and_leaves_the_reserves_alone) {
  open();
  fill(2);
  std::uint64_t used = 0;
  for (const auto& [name, bytes] : disk_.snapshot()) used += bytes.size();
  disk_.set_capacity(used + kSegment);
  tend();
  EXPECT_EQ(statistics().parity_files, 0u);
  EXPECT_EQ(statistics().parity_put_off, 1u);
  EXPECT_FALSE(disk_.exists(kParityTemporary));
  disk_.set_capacity(1 << 30);
  clock_.forward(kHour / 10);
  tend();
  EXPECT_EQ(statistics().parity_files, 2u);
  EXPECT_TRUE((*life_)->take_findings().empty()) << "a full disk is told elsewhere";
}

TEST_F(JournalGuardian, that_cannot_be_written_is_told_and_tried_again_whatever_failed) {
  open();
  fill(1);
  const auto image = disk_.snapshot();
  for (std::uint64_t n = 1;; ++n) {
    disk_.restore(image);
    open();
    const auto first = disk_.operations() + n;
    disk_.fail_at(first, ErrorCode::io);
    if (n == 10) {
      // The directory's: what it did not keep may be the owner's as well.
      EXPECT_DEATH(tend(), "sync");
      break;
    }
    tend();
    disk_.clear_faults();
    EXPECT_EQ(statistics().parity_put_off, 1u) << n;
    ASSERT_EQ((*life_)->take_findings().size(), 1u);
    clock_.forward(kHour / 10);
    tend();
    EXPECT_EQ(statistics().parity_files, 1u) << n;
    EXPECT_FALSE(disk_.exists(kParityTemporary)) << n;
  }
}

TEST_F(JournalGuardian, is_not_made_when_it_is_switched_off_but_what_is_there_is_used) {
  write_log(1);
  damage(segment_name(1), 3 * kBlock, 9);
  auto off = options();
  off.parity = false;
  life_.reset();
  life_.emplace(disk_, off);
  fill(2);
  scrub();
  EXPECT_TRUE(disk_.contents(segment_name(1)) == image_.at(segment_name(1)));
  EXPECT_FALSE(disk_.exists(parity_name(2)));
  EXPECT_EQ(statistics().scrubbed_blocks, 2 * kSegment / kBlock) << "both are read over";
  damage(segment_name(2), 3 * kBlock + 200, 9);
  scrub();
  EXPECT_EQ(statistics().damaged_blocks, 1u);
}

TEST_F(JournalGuardian, is_read_over_once_an_interval_at_a_pace) {
  segment_bytes_ = 2 << 20;
  write_log(3);
  EXPECT_EQ(statistics().scrubs, 0u);
  EXPECT_GT((*life_)->tend(), clock_.now() + kHour / 2) << "not at once";
  const auto begin = (*life_)->tend();
  clock_.forward(begin - clock_.now());
  const auto next = (*life_)->tend();
  EXPECT_EQ(next - begin, std::chrono::milliseconds(100));
  scrub();
  EXPECT_EQ(statistics().scrubs, 1u);
  EXPECT_EQ(statistics().scrubbed_blocks, 3u * (2 << 20) / kBlock);
  EXPECT_EQ(statistics().last_scrub_micros, static_cast<std::uint64_t>(micros(clock_.now())));
  EXPECT_EQ((*life_)->tend(), begin + 24 * kHour);
}

TEST_F(JournalGuardian, is_never_read_over_with_an_interval_of_zero) {
  auto never = options();
  never.scrub_interval = Duration::zero();
  life_.emplace(disk_, never);
  fill(1);
  tend();
  EXPECT_EQ((*life_)->tend(), Time::max());
}

}  // namespace
}  // namespace penstock::journal
