// libFuzzer's entry, which has a main() of its own.
#include <cstddef>
#include <cstdint>

#include "fuzz/support/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  penstock::fuzz::fuzz_one({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
