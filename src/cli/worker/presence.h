// A worker's presence: it tells the server of itself, and hears what it is told.
//
// Threads:  one caller at a time.
// Lifetime: the client outlives it. The worker is listed for as long as the client's connection
//           stands; over the next one it announces itself anew.
#pragma once

#include <string>

#include "client/api.h"
#include "engine/worker.h"

namespace penstock::cli {

// This process as a worker of that name, or of one after its machine and number; without queues and
// tasks.
[[nodiscard]] engine::WorkerSpec this_worker(std::string name, Time now);

class Presence {
 public:
  Presence(client::Client& client, const engine::WorkerSpec& worker);

  // Announces the worker where that is due, then beats. What orders say; Error::closed or timeout
  // while there is no connection, anything else when the server does not list this worker.
  [[nodiscard]] Result<client::WorkerTold> say(const engine::WorkerBeat& beat);
  // How often it has: once for each connection.
  [[nodiscard]] std::uint64_t announced() const { return announced_; }

 private:
  client::Client& client_;
  const std::string announcement_;
  std::uint64_t announced_ = 0;
};

}  // namespace penstock::cli
