// Where to listen or to connect: an IP address and port, or the path of a local socket.
//
//   127.0.0.1:7411   [::1]:7411   localhost:7411   :7411 (this machine only)   *:7411 (everyone)
//   unix:/run/penstock.sock
//
// Names other than "localhost" are not looked up: what a listener serves must not depend on a
// resolver. Threads: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::net {

inline constexpr std::uint16_t kDefaultPort = 7411;

struct Address {
  enum class Kind : std::uint8_t { ip, local };
  Kind kind = Kind::ip;
  std::string host;        // numeric, without brackets; or the path of the local socket
  std::uint16_t port = 0;  // 0 = the system chooses
  bool operator==(const Address&) const = default;
};

// Error::invalid says what is accepted. A missing port is kDefaultPort.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
// What parse_address reads back.
[[nodiscard]] std::string to_text(const Address& address);
// Only programs on this machine can reach it.
[[nodiscard]] bool is_loopback(const Address& address);

}  // namespace penstock::net
