#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "os/file.h"
#include "os/os_error.h"
#include "os/posix_file.h"

namespace penstock {
namespace {

constexpr int kPatienceMs = 10'000;  // with a pipe whose other end writes nothing

// Up to the end, or `size` bytes; how many. It may be a pipe: `<(pass show broker)`.
Result<std::size_t> read_all(int fd, const std::string& path, char* to, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const auto count = ::read(fd, to + have, size - have);
    if (count == 0) break;
    if (count > 0) {
      have += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      pollfd waits{fd, POLLIN, 0};
      if (::poll(&waits, 1, kPatienceMs) == 0)
        return fail(ErrorCode::timeout, "read " + path + ": nothing came for 10 s");
    } else if (errno != EINTR) {
      return fail(os_error("read", path, errno));
    }
  }
  return have;
}

}  // namespace

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    auto error = os_error("open", path, errno);
    error.hint.clear();  // it speaks of data directories
    return fail(std::move(error));
  }
  const Descriptor file(fd);
  std::string text(max_bytes + 1, '\0');
  const auto size = read_all(fd, path, text.data(), text.size());
  if (!size) return fail(size.error());
  if (*size > max_bytes) {
    return fail(ErrorCode::too_large,
                "open " + path + ": it has more than " + std::to_string(max_bytes) + " bytes");
  }
  text.resize(*size);
  return text;
}

}  // namespace penstock
