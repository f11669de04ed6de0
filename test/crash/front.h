// One way into the server, as the clients of this test use it; HTTP, AMQP and the native protocol
// behind the same words.
//
// Threads: an object belongs to one thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "test/crash/ledger.h"

namespace penstock::crash {

inline constexpr std::string_view kMessages = "messages";
inline constexpr std::string_view kTasks = "tasks";

// Which life of the server this is: clients whose connection broke wait here for the next one.
class Lives {
 public:
  [[nodiscard]] std::uint64_t current() const {
    const std::lock_guard lock(mutex_);
    return life_;
  }
  void begin() {
    const std::lock_guard lock(mutex_);
    ++life_;
    changed_.notify_all();
  }
  // Until it is another life than `known`, or a while: a connection may break for other reasons.
  void wait_for_other_than(std::uint64_t known) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(1), [&] { return life_ != known; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t life_ = 0;
};

struct Offer {
  bool task = false;
  std::string key;  // idempotency key
  std::chrono::milliseconds delay{0};
  int priority = 0;
  std::vector<std::string> bodies;  // more than one = all or none
};

struct Answer {
  Outcome outcome = Outcome::unknown;
  std::vector<std::uint64_t> ids{};
  std::string trouble{};  // an answer that must not be
  std::string refusal{};  // of a publish that may be tried again: the reason given
};

struct Taken {
  std::uint64_t id = 0;  // 0: the protocol tells none
  std::string lease;
  std::string body;
};

struct Haul {
  Outcome outcome = Outcome::unknown;
  std::vector<Taken> taken{};
  std::string trouble{};
};

class Front {
 public:
  virtual ~Front() = default;

  [[nodiscard]] virtual std::size_t largest_batch(bool task) const = 0;
  [[nodiscard]] virtual Answer publish(const Offer& offer) = 0;
  [[nodiscard]] virtual Haul take(bool task, std::uint32_t max, std::chrono::milliseconds wait) = 0;
  [[nodiscard]] virtual std::size_t largest_ack() const = 0;
  // Outcome::no: at least one of the leases was lost.
  [[nodiscard]] virtual Answer ack(const std::vector<std::string_view>& leases) = 0;
  [[nodiscard]] virtual Answer done(std::string_view lease, std::string_view result) = 0;
  [[nodiscard]] virtual Answer retry(bool task, std::string_view lease,
                                     std::chrono::milliseconds delay) = 0;
  // After an unknown outcome: until it is worth trying again.
  virtual void recover() = 0;
};

[[nodiscard]] std::unique_ptr<Front> http_front(std::uint16_t port, Lives& lives);
// Of messages only.
[[nodiscard]] std::unique_ptr<Front> amqp_front(std::uint16_t port, Lives& lives);
[[nodiscard]] std::unique_ptr<Front> native_front(std::uint16_t port, Lives& lives);

// A task's arguments hold its body; both ways.
[[nodiscard]] std::string arguments_of(std::string_view body);
[[nodiscard]] std::string body_in(std::string_view payload);

}  // namespace penstock::crash
