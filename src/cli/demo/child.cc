#include "cli/demo/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

extern char** environ;

namespace penstock::cli {
namespace {

std::unexpected<Error> system_error(std::string_view what, int number) {
  return fail(ErrorCode::io, std::string(what) + ": " + ::strerror(number));
}

int wait_readable(int fd, Duration timeout) {
  pollfd watched{fd, POLLIN, 0};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return ::poll(&watched, 1, static_cast<int>(ms));
}

// Both pipes above 9, so that no descriptor of the plan below is one of theirs.
int moved_up(int fd) {
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
  ::close(fd);
  return moved;
}

}  // namespace

Result<Child> Child::start(const std::vector<std::string>& argv, Ready where,
                           const std::string& error_file) {
  int input[2], ready[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(ready, O_CLOEXEC) != 0) {
    return system_error("pipe", errno);
  }
  Child child;
  child.input_ = moved_up(input[1]);
  child.ready_ = moved_up(ready[0]);
  const int theirs_in = moved_up(input[0]);
  const int theirs_ready = moved_up(ready[1]);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs_in, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, error_file.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);
  ::posix_spawn_file_actions_adddup2(&actions, theirs_ready, static_cast<int>(where));
  ::posix_spawn_file_actions_addclosefrom_np(&actions, where == Ready::on_output ? 3 : 4);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // A group of its own: Ctrl-C is for the demonstration, which then ends the others in order.
  ::posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int failed =
      ::posix_spawnp(&child.pid_, words[0], &actions, &attributes, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(theirs_in);
  ::close(theirs_ready);
  if (failed != 0) {
    child.pid_ = -1;
    return system_error(argv[0], failed);
  }
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      input_(std::exchange(other.input_, -1)),
      ready_(std::exchange(other.ready_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(input_, other.input_);
  std::swap(ready_, other.ready_);
  return *this;
}

Child::~Child() {
  kill();
  close_pipes();
}

Result<std::string> Child::first_line(Duration timeout) {
  std::string line;
  for (;;) {
    const int readable = wait_readable(ready_, timeout);
    if (readable < 0 && errno == EINTR) continue;
    if (readable == 0) return fail(ErrorCode::timeout, "it was not ready in time");
    char c = 0;
    const ssize_t count = ::read(ready_, &c, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(ErrorCode::closed, "it ended before it was ready");
    if (c == '\n') return line;
    line += c;
  }
}

void Child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  reap();
}

int Child::stop(Duration patience) {
  if (pid_ <= 0) return 0;
  if (input_ >= 0) ::close(std::exchange(input_, -1));
  ::kill(pid_, SIGTERM);
  const auto watched = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  const bool gone = watched >= 0 && wait_readable(watched, patience) > 0;
  if (watched >= 0) ::close(watched);
  if (!gone) ::kill(pid_, SIGKILL);
  return reap();
}

int Child::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  close_pipes();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void Child::close_pipes() {
  if (input_ >= 0) ::close(std::exchange(input_, -1));
  if (ready_ >= 0) ::close(std::exchange(ready_, -1));
}

}  // namespace penstock::cli
