// Keeps web pages away from a server on their reader's own machine.
//
// A page may make its reader's browser send requests to localhost. Two things give it away: a name
// of its own that resolves to 127.0.0.1 shows in Host (DNS rebinding), and its origin shows in
// Origin and Sec-Fetch-Site (cross-site requests). Programs send neither Origin nor Sec-Fetch-Site
// and are let in. Threads: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace penstock::wire::http {

struct HostPort {
  std::string_view host;  // "localhost", "10.0.0.1", "[::1]"; without a dot at the end
  std::string_view port;  // digits, or empty
};
// The value of a Host field, or an authority. Nothing when it is not one host with at most a port:
// user names, spaces, commas and the like are refused.
[[nodiscard]] std::optional<HostPort> parse_host(std::string_view text);

// Whether this server answers to the name: localhost, 127.0.0.1 and [::1] with any port, and those
// in `allowed` ("broker.example", or with a port, "broker.example:7411"; without one, any port
// does). Refuse otherwise with 421 (Misdirected Request).
[[nodiscard]] bool allowed_host(std::string_view host, std::span<const std::string> allowed = {});

// Whether a browser sent the request on behalf of another site than `host`; refuse with 403. An
// absent field is given as empty text.
[[nodiscard]] bool cross_site(std::string_view origin, std::string_view sec_fetch_site,
                              std::string_view host);

}  // namespace penstock::wire::http
