// The table of what is served, and finding a request's place in it.
//
// docs/protocols/http.md lists the routes as this table has them; a test compares the two.
// Threads: read-only data and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "wire/http/message.h"

namespace penstock::protocol::http {

class Exchange;

// How long a request's body may be.
enum class BodyLimit : std::uint8_t {
  control,  // kControlBodyMax: options and the like, or nothing
  message,  // Settings::max_body_bytes
};
inline constexpr std::uint64_t kControlBodyMax = 64u << 10;

struct Route {
  wire::http::Method method;
  std::string_view pattern;  // "/v1/queues/{q}/lease": a segment in braces matches any one segment
  BodyLimit body;
  void (*handle)(Exchange&);  // answers, or asks the broker and answers when it replied
  std::string_view meaning;   // one line of documentation
};

inline constexpr std::size_t kRoutesMax = 32;
[[nodiscard]] std::span<const Route> routes();

struct Match {
  const Route* route = nullptr;  // null: not served
  // When it is not: the methods that the path is served with, one bit each; none if it is unknown.
  std::uint16_t methods = 0;
  std::string_view parameter;  // what the braces stand for, as sent: still percent-encoded
};

// `path` is the target's path without the query. A HEAD is served by the route of its GET.
[[nodiscard]] Match match_route(wire::http::Method method, std::string_view path);

// "GET, HEAD, OPTIONS, PUT", for the field Allow.
[[nodiscard]] std::string allowed_methods(std::uint16_t methods);

// The list of routes as docs/protocols/http.md has it: lines of a Markdown table.
[[nodiscard]] std::string routes_as_markdown();

}  // namespace penstock::protocol::http
