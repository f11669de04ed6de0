// A message's head, taken apart: what the parsers of requests and responses know before the body.
//
// Inside wire/http.
#pragma once

#include <optional>
#include <string_view>

#include "wire/http/message.h"
#include "wire/http/target.h"

namespace penstock::wire::http {

// How the body is delimited (RFC 9112 section 6).
struct Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
};

struct RequestHead {
  Method method = Method::get;
  int version = 11;
  std::string_view raw_target;
  Target target;
  Fields fields;
  std::string_view host;
  Framing framing;
  bool keep_alive = true;
  bool expects_continue = false;
};

struct ResponseHead {
  int status = 0;
  int version = 11;
  Fields fields;
  Framing framing;
  bool keep_alive = true;
};

// `text` is a whole head, passed by HeadReader; views in `head` point into it.
[[nodiscard]] std::optional<Failure> parse_request_head(std::string_view text, const Limits& limits,
                                                        RequestHead& head);
[[nodiscard]] std::optional<Failure> parse_response_head(std::string_view text, ResponseHead& head);

}  // namespace penstock::wire::http
