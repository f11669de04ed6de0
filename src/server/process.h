// What a server asks of its process, and how it says that it is ready.
//
// Threads: before there are others.
#pragma once

#include <string>

#include "base/result.h"
#include "server/server.h"

namespace penstock::server {

// As many descriptors as the system allows, no death by SIGPIPE, files for the owner only, and log
// lines on standard error from `log_level` on.
void prepare_process(const std::string& log_level);

// Logs the one line that says where the server listens and how long it took, and what recovery
// found when that was not a clean end; then writes the addresses to the ready file and descriptor.
[[nodiscard]] Result<void> announce_ready(const Server& server, const Settings& settings,
                                          Duration took);

}  // namespace penstock::server
