// A plain message, taken and not yet settled.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "penstock/options.hpp"

namespace penstock {

namespace detail {
class Core;
struct MessageState;
}  // namespace detail

// Move-only. One that is destroyed unsettled goes back to its queue at once, and the attempt does
// not count. Threads: one at a time. ack(), nack(), reject() and give_back() return when that is
// durable, and throw LeaseLost when the lease had run out: the message is or will be someone
// else's. A second settle throws it as well.
class Message {
 public:
  explicit Message(std::unique_ptr<detail::MessageState> state);
  Message(Message&&) noexcept;
  Message& operator=(Message&&) noexcept;
  ~Message();

  [[nodiscard]] std::uint64_t id() const;
  [[nodiscard]] std::string_view body() const;  // lives as long as the message, moved or not
  [[nodiscard]] std::string_view queue() const;
  [[nodiscard]] std::uint32_t attempts() const;  // this delivery included
  [[nodiscard]] std::uint8_t priority() const;
  [[nodiscard]] std::string_view group() const;
  [[nodiscard]] TimePoint enqueued_at() const;
  [[nodiscard]] TimePoint deadline() const;
  [[nodiscard]] Headers headers() const;
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;

  void ack();
  // Try again: after `delay`, or after the queue's backoff.
  void nack(std::string_view error = {}, std::optional<Duration> delay = {});
  // Never again: to the dead letters.
  void reject(std::string_view error = {});
  void give_back();
  // The lease ends `lease` from now.
  void extend(Duration lease);
  [[nodiscard]] bool settled() const;

 private:
  friend class App;
  std::unique_ptr<detail::MessageState> state_;
};

}  // namespace penstock
