// A wait for the end of a task or a workflow, through the loss of connections and restarts of the
// server.
#pragma once

#include <functional>

#include "client/api.h"

namespace penstock::client {

struct Await {
  Duration wait{0};                                  // in all; 0: as it is now
  Duration step = std::chrono::seconds(30);          // what is asked for at a time
  Duration away_max = std::chrono::seconds(30);      // how long the server may be away
  std::function<void(const Error&)> away = {};       // when the server has gone, once each time
  std::function<void(const TaskStatus&)> look = {};  // after each step that it has not ended with
};

// Comes back when the task has ended or is unknown, the wait is over, or `stop` says so;
// Error::closed when the server is away then, or was for too long. Blocks.
[[nodiscard]] Answer<TaskStatus> await_task(Client& client, MessageId id, const Await& how,
                                            const std::stop_token& stop = {});

}  // namespace penstock::client
