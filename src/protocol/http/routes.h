// The tables of what is served, and finding a request's place in them.
//
//   /api/...         management_routes(): RabbitMQ's management API (management/routes.cc)
//   everything else  native_routes(): Penstock's own (routes.cc)
//
// docs/protocols/http.md and docs/protocols/management.md list the routes as these tables have
// them; a test compares them.
// Threads: read-only data and pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
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

// Who may use a route, while there are users. What it does then is the engine's to allow.
enum class RouteAccess : std::uint8_t {
  everybody,   // without a password
  users,       // whoever is one
  monitoring,  // who has this tag: what is not asked of the engine
};

struct Route {
  wire::http::Method method;
  std::string_view pattern;  // "/v1/queues/{q}/lease": a segment in braces matches any one segment
  BodyLimit body;
  void (*handle)(Exchange&);  // answers, or asks the broker and answers when it replied
  std::string_view meaning;   // one line of documentation
  RouteAccess access = RouteAccess::users;
  // What may stand in the query, as "limit after"; any other name is refused. Of RabbitMQ's API
  // the table does not say, and nothing is: its clients ask for much that makes no difference here.
  std::string_view query = {};
};
inline constexpr std::string_view kAnyQuery = "*";

// A path taken apart: "/v1/queues" has two segments, "/" none.
struct Segments {
  static constexpr std::size_t kMax = 8;
  std::array<std::string_view, kMax> text;
  std::size_t count = 0;
};

// False when there are more segments than any route has.
[[nodiscard]] constexpr bool split_path(std::string_view path, Segments& into) {
  if (path.empty() || path.front() != '/') return false;
  path.remove_prefix(1);
  while (!path.empty()) {
    if (into.count == Segments::kMax) return false;
    const auto end = std::min(path.find('/'), path.size());
    into.text[into.count++] = path.substr(0, end);
    if (end == path.size()) break;
    path.remove_prefix(end + 1);
    // A slash at the end is a segment of its own, an empty one, which no route has.
    if (path.empty()) {
      if (into.count == Segments::kMax) return false;
      into.text[into.count++] = {};
    }
  }
  return true;
}

template <std::size_t N>
[[nodiscard]] consteval std::array<Segments, N> split_patterns(const Route (&routes)[N]) {
  std::array<Segments, N> patterns;
  for (std::size_t i = 0; i < N; ++i) {
    if (!split_path(routes[i].pattern, patterns[i])) throw "a pattern has too many segments";
  }
  return patterns;
}

struct RouteTable {
  std::span<const Route> routes;       // searched in order: the busiest first
  std::span<const Segments> patterns;  // of the routes
};
// The first name in a query that the route does not take; none: it takes them all. `raw_query` is
// the target's, still percent-encoded.
[[nodiscard]] std::optional<std::string> unknown_in_query(const Route& route,
                                                          std::string_view raw_query);
[[nodiscard]] const RouteTable& native_routes();
[[nodiscard]] const RouteTable& management_routes();

inline constexpr std::size_t kRoutesMax = 192;  // in both tables
// Every route, the native ones first.
template <class Visit>
void for_each_route(Visit visit) {
  for (const auto* table : {&native_routes(), &management_routes()})
    for (const auto& route : table->routes) visit(route);
}

struct Match {
  static constexpr std::size_t kParametersMax = 4;
  const Route* route = nullptr;  // null: not served
  std::size_t number = 0;        // its place among all routes
  bool management = false;       // it is RabbitMQ's clients that ask
  // When it is not served: the methods that the path is served with, one bit each; none if it is
  // unknown.
  std::uint16_t methods = 0;
  // What the braces stand for, as sent: still percent-encoded.
  std::array<std::string_view, kParametersMax> parameters;
};

// `path` is the target's path without the query. A HEAD is served by the route of its GET.
[[nodiscard]] Match match_route(wire::http::Method method, std::string_view path);

// "GET, HEAD, OPTIONS, PUT", for the field Allow.
[[nodiscard]] std::string allowed_methods(std::uint16_t methods);

// A table's routes as the documentation has them: lines of a Markdown table.
[[nodiscard]] std::string routes_as_markdown(const RouteTable& table);

}  // namespace penstock::protocol::http
