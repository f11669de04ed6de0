// HTTP requests, one behind the other, as a server reads them.
#include <string>
#include <vector>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/http/origin.h"
#include "wire/http/request_parser.h"
#include "wire/http/request_writer.h"

namespace penstock::fuzz {
namespace {

using wire::http::Limits;
using wire::http::RequestParser;
using State = RequestParser::State;

constexpr Limits kLimits{.max_body_bytes = 64u << 10};
// A parsed head: at most so many fields, each a view of 32 bytes, in a vector that doubles.
constexpr std::uint64_t kHeadBytes = 16u << 10;

void digest_request(Digest& digest, const RequestParser& parser) {
  digest.add(static_cast<std::uint64_t>(parser.method())).add(parser.target());
  digest.add(parser.path()).add(parser.host()).add(parser.body());
  digest.add(parser.keep_alive()).add(parser.http_1_0()).add(parser.expects_continue());
  for (const auto& [name, value] : parser.fields().all()) digest.add(name).add(value);
  for (const auto& segment : parser.segments()) digest.add(segment);
  digest.add(parser.query("wait").value_or("-"));
  digest.add(static_cast<std::uint64_t>(wire::http::allowed_host(parser.host())));
  digest.add(static_cast<std::uint64_t>(
      wire::http::cross_site(parser.fields().value("Origin"), {}, parser.host())));
}

Digest run(ByteView input, Cuts* cuts) {
  Digest digest;
  RequestParser parser(kLimits);
  std::size_t at = 0;
  const Meter meter;
  Work work;
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
      meter.check_memory(at, 4, kHeadBytes);
      if (fed.state == State::failed) {
        const auto& failure = parser.failure();
        check_line(failure.message);
        CHECK(failure.status >= 400 && failure.status < 600 && !failure.code.empty());
        return digest.add(failure.message).add(failure.code).add(at);
      }
      if (fed.state == State::need_more) {
        CHECK(piece.empty());
      } else if (fed.state == State::complete) {
        CHECK(parser.body().size() <= kLimits.max_body_bytes);
        digest_request(digest, parser);
        digest.add(at);
        parser.next();
      }
    }
  }
  work.check(at, 500, 1024);
  return digest.add(parser.in_message());
}

// What was accepted can be said again, and means the same.
void check_round_trip(const RequestParser& parser) {
  std::string text;
  const std::string body(parser.body());
  wire::http::write_request(text, {.method = wire::http::name_of(parser.method()),
                                   .target = parser.target(),
                                   .host = parser.fields().value("Host"),
                                   .content_type = parser.fields().value("Content-Type"),
                                   .body = body});
  RequestParser again({.max_head_bytes = 64u << 10});
  ByteView rest = as_bytes(text);
  State state = State::need_more;
  while (!rest.empty() && state != State::complete) {
    const auto fed = again.feed(rest);
    rest = rest.subspan(fed.consumed);
    state = fed.state;
    CHECK(state != State::failed);
  }
  CHECK(state == State::complete && rest.empty());
  CHECK(again.method() == parser.method() && again.target() == parser.target());
  CHECK(again.segments() == parser.segments() && again.host() == parser.host());
  CHECK(again.body() == body);
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto whole = run(input, nullptr);
  for (std::uint64_t salt = 0; salt < 2; ++salt) {
    Cuts cuts(input, salt);
    CHECK(run(input, &cuts) == whole);
  }
  RequestParser parser(kLimits);
  for (auto rest = input; !rest.empty();) {
    const auto fed = parser.feed(rest);
    rest = rest.subspan(fed.consumed);
    if (fed.state == State::failed) return;
    if (fed.state != State::complete) continue;
    if (!parser.http_1_0()) check_round_trip(parser);
    parser.next();
  }
}

}  // namespace penstock::fuzz
