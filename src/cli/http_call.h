// One call of a server's HTTP API, at the address and for the user that --connect and --user name.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.h"

namespace penstock::cli {

struct HttpCall {
  const char* method = "GET";
  std::string path;                   // "/v1/users", parts percent-encoded
  boost::json::value body = nullptr;  // null: none
};

// The answer's JSON, null when there is none. The server's own error comes as it says it.
[[nodiscard]] Result<boost::json::value> call_http(const std::string& url, const HttpCall& call);

}  // namespace penstock::cli
