// Conversations in the native protocol with a whole broker behind them.
#include "fuzz/support/dialogue.h"
#include "protocol/resp/service.h"
#include "wire/resp/reply_reader.h"

namespace penstock::fuzz {
namespace {

using protocol::resp::Service;
using protocol::resp::Settings;

void erase_number(std::string& said, std::size_t at) {
  said.erase(at, said.find_first_not_of("0123456789", at) - at);
}

// STATUS and INFO tell how often the broker took its turn: that depends on the pieces, and so does
// the length of the text in which INFO tells it.
void leave_out_turns(std::string& said) {
  constexpr std::string_view kInMap = "turns\r\n:", kInText = "turns:";
  for (auto at = said.find(kInMap); at != std::string::npos; at = said.find(kInMap, at + 1))
    erase_number(said, at + kInMap.size());
  for (auto at = said.find(kInText); at != std::string::npos; at = said.find(kInText, at + 1)) {
    erase_number(said, at + kInText.size());
    if (const auto text = said.find_last_of("$=", at); text != std::string::npos)
      erase_number(said, text + 1);
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
