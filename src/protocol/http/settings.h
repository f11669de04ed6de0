// What the HTTP front is told when the server starts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "protocol/connections.h"
#include "protocol/passwords.h"

namespace penstock::protocol::http {

struct Settings {
  std::uint64_t max_body_bytes = 16ull
                                 << 20;  // of one request; as broker::Options::max_message_bytes
  // Names by which clients may call this server, beside those of the loopback: "queue.example.org"
  // or, to be strict about the port, "queue.example.org:7411".
  std::vector<std::string> allowed_hosts{};
  std::string version{};  // told by `GET /`
  // Names and values of the layers above, which /v1/status tells too, and /metrics their numbers.
  std::function<std::vector<std::pair<std::string, std::string>>()> status{};
  // Where passwords are checked and hashed; outlives the service. Without it no user can log in.
  Passwords* passwords = nullptr;

  // Whom the management API shows as connected; null: nobody. Outlives the service.
  Connections* connections = nullptr;
  // Where the server listens, for the management API's overview.
  struct Listener {
    std::string address;
    std::uint16_t port = 0;
  };
  std::function<std::vector<Listener>()> listeners{};

  // How long each part of a dialogue may take; 408 or a closed connection follows.
  Duration head_time = std::chrono::seconds(10);   // from a request's first byte to its empty line
  Duration body_grace = std::chrono::seconds(10);  // before the least rate is asked of a body
  std::uint64_t body_bytes_per_second_min = 4096;
  Duration idle_time = std::chrono::seconds(75);  // between two requests

  Duration wait_max = std::chrono::minutes(10);  // a longer `wait` is cut to this
  std::uint32_t take_max = 1000;                 // messages of one lease call
  std::uint32_t batch_max = 100'000;             // messages of one batch
  // A lease answer is cut before its bodies exceed this (its first message always goes along); the
  // rest is given back at once. Twice it, for base64, bounds a connection's output.
  std::uint64_t answer_bytes_max = 32ull << 20;
  std::uint64_t event_buffer_bytes = 256ull
                                     << 10;  // of one `GET /v1/events`; more is dropped, counted
  Duration event_heartbeat = std::chrono::seconds(15);
};

}  // namespace penstock::protocol::http
