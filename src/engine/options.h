// What a queue may be told, and the one table by which every front reads, sets, prints and
// documents it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "engine/cause.h"
#include "flow/backoff.h"

namespace penstock::engine {

inline constexpr std::uint8_t kPriorityMax = 15;

enum class Overflow : std::uint8_t {
  reject,              // refuse the publish, and say when to come back
  block,               // hold the publish until there is room or its deadline passes
  drop_oldest,         // discard the oldest waiting message
  dead_letter,         // move the oldest waiting message to the dead letters
  reject_dead_letter,  // refuse the publish, and put a copy of it among the dead letters
};

struct QueueOptions {
  std::uint64_t max_length = 1'000'000;  // messages: ready, leased and scheduled
  std::uint64_t max_bytes = 4ull << 30;  // of bodies and headers, ready, leased and scheduled
  Duration max_wait{0};                  // predicted wait; 0 = no such bound
  Overflow overflow = Overflow::reject;
  Duration ttl{0};                  // 0 = messages don't expire
  std::uint32_t max_attempts = 20;  // 0 = no limit
  // Of those, how many may end of one cause; 0 = as many as there may be attempts.
  std::uint32_t max_raised = 0, max_timed_out = 0, max_worker_lost = 0, max_killed = 0,
                max_out_of_memory = 0;
  flow::Backoff backoff{};
  std::string dead_letter;  // queue name; empty = "<name>.dead"; "-" = discard
  Duration dedup_window = std::chrono::minutes(5);
  Duration lease = std::chrono::seconds(30);
  double rate = 0;                // deliveries per second; 0 = no limit
  std::uint32_t group_limit = 1;  // concurrent leases per group; 0 = no limit
  double group_rate = 0;          // deliveries per second and group; 0 = no limit
  bool paused = false;
  std::uint8_t max_priority = 9;  // higher ones count as this; 0 = in the order of coming
  bool single_active_consumer = false;
  Duration expires{0};       // the queue goes when unused for so long; 0 = never
  bool auto_delete = false;  // it goes with its last consumer
  bool exclusive = false;    // it belongs to the session that declared it, and ends with it
  bool durable = true;       // false: it and its messages live in memory, until the process ends
  bool stream = false;       // messages stay when they were read, and are read from any offset on
  Duration max_age{0};       // of a stream's messages; 0 = as long as there is room
  // Dead letters are published there instead of being moved; kDefaultExchange is the unnamed one.
  std::string dead_letter_exchange;
  std::string dead_letter_routing_key;  // empty = the keys that the message came with
  std::string arguments;                // as its client declared it, as JSON; kept for it

  static constexpr std::string_view kDefaultExchange = "amq.default";
  // What a queue cannot become when it is there already.
  [[nodiscard]] bool same_kind(const QueueOptions& other) const {
    return durable == other.durable && exclusive == other.exclusive && stream == other.stream;
  }

  bool operator==(const QueueOptions&) const = default;
};

inline constexpr double kGroupRateMax = 1e6;
inline constexpr std::uint32_t kGroupWeightMax = 1000;

// What was set for one group of a queue; what is not, is as the queue's options say.
struct GroupSetting {
  std::uint32_t weight = 1;            // deliveries each time that its turn comes
  std::optional<double> rate;          // deliveries per second; 0 = no limit
  std::optional<std::uint32_t> limit;  // concurrent leases; 0 = no limit

  bool operator==(const GroupSetting&) const = default;
};

// "weight", "rate" or "limit"; the value "default" takes back what was set.
[[nodiscard]] Result<void> set_group_field(GroupSetting& setting, std::string_view name,
                                           std::string_view value);

// One option as every front knows it: JSON field, RESP argument, `queue set name=value`.
struct OptionField {
  std::string_view name;
  std::string_view type;     // "count", "bytes", "duration", "number", "boolean", "name" or "a|b|c"
  std::string_view meaning;  // one line of documentation
  Result<void> (*set)(QueueOptions&, std::string_view value);
  std::string (*get)(const QueueOptions&);
};

[[nodiscard]] std::span<const OptionField> option_fields();

// Error::invalid names the option, what it was given and what it accepts.
[[nodiscard]] Result<void> set_option(QueueOptions& options, std::string_view name,
                                      std::string_view value);

// "none", "fixed:2s", "exponential:1s:60s", each with ":nojitter" behind if wanted.
[[nodiscard]] Result<flow::Backoff> parse_backoff(std::string_view text);
[[nodiscard]] std::string format_backoff(const flow::Backoff& backoff);

// The cap on attempts that end of `cause`; 0 = none.
[[nodiscard]] std::uint32_t most_of(const QueueOptions& options, Cause cause);

// Where the dead letters of `queue` go; empty when they are discarded.
[[nodiscard]] std::string dead_letter_name(std::string_view queue, const QueueOptions& options);

}  // namespace penstock::engine
