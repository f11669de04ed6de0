#include <fcntl.h>

#include "os/file.h"
#include "os/os_error.h"
#include "os/posix_file.h"

namespace penstock {

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    auto error = os_error("open", path, errno);
    error.hint.clear();  // it speaks of data directories
    return fail(std::move(error));
  }
  const PosixFile file(Descriptor(fd), Descriptor(-1), path);
  std::string text(max_bytes + 1, '\0');
  const auto size = file.read_at(0, std::as_writable_bytes(std::span(text)));
  if (!size) return fail(size.error());
  if (*size > max_bytes) {
    return fail(ErrorCode::too_large,
                "open " + path + ": it has more than " + std::to_string(max_bytes) + " bytes");
  }
  text.resize(*size);
  return text;
}

}  // namespace penstock
