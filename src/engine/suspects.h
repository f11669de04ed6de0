// What is asked of a lost lease, and of one that is to be given. See suspects.cc.
#pragma once

#include <cstdint>

namespace penstock::engine {

// What a worker has beside one of its leases.
struct Company {
  std::uint32_t held = 0;     // leases, with that one
  std::uint32_t slots = 0;    // how many tasks it runs at once; 0: not known
  std::uint32_t watched = 0;  // the lease that answers for all of them; 0: none does
  bool unclaimed = false;     // nobody knows whose it was, before a restart
};

enum class Chance : std::uint8_t {
  free,     // like any other
  alone,    // and nothing beside it for a while
  refused,  // not now
};

}  // namespace penstock::engine
