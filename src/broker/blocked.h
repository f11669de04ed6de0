// Publishes held back until their queue has room (overflow=block), in order, bounded in bytes and
// in time.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/reply.h"
#include "engine/command.h"

namespace penstock::broker {

class BlockedPublishes {
 public:
  struct Held {
    SessionId session;
    Tag tag = 0;
    Time until{};
    std::uint64_t bytes = 0;
    Bytes arena;  // what the messages' views point into
    std::vector<engine::MessageInput> messages;
  };

  explicit BlockedPublishes(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Copies the messages; false when that would hold more bytes than may be held.
  [[nodiscard]] bool hold(SessionId session, Tag tag, const engine::Publish& publish, Time until);
  [[nodiscard]] bool any(std::string_view queue) const {
    return queues_.contains(std::string(queue));
  }
  [[nodiscard]] Held* first(std::string_view queue);
  void pop(std::string_view queue);
  // One whose time is over, taken out.
  [[nodiscard]] std::optional<std::pair<std::string, Held>> expired(Time now);
  void forget(SessionId session);
  [[nodiscard]] Time next() const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  void drop(std::map<std::string, std::deque<Held>>::iterator queue,
            std::deque<Held>::iterator held);

  std::uint64_t max_bytes_;
  std::uint64_t bytes_ = 0;
  std::map<std::string, std::deque<Held>> queues_;
};

}  // namespace penstock::broker
