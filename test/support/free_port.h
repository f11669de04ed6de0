// A port of this machine for a server that has to come back on it, again and again.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace penstock::testing {

// One that nobody listens on, below those that the kernel gives to connecting sockets: a client
// that knocks while the server is away would otherwise connect to itself now and then.
[[nodiscard]] inline std::uint16_t free_port() {
  std::random_device random;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(20'000 + random() % 12'000);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool good = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (good) return port;
  }
  std::fprintf(stderr, "no port is free\n");
  std::exit(1);
}

}  // namespace penstock::testing
