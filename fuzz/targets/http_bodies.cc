// The framing of HTTP bodies: by length, in chunks, up to the connection's end.
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/http/body_reader.h"
#include "wire/http/response_writer.h"

namespace penstock::fuzz {
namespace {

using wire::http::BodyReader;
using Status = BodyReader::Status;

struct Framing {
  std::uint32_t mode;
  std::uint64_t length;
  std::uint64_t max_bytes;
};

struct Outcome {
  Status status = Status::need_more;
  std::size_t consumed = 0;
  std::string body;
  std::string failure;
  bool operator==(const Outcome&) const = default;
};

void begin(BodyReader& reader, const Framing& framing) {
  if (framing.mode == 0) reader.begin_length(framing.length);
  if (framing.mode == 1) reader.begin_chunked();
  if (framing.mode == 2) reader.begin_until_close();
}

Outcome run(std::string_view input, const Framing& framing, Cuts* cuts) {
  Outcome outcome;
  BodyReader reader;
  const Meter meter;
  Work work;
  begin(reader, framing);
  while (outcome.status == Status::need_more && outcome.consumed < input.size()) {
    const auto left = input.size() - outcome.consumed;
    auto piece = input.substr(outcome.consumed, cuts == nullptr ? left : cuts->next(left));
    const auto given = piece.size();
    const Meter call;
    outcome.status = reader.feed(piece, outcome.body, framing.max_bytes);
    work.add(call);
    outcome.consumed += given - piece.size();
    CHECK(outcome.status != Status::need_more || piece.empty());
    CHECK(outcome.body.size() <= framing.max_bytes);
    meter.check_memory(outcome.consumed, 4, 4096);
  }
  work.check(outcome.consumed, 64, 512);
  if (outcome.status == Status::need_more) outcome.status = reader.finish();
  if (outcome.status == Status::failed) {
    outcome.failure = reader.failure().message;
    check_line(outcome.failure);
    CHECK(reader.failure().status >= 400 && !reader.failure().code.empty());
    outcome.body.clear();  // of a message that was refused nobody reads a part
    outcome.consumed = 0;
  }
  return outcome;
}

void check_round_trip(std::string_view body, Cuts cuts) {
  std::string text;
  wire::http::StreamWriter writer(text);
  for (auto rest = body; !rest.empty();) {
    const auto size = cuts.next(rest.size());
    writer.data(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  writer.end();
  const auto read = run(text, {.mode = 1, .length = 0, .max_bytes = body.size()}, nullptr);
  CHECK(read.status == Status::done && read.body == body && read.consumed == text.size());
}

}  // namespace

void fuzz_one(ByteView input) {
  Choices choices(input);
  Framing framing{.mode = choices.below(3), .length = choices.below(65'536), .max_bytes = 0};
  framing.max_bytes = choices.below(2) == 0 ? 16u << 20 : choices.below(4096);
  if (framing.mode == 0) framing.max_bytes = std::max(framing.max_bytes, framing.length);
  const auto text = as_text(choices.rest());
  const auto whole = run(text, framing, nullptr);
  for (std::uint64_t salt = 0; salt < 2; ++salt) {
    Cuts cuts(input, salt);
    CHECK(run(text, framing, &cuts) == whole);
  }
  check_round_trip(whole.body, Cuts(input));
}

}  // namespace penstock::fuzz
