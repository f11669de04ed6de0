// One connection's conversation, without its socket: bytes in, bytes out.
//
// Threads:  the broker's.
// Lifetime: the host outlives the conversation; input given to receive() is not kept.
// Pressure: receive() stops consuming when it holds as many unanswered commands as its limit
// allows, or
//           when its output is longer than limits allow; the gateway then stops reading the socket,
//           and TCP carries it to the sender. wants_input() says whether to read on.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"

namespace penstock::protocol {

// What a conversation needs of the connection that it lives on.
class Host {
 public:
  virtual ~Host() = default;
  // There is output, or wants_input() may have changed: come and look. Cheap; may be called often.
  virtual void wake() = 0;
  // Asks for Conversation::on_time() at `when` (earliest wish wins; Time::max() = none).
  virtual void wake_at(Time when) = 0;
  [[nodiscard]] virtual bool peer_is_loopback() const = 0;
  [[nodiscard]] virtual std::string peer() const = 0;
  // Whether the connection is encrypted, and if so, whom the client's certificate names: the common
  // name that a CA of ours vouches for, or empty.
  [[nodiscard]] virtual bool encrypted() const { return false; }
  [[nodiscard]] virtual std::string_view tls_subject() const { return {}; }
};

class Conversation {
 public:
  virtual ~Conversation() = default;
  // Bytes from the peer; returns how many were consumed. What was not is given again, with more.
  [[nodiscard]] virtual std::size_t receive(ByteView input) = 0;
  // What is to be sent; the gateway calls sent(n) for what it took over.
  [[nodiscard]] virtual ByteView output() const = 0;
  virtual void sent(std::size_t count) = 0;
  // Memory for output that was not sent, with what it was sent from and what is not its turn yet:
  // the gateway counts it while the peer does not read.
  [[nodiscard]] virtual std::size_t output_memory() const { return output().size(); }
  // The peer does not read: what was sent already need not be kept. Worth it once, not always.
  virtual void trim_output() {}
  // The least number of bytes that receive() needs to make progress; lets the gateway size its
  // buffer.
  [[nodiscard]] virtual bool wants_input() const = 0;
  // Memory for input that was consumed and is part of a message that has not ended yet: the gateway
  // counts it as it counts what was not consumed.
  [[nodiscard]] virtual std::size_t held_bytes() const { return 0; }
  // True when the connection is to be closed once output() is empty.
  [[nodiscard]] virtual bool finished() const = 0;
  // The peer closed its side; nothing more comes in.
  virtual void on_end_of_input() = 0;
  virtual void on_time(Time now) = 0;
  // The server is stopping: finish what is in flight, take nothing new, then be finished().
  virtual void drain() = 0;
};

}  // namespace penstock::protocol
