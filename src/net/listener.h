// Accepts connections at one address.
//
// Threads:  the loop's.
// Lifetime: the handler may be called until stop() or the destructor; the loop outlives the
// listener. Pressure: while the process has no descriptor left, accepting pauses: the kernel's
// queue of waiting
//           connections fills, and the clients wait.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "net/stream.h"

namespace penstock::net {

class Listener {
 public:
  using Accept = std::function<void(std::unique_ptr<Stream>)>;

  // Binds and listens at once; connections are handed over when the loop runs. Port 0 is replaced
  // by the one that the system chose. A local socket left behind by a dead process is taken over.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(Loop& loop, const Address& address,
                                                              Accept accept);
  ~Listener();

  [[nodiscard]] const Address& address() const;
  // Times that accepting had to pause for want of descriptors or memory.
  [[nodiscard]] std::uint64_t pauses() const;
  // Closes the socket; connections that are not accepted yet are refused.
  void stop();

 private:
  class Impl;
  explicit Listener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  // shared with Asio's handler, as in stream.cc
};

}  // namespace penstock::net
