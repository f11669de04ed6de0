// Format version 1, as it was when it was new: a later program must read what this one wrote.
// The directory was written by PENSTOCK_WRITE_GOLDEN=DIR test_journal
// --gtest_filter=JournalGolden.*
#include <cstdlib>

#include "journal/journal.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

const std::string kGolden = PENSTOCK_SOURCE_DIR "/test/golden/journal-v1";

std::string head_of(int i) {
  return "message " + std::to_string(i);
}
std::string body_of(int i) {
  return pattern(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i * 131 % 3000));
}
bool lives(int i) {
  return i % 4 == 0;
}
constexpr int kCovered = 100;  // by the checkpoint
constexpr int kAll = 130;

void write_golden(Directory& directory) {
  auto options = small_options();
  options.spare_segments = 0;
  Life life(directory, options);
  ASSERT_TRUE(life) << life.error.message;
  std::vector<LiveSegment> live;
  for (int i = 0; i < kAll; ++i) {
    if (i == kCovered) {
      ASSERT_TRUE(life->write_checkpoint(as_bytes("golden state"), live));
    }
    const auto position = life.put(head_of(i), body_of(i), static_cast<std::uint8_t>(i % 10));
    if (lives(i) && i < kCovered && i > 50) {
      if (live.empty() || live.back().number != life->segment_of(position))
        live.push_back({life->segment_of(position), {}});
      live.back().offsets.push_back(life->offset_of(position));
    }
    if (i % 3 == 0) life->commit();
  }
  life->close();
}

void copy(Directory& from, Directory& to) {
  const auto names = from.list();
  ASSERT_TRUE(names);
  for (const auto& name : *names) {
    auto source = from.open(name);
    ASSERT_TRUE(source);
    Bytes bytes((*source)->size().value());
    ASSERT_EQ((*source)->read_at(0, bytes).value(), bytes.size());
    auto target = to.create(name);
    ASSERT_TRUE(target) << target.error().message;
    ASSERT_TRUE((*target)->write_at(0, bytes));
  }
}

TEST(JournalGolden, format_version_1_reads_as_it_was_written) {
  if (const char* path = std::getenv("PENSTOCK_WRITE_GOLDEN")) {
    MemoryDirectory disk;
    write_golden(disk);
    auto directory = open_directory(path);
    ASSERT_TRUE(directory);
    copy(disk, **directory);
  }
  auto golden = open_directory(kGolden);
  ASSERT_TRUE(golden) << golden.error().message;
  MemoryDirectory disk;
  copy(**golden, disk);
  auto options = small_options();
  options.log_id.reset();
  Life life(disk, options);
  ASSERT_TRUE(life) << life.error.message;
  EXPECT_TRUE(life->report().clean);
  EXPECT_EQ(life.recorder.state, "golden state");
  std::vector<int> expected_live;
  for (int i = 51; i < kCovered; ++i)
    if (lives(i)) expected_live.push_back(i);
  ASSERT_EQ(life.recorder.live.size(), expected_live.size());
  ASSERT_EQ(life.recorder.records.size(), static_cast<std::size_t>(kAll - kCovered));
  const auto expect = [&](const Seen& seen, int i) {
    EXPECT_EQ(seen.head, head_of(i));
    EXPECT_EQ(seen.kind, i % 10);
    EXPECT_EQ(life.body(seen.position), body_of(i));
  };
  for (std::size_t i = 0; i < expected_live.size(); ++i)
    expect(life.recorder.live[i], expected_live[i]);
  for (int i = kCovered; i < kAll; ++i)
    expect(life.recorder.records[static_cast<std::size_t>(i - kCovered)], i);
}

TEST(JournalGolden, this_program_still_writes_version_1_byte_for_byte) {
  MemoryDirectory disk;
  write_golden(disk);
  auto golden = open_directory(kGolden);
  ASSERT_TRUE(golden) << golden.error().message;
  MemoryDirectory expected;
  copy(**golden, expected);
  const auto written = disk.snapshot();
  const auto kept = expected.snapshot();
  ASSERT_EQ(written.size(), kept.size());
  for (const auto& [name, bytes] : kept)
    EXPECT_TRUE(written.contains(name) && written.at(name) == bytes) << name;
}

}  // namespace
}  // namespace penstock::journal
