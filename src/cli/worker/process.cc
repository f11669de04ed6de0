#include "cli/worker/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

extern char** environ;

namespace penstock::cli {
namespace {

std::unexpected<Error> system_error(std::string_view what, int number) {
  return fail(ErrorCode::io, std::string(what) + ": " + ::strerror(number));
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor reader, writer;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Pipe pipe{Descriptor(fds[0]), Descriptor(fds[1])};
  // Only our end: the program expects its standard output to block.
  if (::fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) return system_error("pipe", errno);
  return pipe;
}

// The input as a file in memory: nothing to feed while the program runs, and no SIGPIPE when it
// does not read.
Result<Descriptor> make_input(std::string_view input) {
  Descriptor file(::memfd_create("stdin", MFD_CLOEXEC));
  if (!file) return system_error("standard input", errno);
  while (!input.empty()) {
    const ssize_t count = ::write(file.get(), input.data(), input.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error("standard input", errno);
    input.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_error("standard input", errno);
  return file;
}

// Our environment with the additions, as execve wants it. Views of both.
std::vector<char*> environment_with(const std::vector<std::string>& additions) {
  const auto is_replaced = [&](std::string_view entry) {
    const auto name = entry.substr(0, entry.find('=') + 1);
    return std::ranges::any_of(additions, [&](const auto& a) { return a.starts_with(name); });
  };
  std::vector<char*> result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!is_replaced(*entry)) result.push_back(*entry);
  }
  for (const auto& addition : additions) result.push_back(const_cast<char*>(addition.c_str()));
  result.push_back(nullptr);
  return result;
}

struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  SpawnPlan(int input, int output, int error) {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions, error, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    // What this process ignores, the program would ignore as well.
    sigset_t reset;
    ::sigemptyset(&reset);
    for (const int signal :
         {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGUSR1, SIGUSR2}) {
      ::sigaddset(&reset, signal);
    }
    ::posix_spawnattr_setsigdefault(&attributes, &reset);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

class Run {
 public:
  Run(const Program& program, Clock& clock) : program_(program), clock_(clock) {}
  ~Run() {
    if (pid_ > 0) finish();
  }

  Result<void> start();
  Result<ProgramEnd> wait(const std::stop_token& stop);

 private:
  enum class Phase : std::uint8_t { running, terminating, killed };

  void end_early(ProgramEnd::Kind why);
  void on_time();
  [[nodiscard]] int poll_timeout_ms() const;
  void read_output();
  void read_error();
  void finish();

  const Program& program_;
  Clock& clock_;
  pid_t pid_ = -1;
  Descriptor pidfd_, output_, error_;
  Phase phase_ = Phase::running;
  std::optional<ProgramEnd::Kind> ended_early_;
  Time due_ = Time::max();  // of the time-out, then of SIGKILL
  ProgramEnd end_;
};

Result<void> Run::start() {
  auto input = make_input(program_.input);
  if (!input) return fail(std::move(input.error()));
  auto output = make_pipe();
  if (!output) return fail(std::move(output.error()));
  auto error = make_pipe();
  if (!error) return fail(std::move(error.error()));

  std::vector<char*> argv;
  for (const auto& word : program_.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  auto environment = environment_with(program_.environment);
  SpawnPlan plan(input->get(), output->writer.get(), error->writer.get());
  const int failed = ::posix_spawnp(&pid_, argv[0], &plan.actions, &plan.attributes, argv.data(),
                                    environment.data());
  if (failed != 0) {
    pid_ = -1;
    auto why = system_error(program_.argv[0], failed).error();
    if (failed == ENOENT) why.code = ErrorCode::not_found;
    return fail(std::move(why));
  }
  // The child is not reaped before finish(), so its number cannot be somebody else's.
  pidfd_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) return system_error("watch the program", errno);
  output_ = std::move(output->reader);
  error_ = std::move(error->reader);
  if (program_.timeout.count() > 0) due_ = clock_.now() + program_.timeout;
  return {};
}

Result<ProgramEnd> Run::wait(const std::stop_token& stop) {
  const Descriptor told(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!told) return system_error("eventfd", errno);
  const std::stop_callback tell(stop, [&told] {
    const std::uint64_t one = 1;
    // Cannot fail: the counter is far from full.
    [[maybe_unused]] const auto count = ::write(told.get(), &one, sizeof one);
  });
  for (;;) {
    // A negative descriptor is one that poll() passes over: its pipe is at its end.
    std::array<pollfd, 4> fds{{{pidfd_.get(), POLLIN, 0},
                               {output_.get(), POLLIN, 0},
                               {error_.get(), POLLIN, 0},
                               {ended_early_ ? -1 : told.get(), POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), poll_timeout_ms()) < 0 && errno != EINTR) {
      return system_error("poll", errno);
    }
    if (fds[1].revents != 0) read_output();
    if (fds[2].revents != 0) read_error();
    if (fds[3].revents != 0) end_early(ProgramEnd::Kind::stopped);
    if (fds[0].revents != 0) break;
    on_time();
  }
  finish();
  return std::move(end_);
}

void Run::end_early(ProgramEnd::Kind why) {
  if (ended_early_) return;
  ended_early_ = why;
  phase_ = Phase::terminating;
  due_ = clock_.now() + program_.kill_after;
  ::kill(-pid_, SIGTERM);
}

void Run::on_time() {
  if (clock_.now() < due_) return;
  if (phase_ == Phase::running) {
    end_early(ProgramEnd::Kind::timed_out);
  } else if (phase_ == Phase::terminating) {
    phase_ = Phase::killed;
    due_ = Time::max();
    ::kill(-pid_, SIGKILL);
  }
}

int Run::poll_timeout_ms() const {
  if (due_ == Time::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - clock_.now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Run::read_output() {
  std::array<char, 65536> chunk;
  ssize_t count = 0;
  while ((count = ::read(output_.get(), chunk.data(), chunk.size())) > 0) {
    const auto room = program_.output_bytes_max - end_.output.size();
    const auto size = static_cast<std::size_t>(count);
    end_.output.append(chunk.data(), std::min(room, size));
    if (size > room) {
      end_early(ProgramEnd::Kind::too_long);
      output_.close();
      return;
    }
  }
  if (count == 0) output_.close();
}

void Run::read_error() {
  std::array<char, 65536> chunk;  // as much as a pipe holds
  ssize_t count = 0;
  // One that never stops talking must not keep us here: poll() brings us back.
  for (int turn = 0; turn < 16; ++turn) {
    count = ::read(error_.get(), chunk.data(), chunk.size());
    if (count <= 0) break;
    end_.error_tail.append(chunk.data(), static_cast<std::size_t>(count));
    if (end_.error_tail.size() > program_.error_bytes_max) {
      end_.error_tail.erase(0, end_.error_tail.size() - program_.error_bytes_max);
    }
  }
  if (count == 0) error_.close();
}

void Run::finish() {
  // Before the leader is reaped: until then the group's number is its own.
  ::kill(-pid_, SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (output_) read_output();
  if (error_) read_error();
  const bool exited = info.si_code == CLD_EXITED;
  end_.kind = exited ? ProgramEnd::Kind::exited : ProgramEnd::Kind::signalled;
  end_.code = info.si_status;
  if (ended_early_) end_.kind = *ended_early_;
}

}  // namespace

Result<ProgramEnd> run_program(const Program& program, Clock& clock, const std::stop_token& stop) {
  Run run(program, clock);
  if (auto started = run.start(); !started) return fail(std::move(started.error()));
  return run.wait(stop);
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(number);
}

}  // namespace penstock::cli
