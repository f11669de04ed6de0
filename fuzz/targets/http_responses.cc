// HTTP responses, as a client reads them.
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/http/response_parser.h"
#include "wire/http/response_writer.h"

namespace penstock::fuzz {
namespace {

using wire::http::ResponseParser;
using State = ResponseParser::State;

constexpr wire::http::Limits kLimits{.max_body_bytes = 64u << 10};

void digest_response(Digest& digest, const ResponseParser& parser) {
  digest.add(static_cast<std::uint64_t>(parser.status())).add(parser.body());
  digest.add(parser.keep_alive());
  for (const auto& [name, value] : parser.fields().all()) digest.add(name).add(value);
}

// What was accepted can be said again, and means the same.
void check_round_trip(const ResponseParser& parser) {
  std::string text;
  wire::http::ResponseWriter writer(text, parser.status());
  for (const auto& [name, value] : parser.fields().all()) {
    if (name.size() > 2 && name.substr(0, 2) == "X-") writer.field(name, value);
  }
  writer.body("application/octet-stream", parser.body());
  ResponseParser again({.max_head_bytes = 64u << 10, .max_fields = 200});
  const auto fed = again.feed(as_bytes(text));
  CHECK(fed.state == State::complete && fed.consumed == text.size());
  CHECK(again.status() == parser.status());
  if (!again.body().empty()) CHECK(again.body() == parser.body());
}

Digest run(ByteView input, bool to_head, Cuts* cuts) {
  Digest digest;
  ResponseParser parser(kLimits);
  parser.set_to_head(to_head);
  std::size_t at = 0;
  const Meter meter;
  Work work;
  State state = State::need_more;
  while (at < input.size()) {
    const auto left = input.size() - at;
    auto piece = input.subspan(at, cuts == nullptr ? left : cuts->next(left));
    while (!piece.empty()) {
      const Meter call;
      const auto fed = parser.feed(piece);
      work.add(call);
      CHECK(fed.consumed <= piece.size());
      at += fed.consumed;
      piece = piece.subspan(fed.consumed);
      state = fed.state;
      meter.check_memory(at, 4, 16u << 10);
      if (state == State::failed) {
        check_line(parser.failure().message);
        return digest.add(parser.failure().message).add(at);
      }
      if (state == State::need_more) CHECK(piece.empty());
      if (state == State::complete) {
        digest_response(digest, parser);
        digest.add(at);
        parser.next();
        parser.set_to_head(to_head);
      }
    }
  }
  work.check(at, 500, 1024);
  if (parser.finish() == State::complete) digest_response(digest, parser);
  return digest;
}

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  const bool to_head = choices.below(8) == 0;
  input = choices.rest();
  const auto whole = run(input, to_head, nullptr);
  for (std::uint64_t salt = 0; salt < 2; ++salt) {
    Cuts cuts(input, salt);
    CHECK(run(input, to_head, &cuts) == whole);
  }
  ResponseParser parser(kLimits);
  for (auto rest = input; !rest.empty();) {
    const auto fed = parser.feed(rest);
    rest = rest.subspan(fed.consumed);
    if (fed.state != State::complete) return;
    check_round_trip(parser);
    parser.next();
  }
}

}  // namespace penstock::fuzz
