// Who is connected, for those who show it: told by protocols whose connections last.
//
// Threads:  the broker's.
// Lifetime: what a visitor is given lives during its call. Nothing here waits for the disk; what is
//           told of it goes out behind a barrier.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace penstock::protocol {

struct ConnectionView {
  std::string_view name{};  // no other has it while this one lives
  std::string_view peer{}, user{}, vhost{}, protocol{}, state{};
  std::string_view product{}, version{}, platform{}, client_name{};  // as the client says
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  Duration heartbeat{0};
  Time connected_at{};
  std::size_t channels = 0;
  bool encrypted = false;
};

struct ChannelView {
  const ConnectionView& connection;
  std::string_view name{};
  std::uint16_t number = 0;
  std::string_view state{};
  std::uint16_t prefetch = 0;          // of each consumer to come; 0 = no limit
  std::int64_t prefetch_together = 0;  // of all; 0 = no limit
  std::size_t unacknowledged = 0, unconfirmed = 0, uncommitted = 0, uncommitted_acks = 0;
  std::size_t consumers = 0;
  bool confirms = false, transactional = false;
};

struct ConsumerView {
  const ChannelView& channel;
  std::string_view tag{};
  std::string_view queue{};  // scoped
  std::uint16_t prefetch = 0;
  bool acknowledges = false, exclusive = false;
};

class ConnectionVisitor {
 public:
  virtual ~ConnectionVisitor() = default;
  virtual void on_connection(const ConnectionView&) {}
  virtual void on_channel(const ChannelView&) {}
  virtual void on_consumer(const ConsumerView&) {}
};

class Connections {
 public:
  virtual ~Connections() = default;
  // Each connection, then its channels, each followed by its consumers.
  virtual void visit(ConnectionVisitor& visitor) const = 0;
  // Tells the client why, and ends it. False: there is none of that name.
  virtual bool close_connection(std::string_view name, std::string_view reason) = 0;
  virtual void close_connections_of(std::string_view vhost, std::string_view reason) = 0;
};

}  // namespace penstock::protocol
