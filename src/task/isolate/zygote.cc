#include "task/isolate/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "os/os_error.h"
#include "task/isolate/task_process.h"

namespace penstock::detail {

struct Zygote::Request {
  enum class Kind : std::uint8_t { spawn, reap } kind = Kind::spawn;
  pid_t pid = -1;
};
struct Zygote::Answer {
  int error = 0;  // an errno
  pid_t pid = -1;
  ProcessEnd end{};
};

namespace {

// Of the whole program, as forking is. Tasks may be defined before main() begins.
constinit std::mutex defined_mutex;
constinit std::vector<std::weak_ptr<const TaskDefinition>> defined;
constinit std::weak_ptr<Zygote> current;

Zygote::Tasks alive() {
  Zygote::Tasks tasks;
  std::erase_if(defined, [](const auto& task) { return task.expired(); });
  for (const auto& task : defined)
    if (auto held = task.lock()) tasks.push_back(std::move(held));
  return tasks;
}

std::unexpected<Error> failed(std::string_view what, int number) {
  return std::unexpected(os_error(what, "a task process", number));
}

bool has_one_thread() {
  std::error_code error;
  std::size_t threads = 0;
  for (std::filesystem::directory_iterator at("/proc/self/task", error), end; !error && at != end;
       at.increment(error))
    ++threads;
  return !error && threads == 1;
}

// With the descriptor that comes along, if one does. 0 = the other side is gone.
ssize_t receive(int socket, void* data, std::size_t size, Descriptor* received) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec part{data, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t count = 0;
  while ((count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  const cmsghdr* head = count > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (head != nullptr && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    Descriptor held(fd);
    if (received != nullptr) *received = std::move(held);
  }
  return count;
}

bool send(int socket, const void* data, std::size_t size, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<void*>(data), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  ssize_t count = 0;
  while ((count = ::sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return count == static_cast<ssize_t>(size);
}

void close_all_but(int kept) {
  const auto number = static_cast<unsigned>(kept);
  if (number > 3) ::close_range(3, number - 1, 0);
  ::close_range(number + 1, ~0u, 0);
}

// As if it had just begun: what the program does about signals is not for its copies. Those that
// are sent to a whole group or service mean the worker, which ends its processes in its own time;
// they are caught and not ignored, since what is ignored stays so in programs that a task starts.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    ::sigaction(number, &nothing, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Whether `parent` still lives, which from now on takes this process with it.
bool die_with(pid_t parent) {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

void no_core_dump() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

Result<std::shared_ptr<Zygote>> Zygote::start(Tasks tasks, TaskProcessMain main) {
  if (!has_one_thread())
    return fail(ErrorCode::conflict, "this process has threads already",
                "define isolated tasks and open the App before any thread is started");
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return failed("socketpair", errno);
  Descriptor ours(sockets[0]), its(sockets[1]);
  const pid_t parent = ::getpid();
  // What is buffered would be written by every copy.
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return failed("fork", errno);
  if (pid == 0) run(tasks, main, its.get(), parent);
  Descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return std::shared_ptr<Zygote>(
      new Zygote(std::move(tasks), std::move(ours), std::move(pidfd), pid));
}

Zygote::~Zygote() {
  control_.close();
  // Its processes end with it.
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Zygote::run(const Tasks& tasks, TaskProcessMain main, int control, pid_t parent) {
  ::setsid();
  reset_signals();
  no_core_dump();
  ::prctl(PR_SET_NAME, "penstock-zygote");
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (!die_with(parent) || null < 0 || ::dup2(null, 0) != 0) ::_exit(1);
  close_all_but(control);
  serve(tasks, main, control);
  ::_exit(0);
}

void Zygote::serve(const Tasks& tasks, TaskProcessMain main, int control) {
  const pid_t self = ::getpid();
  Request request;
  while (receive(control, &request, sizeof request, nullptr) == sizeof request) {
    Answer answer;
    Descriptor theirs;
    int sockets[2];
    if (request.kind == Request::Kind::reap) {
      siginfo_t info{};
      ::kill(-request.pid, SIGKILL);
      ::kill(request.pid, SIGKILL);
      if (::waitid(P_PID, static_cast<id_t>(request.pid), &info, WEXITED) != 0)
        answer.error = errno;
      answer.end = {info.si_code != CLD_EXITED, info.si_status};
    } else if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
      answer.error = errno;
    } else {
      theirs = Descriptor(sockets[0]);
      Descriptor its(sockets[1]);
      answer.pid = ::fork();
      if (answer.pid == 0) {
        ::setpgid(0, 0);
        ::prctl(PR_SET_NAME, "penstock-task");
        if (!die_with(self)) ::_exit(1);
        no_core_dump();
        close_all_but(its.get());
        main(tasks, its.get());
        ::_exit(0);
      }
      if (answer.pid < 0)
        answer.error = errno;
      else
        ::setpgid(answer.pid, answer.pid);  // whoever of the two is first
    }
    if (!send(control, &answer, sizeof answer, theirs.get())) return;
  }
}

Result<Zygote::Answer> Zygote::ask(const Request& request, Descriptor* received) {
  const std::lock_guard lock(mutex_);
  Answer answer;
  if (!send(control_.get(), &request, sizeof request, -1) ||
      receive(control_.get(), &answer, sizeof answer, received) != sizeof answer)
    return fail(ErrorCode::closed, "the process that task processes come from is gone");
  if (answer.error != 0)
    return failed(request.kind == Request::Kind::spawn ? "fork" : "wait for", answer.error);
  return answer;
}

Result<SpawnedProcess> Zygote::spawn() {
  SpawnedProcess process;
  auto answer = ask({Request::Kind::spawn, -1}, &process.socket);
  if (!answer) return fail(std::move(answer.error()));
  process.pid = answer->pid;
  process.pidfd = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  if (process.socket && process.pidfd) return process;
  const int number = errno;
  (void)reap(process.pid).has_value();
  return failed("watch", number);
}

Result<ProcessEnd> Zygote::reap(pid_t pid) {
  auto answer = ask({Request::Kind::reap, pid}, nullptr);
  if (!answer) return fail(std::move(answer.error()));
  return answer->end;
}

std::optional<std::uint32_t> Zygote::find(const TaskDefinition& task) const {
  for (std::size_t n = 0; n < tasks_.size(); ++n)
    if (tasks_[n].get() == &task) return static_cast<std::uint32_t>(n);
  return {};
}

void note_isolated_task(const std::shared_ptr<const TaskDefinition>& task) {
  const std::lock_guard lock(defined_mutex);
  defined.push_back(task);
}

std::shared_ptr<Zygote> current_zygote() {
  const std::lock_guard lock(defined_mutex);
  auto known = current.lock();
  const auto tasks = alive();
  const auto is_known = [&](const auto& task) { return known && known->find(*task); };
  if (std::ranges::all_of(tasks, is_known)) return known;
  // With threads there can be none; whoever adds a task that needs one is told.
  if (!has_one_thread()) return known;
  auto made = Zygote::start(tasks, run_task_process);
  if (!made) return known;
  current = *made;
  return *made;
}

}  // namespace penstock::detail
