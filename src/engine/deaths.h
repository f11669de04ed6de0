// What a message has died of, newest first: one entry for each queue and reason, with a count.
//
// Value of kDeathsHeader: the first death's queue, reason and exchange; count of entries, each
// {queue, reason, count, microseconds, exchange, keys}; texts length-prefixed, numbers varint.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/cursor.h"
#include "engine/event.h"

namespace penstock::engine {

struct Death {
  std::string queue;  // without its virtual host, as the exchange
  MoveReason reason = MoveReason::rejected;
  std::uint64_t count = 1;
  Time at{};  // of the first one of these
  std::string exchange;
  std::vector<std::string> keys;
};

struct Deaths {
  std::string first_queue, first_exchange;
  MoveReason first_reason = MoveReason::rejected;
  std::vector<Death> entries;

  void add(Death death);
  // Sent to `queue` again it would go round for ever: it was there, and nobody has rejected it
  // since.
  [[nodiscard]] bool is_circle(std::string_view queue) const;
};

inline constexpr std::size_t kDeathsMax = 64;  // queues and reasons; older entries are forgotten

void encode(Bytes& out, const Deaths& deaths);
// Nothing for a damaged value.
[[nodiscard]] Deaths decode_deaths(ByteView value);

}  // namespace penstock::engine
