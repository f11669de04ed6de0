// The seam to the machine's files: every durable byte passes here. The simulator brings its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock {

// One open file, read and written by position.
// Threads: read_at may be called from any thread; the rest by one thread at a time.
class File {
 public:
  virtual ~File() = default;
  // Writes all of `data` or fails. After a failure the file may not be written or synced again.
  [[nodiscard]] virtual Result<void> write_at(std::uint64_t offset, ByteView data) = 0;
  // Reads up to into.size() bytes; fewer only at the file's end.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset,
                                                    std::span<std::byte> into) const = 0;
  // Returns only when every earlier write, and the size, survive a power loss.
  [[nodiscard]] virtual Result<void> sync() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
  // Reserves disk blocks so that writes up to `bytes` cannot fail for want of space. The file is at
  // least that long afterwards; what was not written reads as zeros.
  [[nodiscard]] virtual Result<void> allocate(std::uint64_t bytes) = 0;
  // Advice: the next read of what was synced there is to ask the disk, not a cache. Any thread.
  virtual void drop_cached(std::uint64_t offset, std::uint64_t bytes) const;
};

inline void File::drop_cached(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) const {}

// Held while one process owns a directory; released by its destructor, or by the process's death.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

// The files of one directory. Names are plain file names, without a path.
// Threads: any. Files outlive neither the process nor, where the simulator says so, a crash.
class Directory {
 public:
  virtual ~Directory() = default;
  // An existing file, for reading and writing. Error::not_found when it is not there.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& name) = 0;
  // A new, empty file (mode 0600). Error::conflict when the name is taken.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> create(const std::string& name) = 0;
  // Replaces `to` in one step when it exists.
  [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> remove(const std::string& name) = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>> list() = 0;
  // Makes creations, renames and removals survive a power loss.
  [[nodiscard]] virtual Result<void> sync() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes() = 0;
  // Error::conflict, naming the holder's process id, while another process holds it.
  [[nodiscard]] virtual Result<std::unique_ptr<DirectoryLock>> lock() = 0;
  [[nodiscard]] virtual std::string path() const = 0;
};

// The real directory at `path`, made (mode 0700, its parent synced) when it is not there.
[[nodiscard]] Result<std::unique_ptr<Directory>> open_directory(const std::string& path);

// The whole of a file that somebody else wrote, a certificate for one; Error::too_large when it is
// longer than `max_bytes`.
[[nodiscard]] Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes);

}  // namespace penstock
