#include "base/text.h"
#include "client/client.h"

namespace penstock::client {
namespace {

constexpr std::string_view kScheme = "penstock://";

std::unexpected<Error> bad_url(std::string_view url) {
  return fail(ErrorCode::invalid, "not the address of a server: " + quoted(url),
              "penstock://host:port, host:port and penstock://[v6]:port are accepted");
}

}  // namespace

Result<Endpoint> parse_url(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  Endpoint endpoint;
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
