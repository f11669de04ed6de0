// One connected byte stream that never blocks. TCP and local sockets; an encrypted stream (tls.h)
// is another implementation of the same interface.
//
// Threads:  the loop's.
// Lifetime: the watcher outlives the stream. After the stream's destructor no callback comes,
// although
//           the loop may still have one queued.
// Damage:   after `broken` the stream is of no use but for being destroyed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "net/address.h"
#include "net/loop.h"

namespace penstock::net {

class StreamWatcher {
 public:
  virtual ~StreamWatcher() = default;
  // Once for each wait_readable() or wait_writable(); read() and write() tell what happened.
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
};

struct [[nodiscard]] Transfer {
  enum class State : std::uint8_t {
    ready,        // `count` bytes, at least one
    would_block,  // not now: wait
    end,          // of a read: the peer sends no more
    broken,       // the connection is gone
  };
  State state = State::broken;
  std::size_t count = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual Transfer read(std::span<std::byte> into) = 0;
  // After would_block the same bytes are to be offered again, or these and more.
  virtual Transfer write(ByteView data) = 0;
  virtual void wait_readable() = 0;
  virtual void wait_writable() = 0;
  // Says that nothing more will be written; reading goes on.
  virtual void end_writing() = 0;
  // When it is destroyed, what was not sent yet is forgotten and the peer sees a reset. Else the
  // system goes on trying, with all that its buffers hold, for as long as the peer is there.
  virtual void forget_unsent() = 0;
  // The other side, as the system tells it: never what the other side says of itself.
  [[nodiscard]] virtual const Address& peer() const = 0;
  // Who is told about readiness; before the first wait.
  virtual void watch(StreamWatcher& watcher) = 0;
};

// Takes over a connected, non-blocking socket. Null when the loop cannot take it (no memory, no
// descriptors); the socket is closed then.
[[nodiscard]] std::unique_ptr<Stream> adopt_socket(Loop& loop, int socket, Address peer);

}  // namespace penstock::net
