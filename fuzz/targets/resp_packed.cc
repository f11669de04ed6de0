// Packed rows of the native protocol: messages that a server gave, ends that a worker told.
#include <tuple>
#include <vector>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/resp/packed.h"

namespace penstock::fuzz {
namespace {

using namespace wire::resp;

bool inside(ByteView part, ByteView whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

auto all_of(const PackedMessage& m) {
  return std::tuple(m.lease.id, m.lease.delivery, m.lease.seal, m.lease.place, m.attempts,
                    m.priority, m.enqueued_at, m.deadline, m.expires_at, m.queue, m.group,
                    as_text(m.headers), as_text(m.body));
}
auto all_of(const PackedEnd& end) {
  return std::tuple(end.lease.id, end.lease.delivery, end.lease.seal, end.lease.place, end.result);
}
bool views_inside(const PackedMessage& m, ByteView input) {
  return inside(as_bytes(m.queue), input) && inside(as_bytes(m.group), input) &&
         inside(m.headers, input) && inside(m.body, input);
}
bool views_inside(const PackedEnd& end, ByteView input) {
  return inside(as_bytes(end.result), input);
}

// Reads without memory of its own, in time that the bytes account for; what was packed again reads
// the same.
template <class Reader, class Packer>
void check_rows(ByteView input) {
  Work work;
  std::size_t count = 0;
  {
    const Meter meter;
    Reader reader(input);
    while (const auto row = reader.next()) {
      CHECK(views_inside(*row, input));
      ++count;
    }
    CHECK(!reader.next());
    work.add(meter);
    CHECK(meter.allocated_bytes() == 0);
  }
  work.check(input.size(), 64, 4096);

  Bytes again;
  Packer packer(again);
  Reader reader(input);
  while (const auto row = reader.next()) packer.add(*row);
  Reader first(input), second(again);
  for (std::size_t n = 0; n < count; ++n) CHECK(all_of(*first.next()) == all_of(*second.next()));
  CHECK(!second.next() && !second.damaged());
}

}  // namespace

void fuzz_one(ByteView input) {
  check_rows<MessageReader, MessagePacker>(input);
  check_rows<EndReader, EndPacker>(input);
}

}  // namespace penstock::fuzz
