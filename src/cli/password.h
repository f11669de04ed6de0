// Passwords, as people and scripts give them: never as an argument that others can read.
#pragma once

#include <string>

#include "base/result.h"

namespace penstock::cli {

// From the terminal, without showing it; Error::invalid when there is none.
[[nodiscard]] Result<std::string> ask_password(const std::string& prompt);
// The first line of the file, "-" being standard input; an empty path: of standard input when that
// is no terminal, else asked for, twice.
[[nodiscard]] Result<std::string> new_password(const std::string& path, const std::string& user);

}  // namespace penstock::cli
