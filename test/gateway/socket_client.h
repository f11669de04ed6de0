// A plain blocking client for the tests: what a stranger's program would do, and no code of ours.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "net/address.h"

namespace penstock::testing {

class SocketClient {
 public:
  explicit SocketClient(const net::Address& address, int receive_buffer = 0) {
    const bool local = address.kind == net::Address::Kind::local;
    fd_ = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (receive_buffer != 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    connected_ = local ? connect_local(address) : connect_ip(address);
  }
  ~SocketClient() { close(); }
  SocketClient(SocketClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        rest_(std::move(other.rest_)) {}

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_; }

  // False when the server has gone.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // As much as goes without waiting.
  std::size_t send_some(std::string_view text) {
    const ssize_t count = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  void end_sending() { shutdown(fd_, SHUT_WR); }

  // Exactly `count` bytes, or what came before the connection ended.
  std::string read(std::size_t count) {
    while (rest_.size() < count && more()) {
    }
    return take(std::min(count, rest_.size()));
  }
  // Up to and with `end`.
  std::string read_until(std::string_view end) {
    while (true) {
      if (const std::size_t at = rest_.find(end); at != std::string::npos) {
        return take(at + end.size());
      }
      if (!more()) return take(rest_.size());
    }
  }
  // Everything until the server ends the connection.
  std::string read_all() {
    while (more()) {
    }
    return take(rest_.size());
  }
  // The server ended the connection, and had nothing more to say.
  bool is_closed() { return rest_.empty() && !more(); }
  // Whether it was reset, or nothing came in time, instead of a proper end.
  [[nodiscard]] int error() const { return error_; }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  bool connect_ip(const net::Address& address) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
    return connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  bool connect_local(const net::Address& address) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    address.host.copy(to.sun_path, sizeof to.sun_path - 1);
    return connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  bool more() {
    char buffer[16384];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count < 0) error_ = errno;
    if (count <= 0) return false;
    rest_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }
  std::string take(std::size_t count) {
    std::string taken = rest_.substr(0, count);
    rest_.erase(0, count);
    return taken;
  }

  int fd_ = -1;
  bool connected_ = false;
  int error_ = 0;
  std::string rest_;
};

}  // namespace penstock::testing
