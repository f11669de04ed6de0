// The native protocol as the server sees it: one Service a broker, one Conversation a connection.
//
// Threads:  the broker's.
// Lifetime: the broker and the service outlive the conversations.
// Speaks:   RESP2 and RESP3 (docs/protocols/native.md lists the commands).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/broker.h"
#include "protocol/conversation.h"
#include "protocol/passwords.h"
#include "wire/resp/command_parser.h"

namespace penstock::protocol::resp {

struct Settings {
  std::string version = "0.1.0";
  wire::resp::Limits limits{};
  std::uint64_t max_message_bytes = 16ull << 20;  // the broker's
  // Commands taken in and not yet answered; one more is not read from the socket.
  std::size_t max_unanswered = 10'000;
  // Output not yet sent, and answers that wait for an earlier one; beyond that nothing is read.
  std::size_t max_output_bytes = 8u << 20;
  // What one RECEIVE or TASK.TAKE may ask for, and one QUEUE.BROWSE show.
  std::uint32_t max_take = 4096;
  // Lines that the server adds to STATUS and INFO: name and value.
  std::function<std::vector<std::pair<std::string, std::string>>()> status;
  // Where passwords are checked; outlives the service. Without it no user can log in.
  Passwords* passwords = nullptr;
};

class Session;

class Service {
 public:
  struct Statistics {
    std::uint64_t connections = 0;        // open now
    std::uint64_t connections_total = 0;  // since the start
    std::uint64_t commands = 0;
    std::uint64_t errors = 0;           // answers that begin with '-', refusals included
    std::uint64_t refusals = 0;         // -BUSY
    std::uint64_t protocol_errors = 0;  // connections ended for bad framing
    std::uint64_t refused_logins = 0;
  };

  Service(broker::Broker& broker, Settings settings);
  ~Service();

  [[nodiscard]] std::unique_ptr<Conversation> converse(Host& host);
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }

 private:
  friend class Session;

  broker::Broker& broker_;
  const Settings settings_;
  Statistics statistics_;
  Time started_;
  std::uint64_t last_client_id_ = 0;
  std::vector<Session*> sessions_;  // as many as there are connections
};

}  // namespace penstock::protocol::resp
