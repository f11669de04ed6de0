#include "os/memory_directory.h"

#include <gtest/gtest.h>

namespace penstock {
namespace {

using Survivors = MemoryDirectory::Survivors;

class Counting : public Random {
 public:
  std::uint64_t next() override {
    return state_ = state_ * 6364136223846793005 + 1442695040888963407, state_ >> 33;
  }

 private:
  std::uint64_t state_ = 1;
};

Bytes filled(std::size_t count, int value) {
  return Bytes(count, static_cast<std::byte>(value));
}

// A file "f" of four sectors of ones, durable, overwritten with twos that are not.
struct Overwritten {
  MemoryDirectory disk;
  Counting random;
  std::unique_ptr<File> file;
  Overwritten() {
    disk.set_contents("f", filled(2048, 1));
    file = std::move(*disk.open("f"));
    EXPECT_TRUE(file->write_at(0, filled(2048, 2)));
  }
};

TEST(MemoryDirectory, loses_what_was_not_synced) {
  Overwritten test;
  test.disk.crash(Survivors::nothing, test.random);
  EXPECT_EQ(test.disk.contents("f"), filled(2048, 1));
}

TEST(MemoryDirectory, keeps_what_was_synced) {
  Overwritten test;
  ASSERT_TRUE(test.file->sync());
  test.disk.crash(Survivors::nothing, test.random);
  EXPECT_EQ(test.disk.contents("f"), filled(2048, 2));
}

TEST(MemoryDirectory, keeps_everything_when_only_the_process_dies) {
  Overwritten test;
  test.disk.process_death();
  EXPECT_EQ(test.disk.contents("f"), filled(2048, 2));
  test.disk.crash(Survivors::nothing, test.random);
  EXPECT_EQ(test.disk.contents("f"), filled(2048, 1)) << "but it was dirty still";
}

TEST(MemoryDirectory, may_keep_any_sector_and_lose_any_other) {
  bool mixed = false;
  Counting random;
  for (int i = 0; i < 50 && !mixed; ++i) {
    Overwritten test;
    test.disk.crash(Survivors::random_sectors, random);
    const auto bytes = test.disk.contents("f");
    for (std::size_t at = 0; at < bytes.size(); at += 512)
      EXPECT_TRUE(std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                             bytes.begin() + static_cast<std::ptrdiff_t>(at + 512),
                             filled(512, static_cast<int>(bytes[at])).begin()));
    mixed = bytes[0] < bytes[512];
  }
  EXPECT_TRUE(mixed) << "a later sector survived, an earlier one not";
}

TEST(MemoryDirectory, forgets_a_file_whose_directory_was_not_synced) {
  MemoryDirectory disk;
  Counting random;
  auto file = disk.create("new");
  ASSERT_TRUE((*file)->write_at(0, filled(10, 1)));
  ASSERT_TRUE((*file)->sync());
  disk.crash(Survivors::nothing, random);
  EXPECT_FALSE(disk.exists("new"));
}

TEST(MemoryDirectory, brings_back_a_removed_file_whose_directory_was_not_synced) {
  MemoryDirectory disk;
  Counting random;
  disk.set_contents("f", filled(10, 1));
  ASSERT_TRUE(disk.remove("f"));
  EXPECT_FALSE(disk.exists("f"));
  disk.crash(Survivors::nothing, random);
  EXPECT_EQ(disk.contents("f"), filled(10, 1));
}

TEST(MemoryDirectory, fails_the_operation_that_is_named) {
  MemoryDirectory disk;
  auto file = disk.create("f");
  disk.fail_at(disk.operations() + 2, ErrorCode::io);
  EXPECT_TRUE((*file)->write_at(0, filled(10, 1)));
  auto failed = (*file)->write_at(0, filled(10, 1));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::io);
  EXPECT_TRUE((*file)->sync());
}

TEST(MemoryDirectory, cuts_the_power_at_the_operation_that_is_named) {
  MemoryDirectory disk;
  auto file = disk.create("f");
  disk.cut_power_at(disk.operations() + 1);
  EXPECT_THROW(static_cast<void>((*file)->sync()), MemoryDirectory::PowerCut);
}

TEST(MemoryDirectory, is_full_when_its_capacity_is_used) {
  MemoryDirectory disk(1000);
  auto file = disk.create("f");
  ASSERT_TRUE((*file)->allocate(900));
  EXPECT_EQ(disk.free_bytes().value_or(0), 100u);
  auto full = (*file)->write_at(950, filled(100, 1));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::full);
  EXPECT_TRUE((*file)->write_at(800, filled(100, 1)));
}

}  // namespace
}  // namespace penstock
