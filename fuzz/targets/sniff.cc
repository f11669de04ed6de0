// Which protocol a client speaks: final once it is told, told in time, and blind to the cuts.
#include "wire/sniff.h"

#include "base/check.h"
#include "fuzz/support/fuzz.h"

namespace penstock::fuzz {

void fuzz_one(ByteView input) {
  using wire::Protocol;
  const Protocol whole = wire::sniff(input);
  CHECK(!wire::name_of(whole).empty());
  Protocol last = Protocol::need_more;
  for (std::size_t size = 0; size <= input.size() && size <= wire::kSniffBytesMax + 16; ++size) {
    const Protocol now = wire::sniff(input.first(size));
    CHECK(size < wire::kSniffBytesMax || now != Protocol::need_more);
    CHECK(last == Protocol::need_more || now == last);
    last = now;
  }
  CHECK(last == whole);
}

}  // namespace penstock::fuzz
