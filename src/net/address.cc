#include "net/address.h"

#include <fmt/core.h>
#include <sys/un.h>

#include <boost/asio/ip/address.hpp>

#include "base/text.h"

namespace penstock::net {
namespace {

constexpr std::string_view kLocalPrefix = "unix:";
constexpr std::string_view kAccepted =
    "write ADDRESS:PORT, for example 127.0.0.1:7411, [::1]:7411, :0 or unix:/run/penstock.sock";

std::unexpected<Error> not_an_address(std::string_view text, std::string_view why) {
  return fail(ErrorCode::invalid, fmt::format("address {}: {}", quoted(text), why),
              std::string(kAccepted));
}

Result<Address> parse_local(std::string_view text) {
  const std::string_view path = text.substr(kLocalPrefix.size());
  if (path.empty()) return not_an_address(text, "the path is missing");
  if (path.size() >= sizeof(sockaddr_un::sun_path) || path.contains('\0')) {
    return not_an_address(text, fmt::format("a path has at most {} bytes, none of them zero",
                                            sizeof(sockaddr_un::sun_path) - 1));
  }
  return Address{Address::Kind::local, std::string(path), 0};
}

Result<std::string> parse_host(std::string_view text, std::string_view host) {
  if (host.empty() || ascii_iequals(host, "localhost")) return "127.0.0.1";
  if (host == "*") return "0.0.0.0";
  boost::system::error_code ec;
  const auto parsed = boost::asio::ip::make_address(std::string(host), ec);
  if (ec) return not_an_address(text, fmt::format("{} is not an IP address", quoted(host)));
  return parsed.to_string();
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with(kLocalPrefix)) return parse_local(text);
  if (text.empty()) return not_an_address(text, "it is empty");

  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return not_an_address(text, "the closing ] is missing");
    host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    has_port = rest.starts_with(':');
    if (!has_port && !rest.empty()) return not_an_address(text, "a port follows a colon");
    if (has_port) port = rest.substr(1);
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    if (text.find(':') != colon) return not_an_address(text, "IPv6 addresses stand in brackets");
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }

  Address address;
  auto numeric = parse_host(text, host);
  if (!numeric) return fail(std::move(numeric).error());
  address.host = std::move(*numeric);
  address.port = kDefaultPort;
  if (has_port) {
    const auto number = parse_u64(port);
    if (!number || *number > 65535) return not_an_address(text, "a port is a number up to 65535");
    address.port = static_cast<std::uint16_t>(*number);
  }
  return address;
}

std::string to_text(const Address& address) {
  if (address.kind == Address::Kind::local) return std::string(kLocalPrefix) + address.host;
  if (address.host.contains(':')) return fmt::format("[{}]:{}", address.host, address.port);
  return fmt::format("{}:{}", address.host, address.port);
}

bool is_loopback(const Address& address) {
  if (address.kind == Address::Kind::local) return true;
  boost::system::error_code ec;
  const auto parsed = boost::asio::ip::make_address(address.host, ec);
  if (ec) return false;
  if (parsed.is_v6() && parsed.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, parsed.to_v6())
        .is_loopback();
  }
  return parsed.is_loopback();
}

}  // namespace penstock::net
