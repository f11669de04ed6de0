// Replies of the Redis protocol, from the client's side.
#include <cmath>
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/resp/reply_reader.h"
#include "wire/resp/reply_writer.h"

namespace penstock::fuzz {
namespace {

using wire::resp::Reply;
using wire::resp::ReplyReader;
using wire::resp::ReplyType;
using wire::resp::ReplyWriter;

void digest_reply(Digest& digest, const Reply& reply) {
  digest.add(static_cast<std::uint64_t>(reply.type)).add(reply.text);
  digest.add(static_cast<std::uint64_t>(reply.integer)).add(std::to_string(reply.number));
  digest.add(reply.items.size());
  for (const auto& item : reply.items) digest_reply(digest, item);
}

// False for what has no writer.
bool write(ReplyWriter& out, const Reply& reply) {
  switch (reply.type) {
    case ReplyType::null:
      out.null();
      return true;
    case ReplyType::integer:
      out.integer(reply.integer);
      return true;
    case ReplyType::bulk:
      out.bulk(reply.text);
      return true;
    case ReplyType::boolean:
      out.boolean(reply.integer != 0);
      return true;
    case ReplyType::number:
      out.number(reply.number);
      return !std::isnan(reply.number);
    case ReplyType::array:
      out.array(reply.items.size());
      break;
    case ReplyType::set:
      out.set(reply.items.size());
      break;
    case ReplyType::map:
      out.map(reply.items.size() / 2);
      break;
    case ReplyType::push:
      out.push(reply.items.size());
      break;
    default:
      return false;
  }
  for (const auto& item : reply.items)
    if (!write(out, item)) return false;
  return true;
}

void check_round_trip(const Reply& reply) {
  std::string text;
  ReplyWriter writer(text, wire::resp::Version::resp3);
  if (!write(writer, reply)) return;
  ReplyReader reader;
  const auto outcome = reader.parse(as_bytes(text));
  CHECK(outcome.status == ReplyReader::Status::reply && outcome.consumed == text.size());
  CHECK(reader.reply() == reply);
}

Digest run(ByteView input, Cuts* cuts) {
  Digest digest;
  Bytes held;
  held.reserve(input.size());
  ReplyReader reader;
  std::size_t received = 0;
  const Meter meter;
  Work work;
  while (received < input.size()) {
    const auto size = cuts == nullptr ? input.size() : cuts->next(input.size() - received);
    append(held, input.subspan(received, size));
    received += size;
    std::size_t begin = 0;
    for (;;) {
      const auto rest = ByteView(held).subspan(begin);
      const Meter call;
      const auto outcome = reader.parse(rest);
      work.add(call);
      CHECK(outcome.consumed <= rest.size());
      begin += outcome.consumed;
      if (outcome.status == ReplyReader::Status::error) {
        check_line(reader.error());
        return digest.add(reader.error());
      }
      if (outcome.status == ReplyReader::Status::need_more) break;
      digest_reply(digest, reader.reply());
    }
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(begin));
    // A value of three bytes, "_\r\n", becomes a node of the tree.
    meter.check_memory(received, sizeof(Reply), 8192);
  }
  work.check(received, 200, 1024);
  return digest;
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto whole = run(input, nullptr);
  for (std::uint64_t salt = 0; salt < 2; ++salt) {
    Cuts cuts(input, salt);
    CHECK(run(input, &cuts) == whole);
  }
  ReplyReader reader;
  for (auto rest = input; !rest.empty();) {
    const auto outcome = reader.parse(rest);
    if (outcome.status != ReplyReader::Status::reply) return;
    check_round_trip(reader.reply());
    rest = rest.subspan(outcome.consumed);
  }
}

}  // namespace penstock::fuzz
