// A journal whose segment is damaged in any way.
#include "fuzz/support/fuzz.h"
#include "fuzz/support/log.h"

namespace penstock::fuzz {

void fuzz_one(ByteView input) {
  check_log(input, false);
}

}  // namespace penstock::fuzz
