// Who gets messages sent as they come.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/ids.h"

namespace penstock::engine {

// What several consumers of one session may receive together.
struct CreditPool {
  std::int64_t credit = 0;
  std::uint32_t consumers = 0;
};

struct Consumer {
  SessionId session;
  std::uint64_t tag = 0;
  QueueId queue;
  std::int64_t credit = 0, bytes = 0;
  CreditPool* pool = nullptr;  // in the engine's table, which never moves it
  std::uint64_t pool_number = 0;
  std::int32_t priority = 0;
  bool exclusive = false;
  // Of a stream's reader: what comes next, and what came last, behind which that is found.
  std::uint64_t next_offset = 0;
  std::uint32_t last_slot = 0;
  MessageId last_id{};
  std::uint64_t skip_until = 0;

  [[nodiscard]] std::int64_t allowance() const {
    if (bytes <= 0) return 0;
    return pool == nullptr ? credit : std::min(credit, pool->credit);
  }
  void use(std::int64_t count, std::int64_t count_bytes) {
    credit -= count;
    bytes -= count_bytes;
    if (pool != nullptr) pool->credit -= count;
  }
};

}  // namespace penstock::engine
