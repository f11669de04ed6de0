#include "cli/worker/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "os/descriptor.h"

extern char** environ;

namespace penstock::cli {
namespace {

std::unexpected<Error> system_error(std::string_view what, int number) {
  return fail(ErrorCode::io, std::string(what) + ": " + ::strerror(number));
}

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

// What the program's process does before it becomes the program. Everything is made ready before,
// for between fork and exec only few functions may be called in a process that had threads.
struct Launch {
  char* const* argv;
  char* const* environment;
  int input, output, error;
  int told;  // an errno is written there when it cannot begin
  pid_t parent;
  std::uint64_t memory_bytes;

  [[noreturn]] void run() const {
    if (begin()) ::execvpe(argv[0], argv, environment);
    const int why = errno;
    (void)!::write(told, &why, sizeof why);
    ::_exit(127);
  }

 private:
  [[nodiscard]] bool begin() const {
    ::setpgid(0, 0);
    // It dies with us, however we die.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) return false;
    if (::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(error, 2) < 0) return false;
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (memory_bytes > 0) {
      rlimit memory{};
      ::getrlimit(RLIMIT_AS, &memory);
      memory.rlim_cur = std::min<rlim_t>(memory_bytes, memory.rlim_max);
      memory.rlim_max = memory.rlim_cur;
      if (::setrlimit(RLIMIT_AS, &memory) != 0) return false;
    }
    // What this process ignores, the program would ignore as well.
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int fd = 3; fd < told; ++fd) ::close(fd);
    return ::close_range(static_cast<unsigned>(told) + 1, ~0u, 0) == 0;
  }
};

// Forks and begins; the pid, or why not.
Result<pid_t> start_program(Launch launch, const std::string& name) {
  auto told = make_pipe();
  if (!told) return fail(std::move(told.error()));
  launch.told = told->writer.get();
  launch.parent = ::getpid();
  // No handler of ours may run in the copy.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) launch.run();
  const int failed = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return system_error("fork", failed);
  told->writer.close();
  pollfd fd{told->reader.get(), POLLIN, 0};
  while (::poll(&fd, 1, -1) < 0 && errno == EINTR) {
  }
  int why = 0;
  if (::read(told->reader.get(), &why, sizeof why) != sizeof why) return pid;
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  auto error = system_error(name, why).error();
  if (why == ENOENT) error.code = ErrorCode::not_found;
  return fail(std::move(error));
}

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
  auto started = start_program({.argv = argv.data(),
                                .environment = environment.data(),
                                .input = input->get(),
                                .output = output->writer.get(),
                                .error = error->writer.get(),
                                .told = -1,
                                .parent = 0,
                                .memory_bytes = program_.memory_bytes},
                               program_.argv[0]);
  if (!started) return fail(std::move(started.error()));
  pid_ = *started;
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
    const std::string_view said(chunk.data(), static_cast<std::size_t>(count));
    if (program_.on_error) program_.on_error(said);
    end_.error_tail.append(said);
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

}  // namespace penstock::cli
