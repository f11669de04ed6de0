#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>

#include "os/file.h"
#include "os/real_clock.h"

namespace penstock {
namespace {

class PosixDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "penstock-os-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    auto opened = open_directory(root_ + "/a/b");
    ASSERT_TRUE(opened) << opened.error().message;
    directory_ = std::move(*opened);
  }
  void TearDown() override {
    if (!directory_) return;
    const auto names = directory_->list();
    if (names)
      for (const auto& name : *names) ::unlink((root_ + "/a/b/" + name).c_str());
    for (const char* folder : {"/a/b", "/a", ""}) ::rmdir((root_ + folder).c_str());
  }
  [[nodiscard]] unsigned mode_of(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::stat((root_ + name).c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  std::string root_;
  std::unique_ptr<Directory> directory_;
};

TEST_F(PosixDirectoryTest, makes_missing_directories_for_the_owner_only) {
  EXPECT_EQ(mode_of("/a"), 0700u);
  EXPECT_EQ(mode_of("/a/b"), 0700u);
}

TEST_F(PosixDirectoryTest, what_is_written_is_read_back) {
  auto file = directory_->create("file");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_TRUE((*file)->write_at(3, as_bytes("hello")));
  ASSERT_TRUE((*file)->sync());
  auto again = directory_->open("file");
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->size().value_or(0), 8u);
  Bytes bytes(100);
  auto count = (*again)->read_at(0, bytes);
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 8u);
  EXPECT_EQ(as_text(ByteView(bytes).subspan(3, 5)), "hello");
  EXPECT_EQ(mode_of("/a/b/file"), 0600u);
}

TEST_F(PosixDirectoryTest, allocated_space_reads_as_zeros) {
  auto file = directory_->create("file");
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->allocate(100'000));
  EXPECT_EQ((*file)->size().value_or(0), 100'000u);
  Bytes bytes(10, std::byte{1});
  ASSERT_EQ((*file)->read_at(99'995, bytes).value_or(0), 5u);
  EXPECT_EQ(bytes[0], std::byte{0});
}

TEST_F(PosixDirectoryTest, create_refuses_a_name_that_is_taken) {
  ASSERT_TRUE(directory_->create("file"));
  auto again = directory_->create("file");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

TEST_F(PosixDirectoryTest, open_of_a_missing_file_names_it) {
  auto file = directory_->open("nothing");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::not_found);
  EXPECT_NE(file.error().message.find("/a/b/nothing"), std::string::npos);
}

TEST_F(PosixDirectoryTest, never_follows_a_symbolic_link) {
  ASSERT_TRUE(directory_->create("target"));
  ASSERT_EQ(::symlink("target", (root_ + "/a/b/link").c_str()), 0);
  auto file = directory_->open("link");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::denied);
}

TEST_F(PosixDirectoryTest, rename_replaces_and_remove_removes) {
  ASSERT_TRUE(directory_->create("one"));
  ASSERT_TRUE(directory_->create("two"));
  ASSERT_TRUE(directory_->rename("one", "two"));
  ASSERT_TRUE(directory_->sync());
  auto names = directory_->list();
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, std::vector<std::string>{"two"});
  ASSERT_TRUE(directory_->remove("two"));
  EXPECT_FALSE(directory_->remove("two"));
  EXPECT_GT(directory_->free_bytes().value_or(0), 0u);
}

TEST_F(PosixDirectoryTest, a_locked_directory_names_the_process_that_holds_it) {
  auto first = directory_->lock();
  ASSERT_TRUE(first) << first.error().message;
  auto other = open_directory(root_ + "/a/b");
  ASSERT_TRUE(other);
  auto second = (*other)->lock();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  EXPECT_FALSE(second.error().hint.empty());
  first->reset();
  EXPECT_TRUE((*other)->lock());
}

TEST_F(PosixDirectoryTest, a_directory_that_is_a_file_is_an_error) {
  ASSERT_TRUE(directory_->create("file"));
  EXPECT_FALSE(open_directory(root_ + "/a/b/file"));
  EXPECT_FALSE(open_directory(root_ + "/a/b/file/below"));
}

TEST_F(PosixDirectoryTest, a_small_file_is_read_as_a_whole_or_not_at_all) {
  const auto path = root_ + "/a/b/small";
  ASSERT_TRUE(directory_->create("small").value()->write_at(0, as_bytes("certificate")));
  EXPECT_EQ(read_small_file(path, 11).value(), "certificate");
  const auto large = read_small_file(path, 10);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::too_large);
  EXPECT_EQ(large.error().message, "open " + path + ": it has more than 10 bytes");
  const auto missing = read_small_file(path + "er", 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_TRUE(missing.error().message.contains(path + "er: No such file"));
  EXPECT_FALSE(read_small_file(root_, 10)) << "a folder";
}

TEST(SmallFile, MayBeAPipe) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer([&] {
    EXPECT_EQ(::write(ends[1], "sec", 3), 3);
    EXPECT_EQ(::write(ends[1], "ret", 3), 3);
    ::close(ends[1]);
  });
  EXPECT_EQ(read_small_file("/dev/fd/" + std::to_string(ends[0]), 10).value(), "secret");
  writer.join();
  ::close(ends[0]);
}

TEST(RealRandom, gives_other_numbers_every_time) {
  auto one = make_real_random();
  auto two = make_real_random();
  const auto first = one->next();
  EXPECT_NE(first, one->next());
  EXPECT_NE(first, two->next());
  EXPECT_LT(one->below(10), 10u);
}

TEST(SecureRandom, fills_all_bytes) {
  Bytes bytes(1000);
  secure_random(bytes.data(), bytes.size());
  EXPECT_LT(std::count(bytes.begin(), bytes.end(), std::byte{0}), 50);
}

TEST(RealClock, never_goes_back) {
  auto clock = make_real_clock();
  auto last = clock->now();
  EXPECT_GT(micros(last), 1'600'000'000'000'000);
  for (int i = 0; i < 1000; ++i) {
    const auto now = clock->now();
    EXPECT_LE(last, now);
    last = now;
  }
}

}  // namespace
}  // namespace penstock
