#include "os/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "os/os_error.h"

namespace penstock {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> PosixFile::write_at(std::uint64_t offset, ByteView data) {
  const auto aligned = [&] {
    const auto place = reinterpret_cast<std::uintptr_t>(data.data()) | offset | data.size();
    return place % kDirectAlignment == 0;
  };
  bool direct = direct_.get() >= 0 && aligned();
  while (!data.empty()) {
    const int fd = direct ? direct_.get() : fd_.get();
    const auto done = ::pwrite(fd, data.data(), data.size(), static_cast<::off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EINVAL && direct) {  // a device with larger blocks than ours
      direct = false;
      continue;
    }
    if (done < 0) return fail(os_error("write", path_, errno));
    if (done == 0) return fail(os_error("write", path_, EIO));
    offset += static_cast<std::uint64_t>(done);
    data = data.subspan(static_cast<std::size_t>(done));
    direct = direct && aligned();
  }
  return {};
}

Result<std::size_t> PosixFile::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  std::size_t total = 0;
  while (total < into.size()) {
    const auto done = ::pread(fd_.get(), into.data() + total, into.size() - total,
                              static_cast<::off_t>(offset + total));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail(os_error("read", path_, errno));
    if (done == 0) break;
    total += static_cast<std::size_t>(done);
  }
  return total;
}

// fdatasync also writes the size, as far as it is needed to read the data back.
Result<void> PosixFile::sync() {
  if (::fdatasync(fd_.get()) != 0) return fail(os_error("sync", path_, errno));
  return {};
}

Result<std::uint64_t> PosixFile::size() const {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) return fail(os_error("stat", path_, errno));
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> PosixFile::allocate(std::uint64_t bytes) {
  int result;
  do {
    result = ::fallocate(fd_.get(), 0, 0, static_cast<::off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS) return fill_with_zeros(bytes);
  return fail(os_error("allocate", path_, errno));
}

void PosixFile::drop_cached(std::uint64_t offset, std::uint64_t bytes) const {
  // Advice that is not taken costs nothing but freshness.
  static_cast<void>(::posix_fadvise(fd_.get(), static_cast<::off_t>(offset),
                                    static_cast<::off_t>(bytes), POSIX_FADV_DONTNEED));
}

// For file systems that cannot reserve: what is written has its blocks.
Result<void> PosixFile::fill_with_zeros(std::uint64_t bytes) {
  static constexpr std::array<std::byte, 65536> kZeros{};
  auto at = size();
  if (!at) return fail(std::move(at).error());
  while (*at < bytes) {
    const auto step = std::min<std::uint64_t>(kZeros.size(), bytes - *at);
    if (auto done = write_at(*at, ByteView(kZeros).first(step)); !done) return done;
    *at += step;
  }
  return {};
}

}  // namespace penstock
