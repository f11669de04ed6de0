// A server in a process of its own, for programs that look at one from outside: benchmarks, and
// the test that kills it.
//
// Threads: one owner. Lifetime: the destructor asks it to end and waits for that.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace penstock::testing {

// The `penstock` in the folder of this program, or in one above it.
[[nodiscard]] inline std::string program_nearby() {
  auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (; folder.has_relative_path(); folder = folder.parent_path())
    if (std::filesystem::is_regular_file(folder / "penstock")) return folder / "penstock";
  std::fprintf(stderr, "there is no program `penstock` above this one; build it first\n");
  std::exit(1);
}

// A `penstock` with these arguments. Its output is added to the file `log`, and descriptor 3 of it
// is `ready`; it inherits no other descriptor. `more_environment`: NAME=VALUE, beside ours.
[[nodiscard]] inline ::pid_t spawn_penstock(std::vector<std::string> words, const std::string& log,
                                            int ready,
                                            std::vector<std::string> more_environment = {}) {
  words.insert(words.begin(), program_nearby());
  std::vector<char*> arguments, environment;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  for (auto& pair : more_environment) environment.push_back(pair.data());
  for (char** pair = environ; *pair != nullptr; ++pair) environment.push_back(*pair);
  environment.push_back(nullptr);
  ::posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (ready >= 0) ::posix_spawn_file_actions_adddup2(&actions, ready, 3);
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, ready >= 0 ? 4 : 3);
  ::pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, arguments[0], &actions, nullptr, arguments.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return pid;
  std::fprintf(stderr, "cannot start %s\n", arguments[0]);
  std::exit(1);
}

// The exit code, or minus the signal that ended it.
[[nodiscard]] inline int wait_for_end(::pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class ServerProcess {
 public:
  // Starts it; `more` are further arguments of `penstock serve`. Its log is the file DATA.log,
  // which goes with the object unless `keep_log`.
  explicit ServerProcess(const std::string& data, const std::string& listen = "127.0.0.1:0",
                         const std::vector<std::string>& more = {}, bool keep_log = false,
                         const std::vector<std::string>& more_environment = {})
      : log_(data + ".log"), keep_log_(keep_log), started_(Clock::now()) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    std::vector<std::string> words{"serve", "--data", data, "--listen", listen, "--ready-fd", "3"};
    words.insert(words.end(), more.begin(), more.end());
    pid_ = spawn_penstock(std::move(words), log_, ends[1], more_environment);
    ::close(ends[1]);
    ready_ = ends[0];
  }
  ~ServerProcess() {
    if (pid_ > 0) (void)end(SIGTERM);
    ::close(ready_);
    if (!keep_log_) std::filesystem::remove(log_);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // False when it ended instead.
  bool wait_until_ready() {
    if (!address_.empty()) return true;
    char letter = 0;
    while (::read(ready_, &letter, 1) == 1 && letter != '\n') address_.push_back(letter);
    started_in_ = std::chrono::duration<double>(Clock::now() - started_).count();
    return !address_.empty();
  }
  // Sends the signal and waits for the end: the exit code, or minus the signal that ended it.
  [[nodiscard]] int end(int signal) {
    ::kill(pid_, signal);
    return testing::wait_for_end(std::exchange(pid_, -1));
  }

  [[nodiscard]] ::pid_t process() const { return pid_; }
  // False once its end was waited for.
  [[nodiscard]] bool running() const { return pid_ > 0; }
  // Waits so long for its end; true when it came.
  [[nodiscard]] bool ended_within(std::chrono::milliseconds time) const {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    ::pollfd end{fd, POLLIN, 0};
    const bool ended = ::poll(&end, 1, static_cast<int>(time.count())) == 1;
    ::close(fd);
    return ended;
  }
  // Waits for an end that nobody asked for: the exit code, or minus the signal that ended it.
  [[nodiscard]] int wait_for_end() { return testing::wait_for_end(std::exchange(pid_, -1)); }

  // All below: once it was ready.
  [[nodiscard]] double started_in() const { return started_in_; }
  [[nodiscard]] std::string url() const { return "penstock://" + address_; }
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::stoi(address_.substr(address_.rfind(':') + 1)));
  }
  [[nodiscard]] std::uint64_t resident_kib() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    std::string word;
    std::uint64_t kib = 0;
    while (status >> word)
      if (word == "VmRSS:") status >> kib;
    return kib;
  }

 private:
  using Clock = std::chrono::steady_clock;

  ::pid_t pid_ = -1;
  int ready_ = -1;
  std::string address_, log_;
  bool keep_log_;
  Clock::time_point started_;
  double started_in_ = 0;
};

}  // namespace penstock::testing
