// An errno as an Error that says what was tried, on what, and why not.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.h"

namespace penstock {

[[nodiscard]] inline Error os_error(std::string_view what, std::string_view path, int number) {
  ErrorCode code = ErrorCode::io;
  std::string hint;
  switch (number) {
    case ENOENT:
      code = ErrorCode::not_found;
      break;
    case EEXIST:
      code = ErrorCode::conflict;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::denied;
      hint = "check the owner and the mode of the directory, and that it is not mounted read-only";
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::full;
      hint = "free space on the file system, or move the data directory to a larger one";
      break;
    case EIO:
      hint =
          "the disk or the way to it fails: see the kernel's log (dmesg); once it is well, start "
          "again: what was confirmed is kept";
      break;
    case ELOOP:
      code = ErrorCode::denied;
      hint = "the file is a symbolic link; data files must be plain files";
      break;
    default:
      break;
  }
  std::string text(what);
  text.append(" ").append(path).append(": ").append(std::generic_category().message(number));
  return Error{code, std::move(text), std::move(hint)};
}

}  // namespace penstock
