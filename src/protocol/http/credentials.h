// What a request says of who sent it: HTTP Basic (RFC 7617).
#pragma once

#include <optional>
#include <string>

#include "wire/http/message.h"

namespace penstock::protocol::http {

struct Credentials {
  std::string user, password;
};
// Nothing when there are none, or in another scheme.
[[nodiscard]] std::optional<Credentials> read_credentials(const wire::http::Fields& fields);

}  // namespace penstock::protocol::http
