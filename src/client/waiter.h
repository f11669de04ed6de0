// Where a caller waits for one reply. Shared by caller and callback, because a caller that gave up
// is gone when the reply comes.
// Threads: set() once, by the client's thread; wait() by the caller.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

#include "client/client.h"
#include "client/reply.h"

namespace penstock::client {

using Arrived = std::expected<Reply*, Failure>;

class Waiter {
 public:
  void set(Arrived arrived) {
    Received received = arrived ? Received(std::make_shared<Reply>(std::move(**arrived)))
                                : Received(std::unexpected(std::move(arrived.error())));
    {
      const std::lock_guard lock(mutex_);
      received_.emplace(std::move(received));
    }
    arrived_.notify_one();  // behind the lock, or who is woken meets it
  }
  // Error::timeout when it took too long.
  [[nodiscard]] Received wait(Duration timeout) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, timeout, [this] { return received_.has_value(); }))
      return std::unexpected(Failure{{ErrorCode::timeout, "no answer by the deadline"}});
    return std::move(*received_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<Received> received_;
};

}  // namespace penstock::client
