// Where sockets meet protocols: listens, accepts, and carries bytes between streams and
// conversations.
//
// Threads:  the loop's; it is the broker's thread too, for conversations call the broker.
// Lifetime: loop, clock and all that the table's rows refer to outlive the gateway.
// Turns:    see broker_loop.h of the server. Socket events only take input in; serve_ready() then
// sends
//           what all of them, and the broker, have caused, in one write a connection.
#pragma once

#include <memory>

#include "base/result.h"
#include "gateway/options.h"
#include "gateway/protocol_table.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"

namespace penstock::gateway {

class Gateway {
 public:
  // `tls` outlives the gateway; without it, or while it is not ready, clients that speak TLS are
  // refused.
  Gateway(net::Loop& loop, Clock& clock, ProtocolTable protocols, Options options,
          net::TlsServer* tls = nullptr);
  ~Gateway();

  // Listens there too; gives the address with the port that it got.
  [[nodiscard]] Result<net::Address> listen(const net::Address& address);

  // Calls conversations whose time has come.
  void fire(Time now);
  // Serves the connections that have something to do. True when that called conversations or ended
  // some: the broker may have new commands, and wants another turn.
  [[nodiscard]] bool serve_ready();
  // Whether connections wait for another serve_ready() already.
  [[nodiscard]] bool has_ready() const;
  // When fire() is next due.
  [[nodiscard]] Time next_deadline() const;

  // Accepts nobody any more, and tells the conversations to come to their end.
  void drain();
  // Ends the connections that are left.
  void close_all();

  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::uint64_t held_input_bytes() const;
  [[nodiscard]] Statistics statistics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::gateway
