// Loaded into the server with LD_PRELOAD: makes the calls by which it touches its data directory
// fail, or end the process, at a chosen moment; and records every change. Other files, and
// processes without the variables of recording.h, are left alone.
//
//   PENSTOCK_FAULTS=WHERE:N[+]:WHAT    the Nth call (with +: every one from then on) of WHERE
//   WHERE  a call (kCallNames) or a point (kPoints)
//   WHAT   EIO, ENOSPC, EINTR: the call fails        short: it does half of what it should
//          before, after: SIGKILL there              torn: SIGKILL when half of it is written
//
// It calls the kernel, never the C library's function of the same name, and allocates nothing.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "test/faults/recording.h"

namespace penstock::faults {
namespace {

enum class Action : std::uint8_t { none, fail, shorten, kill_before, kill_after, tear };

constexpr std::uint64_t kSector = 512;
constexpr int kMaxDescriptors = 1 << 16;
constexpr std::uint16_t kMaxNodes = 1 << 13;
constexpr std::uint16_t kDirectory = kMaxNodes, kParent = kMaxNodes + 1;
constexpr std::size_t kMaxName = 64;

// A file of the directory that was opened. Its number in `nodes` stays.
struct Node {
  std::uint64_t inode;
  char name[kMaxName];
  std::atomic<Kind> kind;
  std::atomic<Content> written;  // what the last write began with
};

struct Plan {
  int call = -1, point = -1;
  std::uint64_t at = 0;
  bool sticky = false;
  Action action = Action::none;
  int error = 0;
};

struct LockGuard {
  explicit LockGuard(pthread_mutex_t& m) : mutex(m) { ::pthread_mutex_lock(&mutex); }
  ~LockGuard() { ::pthread_mutex_unlock(&mutex); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;
  pthread_mutex_t& mutex;
};

Recording* recording = nullptr;
const char* data_directory = nullptr;
Plan plan;
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
// Which file a descriptor stands for, plus one; 0 = none of ours.
std::atomic<std::uint16_t> descriptors[kMaxDescriptors];
Node nodes[kMaxNodes];
std::uint16_t node_count = 0;

[[noreturn]] void die() {
  for (;;) ::syscall(SYS_kill, ::getpid(), SIGKILL);
}

[[noreturn]] void misused(const char* what) {
  ::dprintf(2, "faults: %s\n", what);
  ::_exit(99);
}

void read_plan(const char* text) {
  char where[kMaxName], what[16];
  unsigned long long at = 0;
  int end = 0;
  if (std::sscanf(text, "%63[^:]:%llu%n", where, &at, &end) != 2) misused(text);
  text += end;
  if (*text == '+') plan.sticky = true, ++text;
  if (std::sscanf(text, ":%15s", what) != 1 || at == 0) misused(text);
  plan.at = at;
  for (std::size_t i = 0; i < kCalls; ++i)
    if (std::strcmp(where, kCallNames[i]) == 0) plan.call = static_cast<int>(i);
  for (std::size_t i = 0; i < kPointCount; ++i)
    if (std::strcmp(where, kPoints[i].name) == 0) plan.point = static_cast<int>(i);
  if (plan.call < 0 && plan.point < 0) misused("no such call or point");
  constexpr struct {
    const char* name;
    Action action;
    int error;
  } kActions[] = {{"EIO", Action::fail, EIO},         {"ENOSPC", Action::fail, ENOSPC},
                  {"EINTR", Action::fail, EINTR},     {"short", Action::shorten, 0},
                  {"before", Action::kill_before, 0}, {"after", Action::kill_after, 0},
                  {"torn", Action::tear, 0}};
  for (const auto& row : kActions)
    if (std::strcmp(what, row.name) == 0) plan.action = row.action, plan.error = row.error;
  if (plan.action == Action::none) misused("no such action");
}

__attribute__((constructor)) void begin() {
  const char* path = std::getenv(kRecordingVariable);
  const char* directory = std::getenv(kDirectoryVariable);
  if (path == nullptr || directory == nullptr) return;
  const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (fd < 0) misused("the recording cannot be opened");
  void* memory = ::mmap(nullptr, kRecordingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) misused("the recording cannot be mapped");
  ::syscall(SYS_close, fd);
  recording = static_cast<Recording*>(memory);
  if (recording->magic != kRecordingMagic) misused("the recording is none");
  data_directory = directory;
  if (const char* text = std::getenv(kPlanVariable); text != nullptr && *text != 0) read_plan(text);
}

// ---- which file

std::uint16_t node_of(int fd) {
  if (fd < 0 || fd >= kMaxDescriptors) return 0;
  return descriptors[fd].load(std::memory_order_acquire);
}
Node* file_of(int fd) {
  const auto at = node_of(fd);
  return at == 0 || at > kMaxNodes ? nullptr : &nodes[at - 1];
}
bool is_directory(int fd) {
  return node_of(fd) == kDirectory + 1;
}
void set_node(int fd, std::uint16_t value) {
  if (fd >= 0 && fd < kMaxDescriptors) descriptors[fd].store(value, std::memory_order_release);
}

// Remembers what was opened. The same file keeps its node, by its inode.
void opened(int fd, const char* name, bool fresh) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) misused("fstat fails");
  if (S_ISDIR(status.st_mode)) return;
  const LockGuard lock(mutex);
  std::uint16_t at = 0;
  while (at < node_count && nodes[at].inode != status.st_ino) ++at;
  if (at == node_count) {
    if (node_count == kMaxNodes) misused("more files than there is room for");
    ++node_count;
    fresh = true;
  }
  Node& node = nodes[at];
  if (fresh) node.written = Content::none;
  node.inode = status.st_ino;
  std::strncpy(node.name, name, kMaxName - 1);
  node.kind = kind_of(name);
  set_node(fd, static_cast<std::uint16_t>(at + 1));
}

void renamed(const char* from, const char* to) {
  const LockGuard lock(mutex);
  for (std::uint16_t at = 0; at < node_count; ++at) {
    if (std::strcmp(nodes[at].name, from) != 0) continue;
    std::strncpy(nodes[at].name, to, kMaxName - 1);
    nodes[at].kind = kind_of(to);
  }
}

// A name that is gone belongs to nobody.
void removed(const char* name) {
  const LockGuard lock(mutex);
  for (std::uint16_t at = 0; at < node_count; ++at)
    if (std::strcmp(nodes[at].name, name) == 0) nodes[at].name[0] = 0;
}

// ---- recording

Event* add_event(Call call, std::uint64_t inode, std::uint64_t offset, std::uint64_t length,
                 const void* data, std::size_t size, const char* more = nullptr) {
  if (recording->keeps_changes.load(std::memory_order_relaxed) == 0) return nullptr;
  const LockGuard lock(mutex);
  const std::size_t more_size = more == nullptr ? 0 : std::strlen(more) + 1;
  const auto total = (sizeof(Event) + size + more_size + 7) / 8 * 8;
  const auto at = recording->used_bytes.load(std::memory_order_relaxed);
  if (Recording::kEventsAt + at + total > kRecordingBytes) {
    recording->overflowed = 1;
    return nullptr;
  }
  auto* event = reinterpret_cast<Event*>(recording->events() + at);
  *event = Event{static_cast<std::uint32_t>(total), call, false, 0, 0, 0, inode, offset, length};
  std::memcpy(event + 1, data, size);
  if (more_size > 0) std::memcpy(reinterpret_cast<char*>(event + 1) + size, more, more_size);
  event->began = ++recording->moment;
  recording->used_bytes.store(at + total, std::memory_order_release);
  return event;
}

void end_event(Event* event, long result) {
  if (event == nullptr) return;
  event->failed = result < 0;
  if (event->call == Call::write && result >= 0) event->length = static_cast<std::uint64_t>(result);
  const LockGuard lock(mutex);
  std::atomic_ref(event->done).store(++recording->moment, std::memory_order_release);
}

// ---- deciding

// Counts the call, and says what is to happen to it. Does not return when that is "before".
Action decide(Call call, Kind file, Content content = Content::any, Kind to = Kind::any) {
  const int point = point_at(call, file, content, to);
  ++recording->calls[static_cast<int>(call)];
  if (point >= 0) ++recording->reached[point];
  if (plan.action == Action::none) return Action::none;
  if (plan.call != static_cast<int>(call) && (plan.point < 0 || plan.point != point))
    return Action::none;
  const auto number = ++recording->planned_calls;
  if (number != plan.at && !(plan.sticky && number > plan.at)) return Action::none;
  ++recording->struck;
  if (plan.action == Action::kill_before) die();
  return plan.action;
}

// The end of a call: dies now if that was the plan.
long finish(Action action, Event* event, long result) {
  const int error = errno;
  end_event(event, result);
  if (action == Action::kill_after || action == Action::tear) die();
  errno = error;
  return result;
}

long failed(Event* event) {
  end_event(event, -1);
  errno = plan.error;
  return -1;
}

bool is_full() {
  return recording->disk_full.load(std::memory_order_relaxed) != 0;
}
// On a full disk: whether the file cannot grow to `end`, for want of blocks that others gave back.
bool has_no_room(int fd, std::uint64_t end) {
  constexpr std::int64_t kBlock = 4096;
  struct stat status {};
  if (!is_full() || ::fstat(fd, &status) != 0) return false;
  const auto blocks = [](std::int64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; };
  const auto need = blocks(static_cast<std::int64_t>(end)) - blocks(status.st_size);
  if (need <= 0) return false;
  if (recording->freed_bytes.fetch_sub(need) >= need) return false;
  recording->freed_bytes += need;
  return true;
}
long full() {
  errno = ENOSPC;
  return -1;
}

// ---- the calls

int open_in_directory(int directory, const char* name, int flags, mode_t mode) {
  const bool creates = (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0;
  // Each file is opened twice, for direct writes too; what fails then is not the first opening.
  const auto action = (flags & O_DIRECT) != 0
                          ? Action::none
                          : decide(creates ? Call::create : Call::open, kind_of(name));
  if (action == Action::fail) return static_cast<int>(failed(nullptr));
  const auto fd = ::syscall(SYS_openat, directory, name, flags, mode);
  if (fd < 0) return -1;
  opened(static_cast<int>(fd), name, creates);
  Event* event = nullptr;
  if (creates || (flags & O_CREAT) != 0) {
    const auto* node = file_of(static_cast<int>(fd));
    event = add_event(Call::create, node->inode, 0, 0, name, std::strlen(name) + 1);
  }
  return static_cast<int>(finish(action, event, fd));
}

int open_any(int directory, const char* path, int flags, mode_t mode) {
  if (recording == nullptr || !is_directory(directory)) {
    const auto fd = static_cast<int>(::syscall(SYS_openat, directory, path, flags, mode));
    if (recording == nullptr || fd < 0) return fd;
    set_node(fd, 0);
    const auto length = std::strlen(path);
    if (std::strcmp(path, data_directory) == 0)
      set_node(fd, kDirectory + 1);
    else if (std::strncmp(path, data_directory, length) == 0 && data_directory[length] == '/' &&
             std::strchr(data_directory + length + 1, '/') == nullptr)
      set_node(fd, kParent + 1);
    return fd;
  }
  if (std::strcmp(path, ".") != 0) return open_in_directory(directory, path, flags, mode);
  const auto fd = static_cast<int>(::syscall(SYS_openat, directory, path, flags, mode));
  if (fd >= 0) set_node(fd, 0);  // only listed
  return fd;
}

// Half of it, in whole sectors; past the alignment that direct writes ask for.
long write_half(int fd, const void* data, std::size_t size, off_t offset) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const auto plain = ::syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
  const auto half = size > 2 * kSector ? size / 2 / kSector * kSector : size / 2;
  const auto done = ::syscall(SYS_pwrite64, plain, data, half, offset);
  const int error = errno;
  ::syscall(SYS_close, plain);
  errno = error;
  return done;
}

ssize_t write_at(int fd, const void* data, std::size_t size, off_t offset) {
  Node* node = recording == nullptr ? nullptr : file_of(fd);
  if (node == nullptr) return ::syscall(SYS_pwrite64, fd, data, size, offset);
  const auto content = content_of(data, size);
  const auto action = decide(Call::write, node->kind, content);
  if (action == Action::fail) return failed(nullptr);
  if (has_no_room(fd, static_cast<std::uint64_t>(offset) + size)) return full();
  node->written = content;
  Event* event =
      add_event(Call::write, node->inode, static_cast<std::uint64_t>(offset), size, data, size);
  const bool half = (action == Action::shorten || action == Action::tear) && size > 1;
  return finish(
      action, event,
      half ? write_half(fd, data, size, offset) : ::syscall(SYS_pwrite64, fd, data, size, offset));
}

ssize_t read_at(int fd, void* into, std::size_t size, off_t offset) {
  Node* node = recording == nullptr ? nullptr : file_of(fd);
  if (node == nullptr) return ::syscall(SYS_pread64, fd, into, size, offset);
  const auto action = decide(Call::read, node->kind);
  if (action == Action::fail) return failed(nullptr);
  if (action == Action::shorten && size > 1) size /= 2;
  return finish(action, nullptr, ::syscall(SYS_pread64, fd, into, size, offset));
}

int sync_file(Call call, int fd) {
  const auto number = call == Call::fdatasync ? SYS_fdatasync : SYS_fsync;
  const auto at = recording == nullptr ? std::uint16_t{0} : node_of(fd);
  if (at == 0) return static_cast<int>(::syscall(number, fd));
  Node* node = file_of(fd);
  const Kind kind = node != nullptr     ? node->kind.load()
                    : at == kParent + 1 ? Kind::parent
                                        : Kind::directory;
  const auto action = decide(call, kind, node != nullptr ? node->written.load() : Content::any);
  Event* event = kind == Kind::parent
                     ? nullptr
                     : add_event(call, node != nullptr ? node->inode : 0, 0, 0, "", 0);
  if (action == Action::fail) return static_cast<int>(failed(event));
  return static_cast<int>(finish(action, event, ::syscall(number, fd)));
}

int rename_in_directory(int directory, const char* from, const char* to) {
  const auto action = decide(Call::rename, kind_of(from), Content::any, kind_of(to));
  if (action == Action::fail) return static_cast<int>(failed(nullptr));
  Event* event = add_event(Call::rename, 0, 0, 0, from, std::strlen(from) + 1, to);
  const auto result = ::syscall(SYS_renameat2, directory, from, directory, to, 0);
  if (result == 0) {
    removed(to);
    renamed(from, to);
  }
  return static_cast<int>(finish(action, event, result));
}

int remove_in_directory(int directory, const char* name, int flags) {
  const auto action = decide(Call::unlink, kind_of(name));
  if (action == Action::fail) return static_cast<int>(failed(nullptr));
  Event* event = add_event(Call::unlink, 0, 0, 0, name, std::strlen(name) + 1);
  struct stat status {};
  const bool frees = ::fstatat(directory, name, &status, 0) == 0;
  const auto result = ::syscall(SYS_unlinkat, directory, name, flags);
  if (result == 0) removed(name);
  if (result == 0 && frees) recording->freed_bytes += status.st_size;
  return static_cast<int>(finish(action, event, result));
}

int set_size(Call call, int fd, std::uint64_t size, const auto& work) {
  Node* node = recording == nullptr ? nullptr : file_of(fd);
  if (node == nullptr) return static_cast<int>(work());
  const auto action = decide(call, node->kind);
  if (action == Action::fail) return static_cast<int>(failed(nullptr));
  if (has_no_room(fd, size)) return static_cast<int>(full());
  Event* event = add_event(call, node->inode, 0, size, "", 0);
  return static_cast<int>(finish(action, event, work()));
}

}  // namespace
}  // namespace penstock::faults

namespace faults = penstock::faults;

// What stands before the C library's functions. Variable arguments: a mode, when there is one.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::open_any(AT_FDCWD, path, flags, mode);
}
int openat(int directory, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::open_any(directory, path, flags, mode);
}
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return faults::write_at(fd, data, size, offset);
}
// Nothing of ours writes so today; when something does, it must not pass unseen.
ssize_t pwritev(int fd, const struct iovec* pieces, int count, off_t offset) {
  ssize_t total = 0;
  for (int at = 0; at < count; ++at) {
    const auto done = faults::write_at(fd, pieces[at].iov_base, pieces[at].iov_len, offset + total);
    if (done < 0) return total > 0 ? total : done;
    total += done;
    if (static_cast<size_t>(done) < pieces[at].iov_len) break;
  }
  return total;
}
ssize_t pread(int fd, void* into, size_t size, off_t offset) {
  return faults::read_at(fd, into, size, offset);
}
int fdatasync(int fd) {
  return faults::sync_file(faults::Call::fdatasync, fd);
}
int fsync(int fd) {
  return faults::sync_file(faults::Call::fsync, fd);
}
int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  if (faults::recording != nullptr && faults::is_directory(from_directory))
    return faults::rename_in_directory(from_directory, from, to);
  return static_cast<int>(::syscall(SYS_renameat2, from_directory, from, to_directory, to, 0));
}
int unlinkat(int directory, const char* name, int flags) {
  if (faults::recording != nullptr && faults::is_directory(directory))
    return faults::remove_in_directory(directory, name, flags);
  return static_cast<int>(::syscall(SYS_unlinkat, directory, name, flags));
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
  return faults::set_size(faults::Call::fallocate, fd, static_cast<std::uint64_t>(offset + length),
                          [&] { return ::syscall(SYS_fallocate, fd, mode, offset, length); });
}
int ftruncate(int fd, off_t size) noexcept {
  return faults::set_size(faults::Call::ftruncate, fd, static_cast<std::uint64_t>(size),
                          [&] { return ::syscall(SYS_ftruncate, fd, size); });
}
int fstatvfs(int fd, struct statvfs* into) noexcept {
  using Function = int (*)(int, struct statvfs*);
  static const auto next = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "fstatvfs"));
  const int result = next(fd, into);
  if (result == 0 && faults::recording != nullptr && faults::is_directory(fd) && faults::is_full())
    into->f_bavail =
        static_cast<fsblkcnt_t>(faults::recording->freed_bytes.load()) / into->f_frsize;
  return result;
}

}  // extern "C"
