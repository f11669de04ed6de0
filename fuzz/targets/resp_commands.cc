// Commands of the Redis protocol, from the server's side.
#include <algorithm>
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/resp/command_parser.h"
#include "wire/resp/reply_writer.h"

namespace penstock::fuzz {
namespace {

using wire::resp::CommandParser;
using wire::resp::CommandStatus;
using wire::resp::Limits;

void check_round_trip(std::span<const std::string_view> args) {
  std::string text;
  wire::resp::write_command(text, args);
  CommandParser parser;
  const auto outcome = parser.parse(as_bytes(text));
  CHECK(outcome.status == CommandStatus::command && outcome.consumed == text.size());
  CHECK(std::ranges::equal(parser.args(), args));
}

// Feeds the input as a gateway does: what is not consumed stays at the front of the buffer.
Digest run(ByteView input, const Limits& limits, Cuts* cuts) {
  Digest digest;
  Bytes held;
  held.reserve(input.size());
  CommandParser parser(limits);
  const Meter meter;
  Work work;
  std::size_t received = 0;
  while (received < input.size()) {
    const auto size = cuts == nullptr ? input.size() : cuts->next(input.size() - received);
    append(held, input.subspan(received, size));
    received += size;
    std::size_t begin = 0;
    for (;;) {
      const auto rest = ByteView(held).subspan(begin);
      const Meter call;
      const auto outcome = parser.parse(rest);
      work.add(call);
      CHECK(outcome.consumed <= rest.size());
      if (outcome.status == CommandStatus::error) {
        check_line(parser.error());
        meter.check_memory(received, 8, 4096);
        return digest.add(parser.error());
      }
      if (outcome.status == CommandStatus::command) {
        CHECK(!parser.args().empty() && parser.args().size() <= limits.max_args);
        digest.add(parser.args().size());
        for (const auto arg : parser.args()) digest.add(arg);
      }
      begin += outcome.consumed;
      if (outcome.status == CommandStatus::need_more) break;
    }
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  meter.check_memory(received, 8, 4096);
  // A byte is looked at a few times, however the input is cut.
  work.check(received, 64, 512);
  return digest;
}

void check_values(ByteView input) {
  CommandParser parser;
  while (!input.empty()) {
    const auto outcome = parser.parse(input);
    if (outcome.status != CommandStatus::command) return;
    check_round_trip(parser.args());
    input = input.subspan(outcome.consumed);
  }
}

}  // namespace

void fuzz_one(ByteView input) {
  for (const auto& limits : {Limits{}, Limits::before_login()}) {
    const auto whole = run(input, limits, nullptr);
    for (std::uint64_t salt = 0; salt < 2; ++salt) {
      Cuts cuts(input, salt);
      CHECK(run(input, limits, &cuts) == whole);
    }
  }
  check_values(input);
}

}  // namespace penstock::fuzz
