#include "base/text.h"
#include "client/client.h"
#include "wire/http/target.h"

namespace penstock::client {
namespace {

constexpr std::string_view kScheme = "penstock://";

// Without what may be a password.
std::unexpected<Error> bad_url(std::string_view url) {
  const auto at = url.rfind('@');
  const auto shown = at == std::string_view::npos ? url : url.substr(at + 1);
  return fail(ErrorCode::invalid, "not the address of a server: " + quoted(shown),
              "penstock://host:port, host:port, penstock://[v6]:port and "
              "penstock://user:password@host:port are accepted");
}

Result<void> read_login(std::string_view text, Endpoint& into) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || text.find('/') != std::string_view::npos)
    return bad_url({});
  auto user = wire::http::percent_decode(text.substr(0, colon));
  auto password = wire::http::percent_decode(text.substr(colon + 1));
  if (!user || !password || user->empty()) return bad_url({});
  into.user = std::move(*user);
  into.password = std::move(*password);
  return {};
}

}  // namespace

std::string Endpoint::address() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<std::string> with_user(std::string_view url, std::string_view user,
                              std::string_view password) {
  const auto endpoint = parse_url(url);
  if (!endpoint) return fail(endpoint.error());
  return std::string(kScheme)
      .append(wire::http::percent_encode(user))
      .append(":")
      .append(wire::http::percent_encode(password))
      .append("@")
      .append(endpoint->address());
}

Result<Endpoint> parse_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  Endpoint endpoint;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    if (auto login = read_login(rest.substr(0, at), endpoint); !login) return bad_url(url);
    rest.remove_prefix(at + 1);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return bad_url(url);
    endpoint.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const auto end = rest.find(':');
    endpoint.host = rest.substr(0, end);
    if (end != std::string_view::npos) port = rest.substr(end);
  }
  if (endpoint.host.empty() || endpoint.host.find_first_of("/@? ") != std::string::npos)
    return bad_url(url);
  if (port.empty()) return endpoint;
  const auto number = port.starts_with(':') ? parse_u64(port.substr(1)) : bad_url(url);
  if (!number || *number == 0 || *number > 65535) return bad_url(url);
  endpoint.port = static_cast<std::uint16_t>(*number);
  return endpoint;
}

}  // namespace penstock::client
