#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <mutex>

#include "os/file.h"
#include "os/os_error.h"
#include "os/posix_file.h"

namespace penstock {
namespace {

constexpr const char* kLockName = "LOCK";
constexpr int kFileFlags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;

class PosixLock : public DirectoryLock {
 public:
  explicit PosixLock(std::unique_ptr<PosixFile> file) : file_(std::move(file)) {}

 private:
  std::unique_ptr<PosixFile> file_;  // closing it releases the lock
};

class PosixDirectory : public Directory {
 public:
  PosixDirectory(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open(const std::string& name) override {
    return open_file(name, kFileFlags, "open");
  }
  Result<std::unique_ptr<File>> create(const std::string& name) override {
    return open_file(name, kFileFlags | O_CREAT | O_EXCL, "create");
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0)
      return fail(os_error("rename", full(from) + " to " + to, errno));
    return {};
  }
  Result<void> remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0)
      return fail(os_error("remove", full(name), errno));
    return {};
  }
  Result<std::vector<std::string>> list() override;
  // The kernel tells of a failed sync once, to whoever asks first. Several threads ask, and for the
  // others "all is well" would be a lie; so the first failure is the answer from then on.
  Result<void> sync() override {
    const std::scoped_lock guard(sync_mutex_);
    if (sync_error_ == 0 && ::fsync(fd_.get()) != 0) sync_error_ = errno;
    if (sync_error_ != 0) return fail(os_error("sync directory", path_, sync_error_));
    return {};
  }
  Result<std::uint64_t> free_bytes() override {
    struct statvfs status {};
    if (::fstatvfs(fd_.get(), &status) != 0) return fail(os_error("statvfs", path_, errno));
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }
  Result<std::unique_ptr<DirectoryLock>> lock() override;
  std::string path() const override { return path_; }

 private:
  Result<std::unique_ptr<File>> open_file(const std::string& name, int flags, const char* what) {
    const int fd = ::openat(fd_.get(), name.c_str(), flags, 0600);
    if (fd < 0) return fail(os_error(what, full(name), errno));
    // Some file systems have no direct writes; then there is none.
    const int direct = ::openat(fd_.get(), name.c_str(), kFileFlags | O_DIRECT);
    return std::make_unique<PosixFile>(Descriptor(fd), Descriptor(direct), full(name));
  }
  [[nodiscard]] std::string full(const std::string& name) const { return path_ + "/" + name; }

  Descriptor fd_;
  std::string path_;
  std::mutex sync_mutex_;
  int sync_error_ = 0;
};

Result<std::vector<std::string>> PosixDirectory::list() {
  // A descriptor of its own: the directory stream moves the position of the one it is given.
  const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(os_error("list", path_, errno));
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) {
    const int number = errno;
    ::close(fd);
    return fail(os_error("list", path_, number));
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int number = errno;
  ::closedir(stream);
  if (number != 0) return fail(os_error("list", path_, number));
  return names;
}

Result<std::unique_ptr<DirectoryLock>> PosixDirectory::lock() {
  const int fd = ::openat(fd_.get(), kLockName, kFileFlags | O_CREAT, 0600);
  if (fd < 0) return fail(os_error("open", full(kLockName), errno));
  Descriptor owned(fd);
  std::array<char, 32> pid{};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail(os_error("lock", full(kLockName), errno));
    const auto count = ::pread(fd, pid.data(), pid.size() - 1, 0);
    std::string holder = count > 0 ? pid.data() : "unknown";
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return fail(ErrorCode::conflict, path_ + " is in use by process " + holder,
                "stop that process, or choose another data directory");
  }
  // For people; the lock is what counts. Half of a number would be the wrong one.
  std::string text = std::to_string(::getpid()) + "\n";
  auto file = std::make_unique<PosixFile>(std::move(owned), Descriptor(-1), full(kLockName));
  // Written before it is cut: a full disk would not give back the block that cutting it frees.
  if (auto written = file->write_at(0, as_bytes(text)); !written) {
    // No number is better than no start: after a power cut the block may be somebody else's.
    if (written.error().code != ErrorCode::full) return fail(std::move(written).error());
    text.clear();
  }
  if (::ftruncate(fd, static_cast<::off_t>(text.size())) != 0)
    return fail(os_error("truncate", full(kLockName), errno));
  return std::make_unique<PosixLock>(std::move(file));
}

Result<void> sync_parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  Descriptor fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return fail(os_error("open", parent, errno));
  if (::fsync(fd.get()) != 0) return fail(os_error("sync directory", parent, errno));
  return {};
}

// Makes `path` and the directories above it that are missing, each durably.
Result<void> make_directories(const std::string& path) {
  for (auto slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) == 0) {
      if (auto done = sync_parent_of(part); !done) return done;
    } else if (errno != EEXIST) {
      const int number = errno;
      struct stat status {};
      if (::stat(part.c_str(), &status) != 0) return fail(os_error("make directory", part, number));
    }
    if (slash == std::string::npos) return {};
  }
}

}  // namespace

Result<std::unique_ptr<Directory>> open_directory(const std::string& path) {
  std::string plain = path.empty() ? "." : path;
  while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  if (auto made = make_directories(plain); !made) return fail(std::move(made).error());
  Descriptor fd(::open(plain.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return fail(os_error("open directory", plain, errno));
  if (::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return fail(os_error("write to directory", plain, errno));
  return std::make_unique<PosixDirectory>(std::move(fd), plain);
}

}  // namespace penstock
