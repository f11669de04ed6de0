#include "wire/http/origin.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::wire::http {
namespace {

constexpr std::string_view kLoopbackNames[] = {"localhost", "127.0.0.1", "[::1]"};

bool is_name_character(char c) {
  return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}
bool is_address_character(char c) {
  return hex_value(c) >= 0 || c == ':' || c == '.';
}

bool same_host(const HostPort& a, const HostPort& b) {
  return ascii_iequals(a.host, b.host);
}

}  // namespace

std::optional<HostPort> parse_host(std::string_view text) {
  HostPort result;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos || end < 3) return std::nullopt;
    if (!std::ranges::all_of(text.substr(1, end - 1), is_address_character)) return std::nullopt;
    ++end;
  } else {
    while (end < text.size() && is_name_character(text[end])) ++end;
  }
  result.host = text.substr(0, end);
  if (result.host.size() > 1 && result.host.ends_with('.')) result.host.remove_suffix(1);
  if (result.host.empty() || result.host.size() > 255) return std::nullopt;
  text.remove_prefix(end);
  if (text.empty()) return result;
  if (text[0] != ':' || text.size() > 6) return std::nullopt;
  result.port = text.substr(1);
  if (!std::ranges::all_of(result.port, ascii_is_digit)) return std::nullopt;
  return result;
}

bool allowed_host(std::string_view host, std::span<const std::string> allowed) {
  const auto asked = parse_host(host);
  if (!asked) return false;
  for (const auto name : kLoopbackNames) {
    if (ascii_iequals(asked->host, name)) return true;
  }
  for (const auto& name : allowed) {
    const auto known = parse_host(name);
    if (known && same_host(*asked, *known) && (known->port.empty() || known->port == asked->port)) {
      return true;
    }
  }
  return false;
}

bool cross_site(std::string_view origin, std::string_view sec_fetch_site, std::string_view host) {
  // "same-site" is not enough: another port of localhost is the same site.
  const bool fetch_says_own =
      sec_fetch_site.empty() || sec_fetch_site == "same-origin" || sec_fetch_site == "none";
  if (!fetch_says_own) return true;
  if (origin.empty()) return false;
  std::string_view default_port;
  if (origin.starts_with("http://")) {
    origin.remove_prefix(7);
    default_port = "80";
  } else if (origin.starts_with("https://")) {
    origin.remove_prefix(8);
    default_port = "443";
  } else {
    return true;  // "null": a sandboxed frame, a file, a redirect
  }
  const auto from = parse_host(origin);
  const auto to = parse_host(host);
  if (!from || !to || !same_host(*from, *to)) return true;
  const auto port_of = [&](const HostPort& h) { return h.port.empty() ? default_port : h.port; };
  return port_of(*from) != port_of(*to);
}

}  // namespace penstock::wire::http
