// Waiting through the loss of connections and restarts of the server.
#pragma once

#include <functional>
#include <memory>

#include "client/api.h"

namespace penstock::client {

// The server is away, and may come back: for who may ask again. One for each wait.
class Outage {
 public:
  static constexpr Duration kLongest = std::chrono::seconds(30);

  // `away` is told when it has gone, once each time.
  explicit Outage(Client& client, std::function<void(const Error&)> away = {});
  [[nodiscard]] Time now() { return clock_->now(); }
  // After a call that failed: true when the server is there again. False: it failed for another
  // reason, or the server is away at `until`, or for kLongest, or `stop` says so. Blocks.
  [[nodiscard]] bool outlast(const Error& error, Time until, const std::stop_token& stop);
  // A call was answered.
  void over() { tries_ = 0; }

 private:
  Client& client_;
  const std::function<void(const Error&)> away_;
  const std::unique_ptr<Clock> clock_;
  Time until_{};
  std::uint32_t tries_ = 0;
};

struct Await {
  Duration wait{0};                                  // in all; 0: as it is now
  Duration step = std::chrono::seconds(30);          // what is asked for at a time
  std::function<void(const Error&)> away = {};       // as Outage's
  std::function<void(const TaskStatus&)> look = {};  // after each step that it has not ended with
};

// The end of a task or a workflow. Comes back when it has ended or is unknown, the wait is over, or
// `stop` says so; Error::closed when the server is away then, or was for too long. Blocks.
[[nodiscard]] Answer<TaskStatus> await_task(Client& client, MessageId id, const Await& how,
                                            const std::stop_token& stop = {});

}  // namespace penstock::client
