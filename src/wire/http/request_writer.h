// HTTP/1.1 requests onto the end of a buffer that the caller owns: the client's side.
//
// Promise: no text given can break the framing, as with ResponseWriter.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "wire/http/message.h"

namespace penstock::wire::http {

struct Request {
  std::string_view method = "GET";
  std::string_view target = "/";
  std::string_view host;
  std::span<const Field> fields{};
  std::string_view content_type{};  // with a body
  std::string_view body{};
  bool keep_alive = true;
};
// The client's side. `method`, `target` and `host` must be valid; what could break the request line
// is percent-encoded.
void write_request(std::string& out, const Request& request);

}  // namespace penstock::wire::http
