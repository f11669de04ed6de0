// How a message came: the exchange that it was published to, and its keys. Kept with the message,
// for those who get it and for the day it becomes a dead letter.
//
// Value of kRouteHeader: exchange, count of keys, keys; texts length-prefixed, numbers varint.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/headers.h"

namespace penstock::engine {

struct Route {
  std::string_view exchange;  // without its virtual host
  std::vector<std::string_view> keys;
};

inline void encode_route(Bytes& out, std::string_view exchange,
                         std::span<const std::string_view> keys) {
  Encoder to(out);
  to.text(exchange).varint(keys.size());
  for (const auto key : keys) to.text(key);
}

// Of a message that came without an exchange, the queue that it was published to.
[[nodiscard]] inline Route route_of(ByteView headers, std::string_view queue) {
  Route route;
  if (const auto value = find_header(headers, kRouteHeader)) {
    Cursor in(as_bytes(*value));
    route.exchange = in.text();
    for (auto count = in.varint(); count > 0 && in.ok(); --count) route.keys.push_back(in.text());
    if (in.ok()) return route;
  }
  return {{}, {queue}};
}

}  // namespace penstock::engine
