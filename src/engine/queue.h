// One queue: its options, what waits in it, and what it counts.
#pragma once

#include <array>
#include <list>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/group_ages.h"
#include "engine/group_index.h"
#include "engine/message.h"
#include "engine/options.h"
#include "engine/statistics.h"
#include "flow/meter.h"

namespace penstock::engine {

inline constexpr unsigned kPriorities = kPriorityMax + 1;

struct Queue {
  QueueId id;
  std::uint32_t slot = 0;
  std::string name;
  QueueOptions options;

  // Ready messages without a group, by priority; and groups that may deliver, by their first's
  // priority.
  std::array<List, kPriorities> ready{};
  std::array<List, kPriorities> rings{};
  std::uint16_t takeable = 0;                     // bit p: priority p has something to deliver
  std::array<std::uint32_t, kPriorities> hint{};  // last message put back in its place
  bool ring_turn = false;                         // groups and the rest take turns
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  GroupIndex groups;
  GroupAges ages;
  std::unordered_map<std::string, GroupSetting, TextHash, std::equal_to<>> group_settings;

  std::uint64_t first_offset = 0;  // of a stream: the offset of the oldest message
  std::uint64_t ready_count = 0, leased_count = 0, scheduled_count = 0;
  std::uint64_t bytes = 0;
  std::uint32_t dedup_keys = 0;  // by their weights
  [[nodiscard]] bool transient() const { return !options.durable; }
  [[nodiscard]] std::uint64_t length() const {
    return ready_count + leased_count + scheduled_count;
  }

  // While the process lives only.
  SessionId owner{};                     // of an exclusive queue
  std::vector<std::uint32_t> consumers;  // higher priorities first, then in the order of coming
  std::size_t next_consumer = 0;         // whose turn it is
  bool consumer_turn = false;            // consumers and waiting takes take turns
  bool has_exclusive_consumer = false;
  bool had_consumer = false;
  bool had_declined = false;  // tasks that somebody could not run
  bool had_suspects = false;  // messages that were lost with a worker
  MessageId lonely;           // waits for a worker that has nothing else,
  Time lonely_since{};        // and has done so since then
  std::uint32_t company_timer = 0;
  bool making_room = false;  // its oldest are on their way out
  Time used_at{};            // by a consumer, a declare or a get
  std::uint32_t expiry_timer = 0;
  std::list<std::uint32_t> waiting;  // takes, longest waiting first
  bool dirty = false;                // has something new for those who wait
  double tokens = 0;                 // of the rate limit
  Time tokens_at{};
  std::uint32_t rate_timer = 0;
  flow::Meter meter;
  QueueStatistics counters;   // only the counters are kept here
  double refused_lately = 0;  // decays; spreads out those who come back
  Time refused_at{};
};

}  // namespace penstock::engine
