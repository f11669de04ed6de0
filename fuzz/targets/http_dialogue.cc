// The JSON API with a whole broker behind it.
#include "fuzz/support/dialogue.h"
#include "protocol/http/service.h"
#include "wire/http/response_parser.h"

namespace penstock::fuzz {
namespace {

using protocol::http::Service;
using protocol::http::Settings;
using wire::http::ResponseParser;
using State = ResponseParser::State;

// Whatever was sent in, what comes back is whole responses: nothing of it broke the framing.
void check_responses(std::string_view said) {
  ResponseParser parser({.max_head_bytes = 64u << 10, .max_body_bytes = 1u << 30});
  State state = State::need_more;
  for (auto rest = as_bytes(said); !rest.empty();) {
    const auto fed = parser.feed(rest);
    rest = rest.subspan(fed.consumed);
    state = fed.state;
    CHECK(state != State::failed);
    if (state != State::complete) continue;
    CHECK(parser.status() != 500);
    parser.next();
  }
}

std::string run(ByteView input, Cuts* cuts) {
  Settings settings;
  settings.max_body_bytes = 64u << 10;
  Server<Service, Settings> server(settings);
  auto said = converse(server, input, cuts);
  server.broker->close();
  return said;
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto whole = run(input, nullptr);
  // The answer to a HEAD has no body, which its reader must know.
  if (as_text(input).find("HEAD") == std::string_view::npos) check_responses(whole);
  Cuts cuts(input);
  CHECK(run(input, &cuts) == whole);
}

}  // namespace penstock::fuzz
