// An App on a directory of its own, and what the tests wait with.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <penstock/penstock.hpp>
#include <string>

namespace penstock::testing {

using namespace std::chrono_literals;

// Long enough that only a bug reaches it.
inline constexpr Duration kLong = 20s;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("penstock-task-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::remove_all(path_);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Something that happens once, on another thread.
class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    is_set_ = true;
    changed_.notify_all();
  }
  // False when it does not happen.
  [[nodiscard]] bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_set_ = false;
};

// Waits for the token; false when nobody asks to stop.
[[nodiscard]] inline bool wait_for_stop(const std::stop_token& token) {
  Event stopped;
  const std::stop_callback callback(token, [&] { stopped.set(); });
  return stopped.wait();
}

class EmbeddedTest : public ::testing::Test {
 protected:
  void open() { app.emplace(App::embedded(directory.path())); }
  void SetUp() override { open(); }

  TemporaryDirectory directory;
  std::optional<App> app;
};

}  // namespace penstock::testing
