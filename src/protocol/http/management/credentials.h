// Who asks the management API: HTTP Basic, as RabbitMQ's tools send it.
#pragma once

#include <optional>
#include <string>

#include "protocol/http/exchange.h"

namespace penstock::protocol::http::management {

struct Credentials {
  std::string user, password;
};
// Nothing when there are none, or in another scheme than Basic (RFC 7617).
[[nodiscard]] std::optional<Credentials> read_credentials(const wire::http::Fields& fields);

// Whether the request is from somebody who may ask; 401 and answered when not.
[[nodiscard]] bool admit(Exchange& exchange);

template <Exchange::Handler Handle>
void admitted(Exchange& exchange) {
  if (admit(exchange)) Handle(exchange);
}

}  // namespace penstock::protocol::http::management
