#include <fmt/core.h>

#include "cli/commands/commands.h"

namespace penstock::cli {

Action set_up_version(CLI::App&) {
  return [] {
    fmt::print("penstock {}\n", PENSTOCK_VERSION);
    return kExitOk;
  };
}

}  // namespace penstock::cli
