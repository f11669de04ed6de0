// AMQP 0-9-1 with RabbitMQ's extensions: what all its connections share.
//
// Threads:  the broker's.
// Lifetime: broker and random outlive it; it outlives its conversations.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/broker.h"
#include "protocol/connections.h"
#include "protocol/conversation.h"
#include "protocol/passwords.h"

namespace penstock::protocol::amqp {

class Session;

struct Settings {
  std::string version = "0.1.0";
  std::uint16_t channel_max = 2047;
  std::uint32_t frame_max = 131'072;
  std::uint16_t heartbeat_seconds = 60;
  std::uint64_t max_message_bytes = 16ull << 20;
  // Messages and acks that a transaction may hold until it is committed.
  std::uint64_t max_transaction_bytes = 64ull << 20;
  // Bodies that are not whole yet, and transactions, of all channels of a connection together: each
  // channel may hold one, and the gateway lets one connection go beyond its budget.
  std::uint64_t max_held_bytes = 128ull << 20;
  // Output not yet sent; beyond that nothing is read, and consumers get nothing more.
  std::size_t max_output_bytes = 8u << 20;
  // Methods taken in and not yet answered; one more is not read.
  std::size_t max_unanswered = 10'000;
  std::size_t max_consumers_per_channel = 10'000;
  // How long a handshake may take, from the protocol header to connection.open.
  Duration handshake_timeout = std::chrono::seconds(10);
  // Where passwords are checked; outlives the service. Without it no user can log in.
  Passwords* passwords = nullptr;
};

class Service final : public Connections {
 public:
  struct Statistics {
    std::uint64_t connections = 0;        // open now
    std::uint64_t connections_total = 0;  // since the start
    std::uint64_t channels = 0;           // open now
    std::uint64_t publishes = 0, returns = 0, confirms = 0, nacks = 0;
    std::uint64_t deliveries = 0, acks = 0, requeues = 0, rejects = 0;
    std::uint64_t channel_errors = 0, connection_errors = 0;
    std::uint64_t refused_logins = 0;
    std::uint64_t stalls = 0;  // publishers without confirms that were made to wait
    std::uint64_t missed_heartbeats = 0;
    std::uint64_t lost_settles = 0;  // of deliveries that were not theirs any more
  };

  // The counters by name, as /v1/status and STATUS tell them.
  struct Counter {
    std::string_view name;
    std::uint64_t Statistics::*value;
  };
  [[nodiscard]] static std::span<const Counter> counters();

  Service(broker::Broker& broker, Random& random, Settings settings);
  ~Service() override;

  [[nodiscard]] std::unique_ptr<Conversation> converse(Host& host);
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] const std::vector<Session*>& sessions() const { return sessions_; }

  // ---- Connections (view.cc); those whose handshake is over
  void visit(ConnectionVisitor& visitor) const override;
  bool close_connection(std::string_view name, std::string_view reason) override;
  void close_connections_of(std::string_view vhost, std::string_view reason) override;

 private:
  friend class Session;

  // Unique while the process lives, and not to be guessed: "amq.gen-<22 characters>".
  [[nodiscard]] std::string unique_name(std::string_view prefix);

  broker::Broker& broker_;
  Random& random_;
  const Settings settings_;
  Statistics statistics_;
  std::vector<Session*> sessions_;
  // Who waits for direct replies, by the name that a reply is sent to.
  struct ReplyTo {
    Session* session = nullptr;
    std::uint16_t channel = 0;
  };
  std::unordered_map<std::string, ReplyTo> reply_to_;
};

// What a headers exchange compares of a message, whichever protocol it came by.
[[nodiscard]] const engine::FieldReader& field_reader();

}  // namespace penstock::protocol::amqp
