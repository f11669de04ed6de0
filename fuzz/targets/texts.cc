// Texts that people and programs hand us: each parser takes the whole text or refuses it, and reads
// back what its writer wrote.
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "broker/broker.h"
#include "fuzz/support/fuzz.h"
#include "net/address.h"
#include "wire/http/origin.h"
#include "wire/http/target.h"

namespace penstock::fuzz {
namespace {

// Calls `use` with what was read; an error is one line.
template <class T, class Use>
void when_read(const Result<T>& result, Use use) {
  if (result) {
    use(*result);
  } else {
    check_line(result.error().message);
  }
}

void check_numbers(std::string_view text) {
  when_read(parse_duration(text), [](Duration value) {
    CHECK(value >= Duration::zero() && parse_duration(format_duration(value)) == value);
  });
  when_read(parse_bytes(text),
            [](std::uint64_t value) { CHECK(parse_bytes(format_bytes(value)) == value); });
  when_read(parse_u64(text),
            [](std::uint64_t value) { CHECK(parse_u64(std::to_string(value)) == value); });
  when_read(parse_i64(text),
            [](std::int64_t value) { CHECK(parse_i64(std::to_string(value)) == value); });
}

void check_codes(std::string_view text) {
  CHECK(base64_decode(base64_encode(as_bytes(text))) == text);
  CHECK(hex_decode(hex_encode(as_bytes(text))) == text);
  when_read(base64_decode(text),
            [&](const std::string& value) { CHECK(base64_encode(as_bytes(value)) == text); });
  when_read(hex_decode(text), [&](const std::string& value) {
    CHECK(hex_encode(as_bytes(value)) == ascii_lowered(text));
  });
  const auto shown = quoted(text, 1000);
  CHECK(shown.size() <= 4 * 1000 + 16);
  check_line(shown);
}

void check_http(std::string_view text) {
  using namespace wire::http;
  CHECK(percent_decode(percent_encode(text)) == text);
  when_read(percent_decode(text), [](const std::string& value) {
    CHECK(percent_decode(percent_encode(value)) == value);
  });
  when_read(parse_form(text), [](const Pairs& pairs) { CHECK(pairs.size() <= kFormPairsMax); });
  when_read(path_segments(text), [](const std::vector<std::string>& segments) {
    std::string again;
    for (const auto& segment : segments) again.append("/").append(percent_encode(segment));
    CHECK(path_segments(again.empty() ? "/" : again) == segments);
  });
  if (const auto target = parse_target(text)) {
    CHECK(target->path == "*" || target->path.starts_with('/'));
    CHECK(path_segments(target->path) || target->path == "*");
  }
  if (const auto host = parse_host(text)) CHECK(!host->host.empty());
  CHECK(!allowed_host(text) || parse_host(text));
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto text = as_text(input);
  check_numbers(text);
  check_codes(text);
  check_http(text);
  if (valid_name(text)) CHECK(is_valid_utf8(text) && text.size() <= kNameBytesMax);
  when_read(broker::Broker::parse_lease(text), [](const engine::LeaseToken& token) {
    const auto again = broker::Broker::parse_lease(broker::Broker::to_text(token));
    CHECK(again && broker::Broker::to_text(*again) == broker::Broker::to_text(token));
  });
  when_read(net::parse_address(text), [](const net::Address& address) {
    const auto again = net::parse_address(net::to_text(address));
    CHECK(again && net::to_text(*again) == net::to_text(address));
  });
}

}  // namespace penstock::fuzz
