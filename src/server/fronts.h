// The protocols that this server speaks: one service each, for all connections, and one row in the
// gateway's table.
//
// Threads:  the broker's.
// Lifetime: broker, random and passwords outlive it; it outlives the gateway.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "gateway/protocol_table.h"
#include "protocol/amqp/service.h"
#include "protocol/http/service.h"
#include "protocol/resp/service.h"
#include "server/settings.h"

namespace penstock::server {

class Fronts {
 public:
  // Lines that the server adds to what STATUS and INFO tell.
  using Status = std::function<std::vector<std::pair<std::string, std::string>>()>;

  // Where the server listens.
  using Listeners = std::function<std::vector<protocol::http::Settings::Listener>()>;

  Fronts(broker::Broker& broker, Random& random, protocol::Passwords& passwords,
         const Settings& settings, Status status, Listeners listeners);

  [[nodiscard]] gateway::ProtocolTable table();
  // The server is about to end: load balancers should look elsewhere.
  void stop_accepting() { http_.stop_accepting(); }

 private:
  // What the server tells, and the counters of a protocol that has no command to ask for them.
  [[nodiscard]] Status with_counters(Status status) const;

  protocol::amqp::Service amqp_;
  protocol::http::Service http_;
  protocol::resp::Service resp_;
};

}  // namespace penstock::server
