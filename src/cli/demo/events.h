// The demonstration's events, and the files that come with it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace penstock::cli {

// One line of the file: {"id","type","locale","name","email","phone","device","subject","text"}.
struct Event {
  std::string id;
  std::string json;  // the whole line
};

// Reads at most `max` events. An error names the line, and what is missing there.
[[nodiscard]] Result<std::vector<Event>> read_events(const std::filesystem::path& file,
                                                     std::size_t max);

// Where events.ndjson and the sinks are: $PENSTOCK_SHARE/notifications, beside the installed
// program
// (../share/penstock/notifications), or in the source tree that it was built in.
[[nodiscard]] Result<std::filesystem::path> find_demo_files();

// This program's own file.
[[nodiscard]] std::filesystem::path own_program();

}  // namespace penstock::cli
