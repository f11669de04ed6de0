// Who may ask the management API. That somebody is who he says was seen before (../login.cc).
#pragma once

#include "protocol/http/exchange.h"

namespace penstock::protocol::http::management {

// Whether the request is from somebody who may ask; 401 and answered when not.
[[nodiscard]] bool admit(Exchange& exchange, engine::Role role);

template <Exchange::Handler Handle, engine::Role Least = engine::Role::management>
void admitted(Exchange& exchange) {
  if (admit(exchange, Least)) Handle(exchange);
}

}  // namespace penstock::protocol::http::management
