// The shipped server on a file system of its own, which others fill to the last byte: publishes are
// refused with the reason, settling goes on, and when there is space again, so do publishes.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "client/api.h"
#include "test/crash/front.h"
#include "test/faults/control.h"
#include "test/support/free_port.h"
#include "test/support/server_process.h"

namespace penstock::faults {
namespace {

using crash::Outcome;
using std::chrono::milliseconds;

// A small file system that can be filled. Where mounting is not allowed the shim plays it.
class Disk {
 public:
  explicit Disk(std::string folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
    mounted_ = ::unshare(CLONE_NEWNS) == 0 &&
               ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=12m,mode=700") == 0;
    std::filesystem::create_directory(data());
    if (!mounted_) control_.emplace(data());
    fmt::print("the disk is {}\n", mounted_ ? "a tmpfs of 12 MiB" : "played by the shim");
  }
  ~Disk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(folder_);
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  [[nodiscard]] std::string data() const { return folder_ + "/journal"; }
  [[nodiscard]] std::vector<std::string> environment() const {
    return control_ ? control_->environment("") : std::vector<std::string>{};
  }
  // Takes whatever is free, and what became free since the last time.
  void fill() {
    if (control_) {
      control_->recording().freed_bytes = 0;
      control_->recording().disk_full = 1;
      return;
    }
    const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    static constexpr std::array<char, 4096> kBytes{};
    while (::write(fd, kBytes.data(), kBytes.size()) > 0) {
    }
    ::close(fd);
    struct statvfs status {};
    ::statvfs(folder_.c_str(), &status);
    EXPECT_EQ(status.f_bavail, 0u);
  }
  void free_it() {
    if (control_)
      control_->recording().disk_full = 0;
    else
      std::filesystem::remove(filler());
  }

 private:
  [[nodiscard]] std::string filler() const { return folder_ + "/filler"; }

  std::string folder_;
  bool mounted_ = false;
  std::optional<Control> control_;
};

class DiskFullTest : public ::testing::Test {
 protected:
  void start() {
    server_ = std::make_unique<testing::ServerProcess>(
        disk_.data(), fmt::format("127.0.0.1:{}", port_),
        std::vector<std::string>{"--segment", "256KiB", "--max-message", "64KiB", "--disk-reserve",
                                 "256KiB", "--checkpoint-every", "256KiB"},
        true, disk_.environment());
    ASSERT_TRUE(server_->wait_until_ready());
    lives_.begin();
    native_ = crash::native_front(port_, lives_);
    http_ = crash::http_front(port_, lives_);
  }
  void declare() {
    auto client = client::Client::connect({.url = server_->url()});
    ASSERT_TRUE(client) << client.error().message;
    const std::vector<client::OptionText> options{{"max_attempts", "0"}, {"lease", "1m"}};
    for (const auto queue : {crash::kMessages, crash::kTasks})
      ASSERT_TRUE((*client)->call(client::declare(queue, options)));
  }
  [[nodiscard]] crash::Answer publish(crash::Front& front, bool task = false) {
    const auto first = ledger_.open(1, task, false, {});
    crash::Offer offer;
    offer.task = task;
    offer.bodies.push_back(crash::body_of(first));
    auto answer = front.publish(offer);
    ledger_.published(first, answer.outcome, answer.ids);
    EXPECT_EQ(answer.trouble, "");
    return answer;
  }
  // Until the disk is full and this front is told so; the words in which it is.
  [[nodiscard]] std::string publish_until_refused(crash::Front& front) {
    for (int count = 0; count < 20'000; ++count) {
      disk_.fill();
      if (auto answer = publish(front); answer.outcome != Outcome::yes) return answer.refusal;
    }
    return "never refused";
  }
  // Takes and settles all that is there, or about `most`, while the disk is full or not; how many
  // they were.
  [[nodiscard]] std::uint64_t settle(bool full, std::uint64_t most = 1'000'000) {
    std::uint64_t settled = 0;
    for (const bool task : {true, false}) {
      while (settled < most) {
        if (full) disk_.fill();
        const auto asked_at = ledger_.moment();
        const auto haul = native_->take(task, task ? 1 : 50, milliseconds(0));
        EXPECT_EQ(haul.outcome, Outcome::yes) << haul.trouble;
        if (haul.taken.empty()) break;
        std::vector<std::string_view> leases;
        std::vector<std::uint64_t> numbers;
        for (const auto& one : haul.taken) {
          numbers.push_back(ledger_.delivered(one.body, one.id, asked_at));
          ledger_.settle_asked(numbers.back());
          leases.push_back(one.lease);
        }
        const auto answer = task ? native_->done(leases[0], "1") : native_->ack(leases);
        EXPECT_EQ(answer.outcome, Outcome::yes) << answer.trouble;
        if (answer.outcome != Outcome::yes) return settled;
        for (const auto number : numbers) ledger_.settle_confirmed(number);
        settled += numbers.size();
      }
    }
    return settled;
  }

  Disk disk_{(std::filesystem::current_path() / fmt::format("disk-full-{}", ::getpid())).string()};
  std::uint16_t port_ = testing::free_port();
  crash::Lives lives_;
  crash::Ledger ledger_;
  std::unique_ptr<testing::ServerProcess> server_;
  std::unique_ptr<crash::Front> native_, http_;
};

TEST_F(DiskFullTest, PublishesAreRefusedWithTheReasonAndSettlesGoOnToTheLastMessage) {
  start();
  declare();
  for (int count = 0; count < 300; ++count)
    ASSERT_EQ(publish(*native_, count % 30 == 0).outcome, Outcome::yes);

  const auto native = publish_until_refused(*native_);
  EXPECT_TRUE(native.contains("disk is full")) << native;
  const auto http = publish_until_refused(*http_);
  EXPECT_TRUE(http.starts_with("503 ") && http.contains("\"disk\"")) << http;

  const auto first = settle(true, 100);
  EXPECT_GE(first, 100u);
  EXPECT_EQ(server_->end(SIGKILL), -SIGKILL);
  disk_.fill();
  start();  // on a disk that is full still
  EXPECT_GE(first + settle(true), 300u);

  // What was settled made room in the journal; once more, until nothing fits.
  EXPECT_TRUE(publish_until_refused(*native_).contains("disk is full"));
  disk_.free_it();
  for (int count = 0; publish(*native_).outcome != Outcome::yes; ++count) {
    ASSERT_LT(count, 2000) << "space was freed and publishes are refused still";
    ledger_.wait_for_progress(milliseconds(5));
  }
  for (int count = 0; count < 300; ++count)
    ASSERT_EQ(publish(*http_).outcome, Outcome::yes) << "it goes on as if nothing had been";

  EXPECT_EQ(server_->end(SIGKILL), -SIGKILL);
  start();
  EXPECT_GE(settle(false), 300u);
  ledger_.judge();
  for (const auto& what : ledger_.violations()) ADD_FAILURE() << what;
  EXPECT_EQ(server_->end(SIGTERM), 0);
}

// Lines of a program's output, as they come.
class Program {
 public:
  explicit Program(const std::string& command) : output_(::popen(command.c_str(), "r")) {}
  ~Program() {
    if (output_ != nullptr) ::pclose(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Without its end; empty when there are no more.
  [[nodiscard]] std::string line() {
    std::array<char, 1024> bytes{};
    std::string text = std::fgets(bytes.data(), bytes.size(), output_) ? bytes.data() : "";
    if (text.ends_with('\n')) text.pop_back();
    return text;
  }
  [[nodiscard]] int end() { return ::pclose(std::exchange(output_, nullptr)); }

 private:
  std::FILE* output_;
};

TEST_F(DiskFullTest, APublisherOfAmqpIsToldThatItIsBlockedAndGoesOnWhenThereIsRoom) {
  start();
  disk_.fill();
  Program publisher(fmt::format("/usr/bin/python3 -B {}/test/faults/blocked_publisher.py {}",
                                PENSTOCK_SOURCE_DIR, port_));
  const auto blocked = publisher.line();
  EXPECT_TRUE(blocked.starts_with("blocked: ") && blocked.contains("disk is full")) << blocked;
  disk_.free_it();
  EXPECT_EQ(publisher.line(), "unblocked");
  const auto told = publisher.line();
  EXPECT_TRUE(told.contains(" sent, ")) << told;
  fmt::print("{}\n", told);
  EXPECT_EQ(publisher.end(), 0);
  EXPECT_EQ(server_->end(SIGTERM), 0);
}

}  // namespace
}  // namespace penstock::faults
