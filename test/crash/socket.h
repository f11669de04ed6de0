// A blocking connection to the server, for fronts that speak for themselves.
//
// Threads: one. A connection that broke says false from then on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::crash {

class Socket {
 public:
  Socket() = default;
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] bool connect(std::uint16_t port);
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  void close();
  [[nodiscard]] bool send(std::string_view bytes);
  // Waits for more bytes, behind those in `received`.
  [[nodiscard]] bool receive();

  std::string received;

 private:
  int fd_ = -1;
};

}  // namespace penstock::crash
