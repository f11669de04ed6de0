// A journal whose segment says anything, with checksums that hold: as if a program of ours had
// written nonsense. Blocks of zeros in it are kept short, so that an input has many batches.
//
// Input: the segment's header, then batches, each as its number of blocks and its first bytes.
#include <algorithm>

#include "fuzz/support/fuzz.h"
#include "fuzz/support/log.h"
#include "journal/format.h"

namespace penstock::fuzz {

void fuzz_one(ByteView input) {
  using journal::kBlock;
  Choices choices(input);
  Bytes segment(kSegmentBytes);
  const auto put = [&](std::size_t at, ByteView bytes) {
    bytes = bytes.first(std::min(bytes.size(), segment.size() - at));
    std::ranges::copy(bytes, segment.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, choices.piece());
  for (std::size_t at = kBlock; at < segment.size() && !choices.empty();) {
    const std::uint32_t blocks = 1 + choices.below(4);
    const bool as_said = choices.below(8) == 0;
    put(at, choices.piece());
    const std::uint32_t total = blocks * kBlock;
    if (!as_said && at + 52 <= segment.size())
      std::memcpy(segment.data() + at + 48, &total, sizeof total);
    at += total;
  }
  check_log(segment, true);
}

}  // namespace penstock::fuzz
