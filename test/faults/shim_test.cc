// The shim and the disk image, by themselves: what they say was lost must be what was not synced,
// and nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "test/faults/control.h"
#include "test/faults/disk_image.h"

namespace penstock::faults {
namespace {

using Steps = std::vector<std::string>;

class ShimTest : public testing::Test {
 protected:
  ShimTest() : folder_(make_folder()), data_(folder_ + "/data"), control_(data_) {
    std::filesystem::create_directory(data_);
    control_.recording().keeps_changes = 1;
    image_.emplace(data_);
  }
  ~ShimTest() override { std::filesystem::remove_all(folder_); }

  // Runs the scribbler to its end, which is a SIGKILL when it is to die; what it printed.
  Steps run(Steps steps, const std::string& plan = "", bool dies = true) {
    const auto out = folder_ + "/out";
    steps.insert(steps.begin(), {scribbler(), data_});
    if (dies) steps.emplace_back("die");
    std::vector<char*> arguments, environment;
    for (auto& step : steps) arguments.push_back(step.data());
    auto variables = control_.environment(plan);
    for (auto& variable : variables) environment.push_back(variable.data());
    arguments.push_back(nullptr);
    environment.push_back(nullptr);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                       0600);
    ::pid_t pid = -1;
    EXPECT_EQ(
        ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environment.data()),
        0);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, dies);
    Steps lines;
    std::ifstream file(out);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }
  // After a run: the recording must be what happened; then the power is cut.
  void cut(Survivors survivors) {
    EXPECT_EQ(image_->take_in(control_.recording()), "");
    (void)image_->cut(survivors, random_);
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    if (!std::filesystem::exists(data_ + "/" + name)) return "(not there)";
    std::ifstream file(data_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::mt19937_64 random_{7};
  std::string folder_, data_;
  Control control_;
  std::optional<DiskImage> image_;

 private:
  static std::string make_folder() {
    std::string folder = std::filesystem::current_path() / "shim-test-XXXXXX";
    return ::mkdtemp(folder.data());
  }
  static std::string scribbler() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "scribbler";
  }
};

std::string letters(std::size_t count, char letter) {
  return std::string(count, letter);
}

const Steps kDurableA{"create:a", "write:a:0:8192:A", "sync:a", "sync-directory"};

Steps then(Steps first, const Steps& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

TEST_F(ShimTest, WhatWasSyncedSurvivesAndWhatWasNotIsLost) {
  run(then(kDurableA, {"write:a:4096:8192:B"}));
  EXPECT_EQ(content("a"), letters(4096, 'A') + letters(8192, 'B')) << "a kill alone loses nothing";
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
}

TEST_F(ShimTest, WritesThatAreNotAlignedAreRecordedAsWellAsDirectOnes) {
  run(then(kDurableA, {"write:a:100:50:B", "sync:a", "write:a:100:9:C"}));
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(100, 'A') + letters(50, 'B') + letters(8042, 'A'));
}

TEST_F(ShimTest, ANameIsDurableWhenTheDirectoryWasSynced) {
  run({"create:a", "write:a:0:4096:A", "sync:a"});
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), "(not there)");
  run(kDurableA);
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
}

TEST_F(ShimTest, RenamesAndRemovalsAreTakenBack) {
  run(then(kDurableA,
           {"create:b", "write:b:0:4096:B", "sync:b", "sync-directory", "rename:b:c", "remove:a"}));
  EXPECT_EQ(content("a"), "(not there)");
  EXPECT_EQ(content("c"), letters(4096, 'B'));
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
  EXPECT_EQ(content("b"), letters(4096, 'B'));
  EXPECT_EQ(content("c"), "(not there)");
}

TEST_F(ShimTest, NamesMaySurviveWithoutTheirContent) {
  run({"create:a", "allocate:a:8192", "write:a:0:4096:A"});
  cut(Survivors::names);
  EXPECT_EQ(content("a"), "");
  run({"create:b", "write:b:0:4096:A", "sync-directory"});
  cut(Survivors::sizes);
  EXPECT_EQ(content("b"), letters(4096, '\0'));
}

TEST_F(ShimTest, ASectorIsOldOrNew) {
  run(then(kDurableA, {"write:a:0:8192:B"}));
  cut(Survivors::sectors);
  const auto bytes = content("a");
  ASSERT_EQ(bytes.size(), 8192u);
  for (std::size_t at = 0; at < bytes.size(); at += 512)
    EXPECT_EQ(bytes.substr(at, 512), letters(512, bytes[at])) << at;
  EXPECT_NE(bytes, letters(8192, 'A'));
  EXPECT_NE(bytes, letters(8192, 'B'));
}

TEST_F(ShimTest, WhatAnEarlierLifeDidNotSyncIsStillLostByALaterCut) {
  run(then(kDurableA, {"write:a:0:4096:B"}));
  EXPECT_EQ(image_->take_in(control_.recording()), "");
  run({"open:a", "write:a:4096:4096:C"});
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
}

TEST_F(ShimTest, ASyncInALaterLifeMakesAnEarlierOnesWritesDurable) {
  run(then(kDurableA, {"write:a:0:4096:B"}));
  EXPECT_EQ(image_->take_in(control_.recording()), "");
  run({"open:a", "sync:a"});
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(4096, 'B') + letters(4096, 'A'));
}

TEST_F(ShimTest, TheNthCallFailsOnceOrForEver) {
  const Steps steps = then(kDurableA, {"write:a:0:4096:B", "write:a:0:4096:C", "write:a:0:4096:D"});
  const std::string failed = "write " + data_ + "/a: No space left on device";
  const auto once = run(steps, "write:2:ENOSPC");
  EXPECT_EQ(once, (Steps{"ok", "ok", "ok", "ok", failed, "ok", "ok"}));
  EXPECT_EQ(control_.recording().struck, 1u);
  cut(Survivors::everything);
  control_.recording().planned_calls = 0;
  EXPECT_EQ(run({"open:a", "write:a:0:4096:B", "write:a:0:4096:C"}, "write:1+:ENOSPC"),
            (Steps{"ok", failed, failed}));
}

TEST_F(ShimTest, WhatAFailedSyncCoveredIsNotDurableByALaterOne) {
  const auto said = run(
      then(kDurableA, {"write:a:0:4096:B", "sync:a", "sync:a", "write:a:4096:4096:C", "sync:a"}),
      "fdatasync:2:EIO");
  EXPECT_EQ(said[5], "sync " + data_ + "/a: Input/output error");
  EXPECT_EQ(said[6], "ok") << "as the kernel has it: the error is told once";
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(4096, 'A') + letters(4096, 'C'));
}

TEST_F(ShimTest, AFailedSyncOfTheDirectoryIsNotForgotten) {
  const auto said = run({"create:a", "sync-directory", "sync-directory"}, "fsync:1:EIO");
  EXPECT_EQ(said[1], "sync directory " + data_ + ": Input/output error");
  EXPECT_EQ(said[2], said[1]) << "another thread's changes may be among those that are lost";
}

TEST_F(ShimTest, ATornWriteIsHalfThere) {
  run(then(kDurableA, {"write:a:0:8192:B"}), "write:2:torn");
  EXPECT_EQ(content("a"), letters(4096, 'B') + letters(4096, 'A'));
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
}

TEST_F(ShimTest, ShortAndInterruptedWritesAreGoneOnWith) {
  for (const auto* plan : {"write:2:short", "write:2:EINTR"}) {
    control_.recording().planned_calls = 0;
    const auto said = run(then(kDurableA, {"write:a:0:8192:B", "sync:a", "remove:a"}), plan);
    EXPECT_EQ(said, Steps(7, "ok")) << plan;
    EXPECT_EQ(image_->take_in(control_.recording()), "") << plan;
  }
  EXPECT_EQ(control_.recording().struck, 2u);
}

TEST_F(ShimTest, TheLockFileTakesAShortOrInterruptedWriteToo) {
  for (const auto* plan : {"write:1:short", "write:1:EINTR"}) {
    control_.recording().planned_calls = 0;
    EXPECT_EQ(run({"lock"}, plan), Steps{"ok"}) << plan;
    const auto number = content("LOCK");
    EXPECT_TRUE(number.ends_with('\n') && std::stoi(number) > 1) << number;
  }
  EXPECT_EQ(control_.recording().struck, 2u);
}

TEST_F(ShimTest, AFullDiskThatHasNoBlockForTheLockFileIsLockedWithoutANumber) {
  EXPECT_EQ(run({"lock"}, "write:1:ENOSPC"), Steps{"ok"});
  EXPECT_EQ(control_.recording().struck, 1u);
  EXPECT_EQ(content("LOCK"), "");
}

TEST_F(ShimTest, DeathComesBeforeOrAfterTheCall) {
  run(kDurableA, "fdatasync:1:before");
  cut(Survivors::contents);
  EXPECT_EQ(content("a"), "(not there)");
  control_.recording().planned_calls = 0;
  run(then(kDurableA, {"rename:a:b"}), "rename:1:after");
  EXPECT_EQ(content("b"), letters(8192, 'A'));
  cut(Survivors::nothing);
  EXPECT_EQ(content("a"), letters(8192, 'A'));
}

TEST_F(ShimTest, ThreadsThatWriteAtOnceAreRecordedAsTheyWrote) {
  run({"create:a", "create:b", "create:c", "sync-directory", "many:a", "many:b", "many:c"},
      "write:300:before");
  EXPECT_EQ(image_->take_in(control_.recording()), "");
  (void)image_->cut(Survivors::nothing, random_);
  for (const auto* name : {"a", "b", "c"}) {
    const auto bytes = content(name);
    EXPECT_EQ(bytes.size() % (4 * 4096), 0u) << "only whole syncs of four blocks are durable";
    for (std::size_t block = 0; block * 4096 < bytes.size(); ++block)
      EXPECT_EQ(bytes.substr(block * 4096, 4096),
                letters(4096, static_cast<char>('a' + block % 26)));
  }
}

TEST_F(ShimTest, AFullDiskTakesNothingThatGrows) {
  run(kDurableA);
  control_.recording().disk_full = 1;
  const auto full = ": No space left on device";
  EXPECT_EQ(run({"open:a", "write:a:0:8192:B", "write:a:4096:8192:B", "allocate:a:16384"}),
            (Steps{"ok", "ok", "write " + data_ + "/a" + full, "allocate " + data_ + "/a" + full}));
}

}  // namespace
}  // namespace penstock::faults
