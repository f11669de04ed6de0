// Conversations in the native protocol with a whole broker behind them.
#include "fuzz/support/dialogue.h"
#include "protocol/resp/service.h"
#include "wire/resp/reply_reader.h"

namespace penstock::fuzz {
namespace {

using protocol::resp::Service;
using protocol::resp::Settings;

// STATUS and INFO tell how often the broker took its turn: that depends on the pieces.
void leave_out_turns(std::string& said) {
  for (const std::string_view before : {"turns\r\n:", "turns:"})
    for (auto at = said.find(before); at != std::string::npos; at = said.find(before, at + 1)) {
      const auto digits = at + before.size();
      said.erase(digits, said.find_first_not_of("0123456789", digits) - digits);
    }
}

std::string run(ByteView input, Cuts* cuts) {
  Settings settings;
  settings.max_output_bytes = 64u << 10;
  settings.max_unanswered = 16;
  Server<Service, Settings> server(settings);
  auto said = converse(server, input, cuts);
  // Whatever was sent in, what comes back is whole replies: nothing of it broke the framing.
  wire::resp::ReplyReader reader;
  for (auto rest = as_bytes(said); !rest.empty();) {
    const auto outcome = reader.parse(rest);
    CHECK(outcome.status == wire::resp::ReplyReader::Status::reply);
    if (reader.reply().is_error()) check_line(reader.reply().text);
    rest = rest.subspan(outcome.consumed);
  }
  server.broker->close();
  leave_out_turns(said);
  return said;
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto whole = run(input, nullptr);
  Cuts cuts(input);
  CHECK(run(input, &cuts) == whole);
}

}  // namespace penstock::fuzz
