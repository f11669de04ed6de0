// How many messages of one key there may be: unique ones, debounced ones, and so many in a period.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::engine {

enum class KeyRule : std::uint8_t {
  none,
  unique_start,  // one, until it is taken for the first time
  unique_done,   // one, until it ends
  unique_for,    // one, for a time
  debounce,      // the last of those that come within a delay of each other
  throttle,      // so many in any period
};
enum class OnConflict : std::uint8_t {
  reject,
  give_known,  // the id of the one that is there
  replace,     // it ends, and the new one has its key; not while it is being worked on
  delay        // of a throttle: until its time comes
};

// Whose keys do not know each other's. Their numbers are in the hashes of every log.
enum class KeyKind : std::uint8_t { message, unique, debounce = 4, throttle, workflow };
[[nodiscard]] constexpr KeyKind kind_of(KeyRule rule) {
  if (rule == KeyRule::none) return KeyKind::message;
  if (rule == KeyRule::debounce) return KeyKind::debounce;
  return rule == KeyRule::throttle ? KeyKind::throttle : KeyKind::unique;
}

inline constexpr std::uint32_t kThrottleMost = 1000;

struct KeyLimit {
  KeyRule rule = KeyRule::none;
  OnConflict on_conflict = OnConflict::reject;  // a debounce always replaces
  std::string_view key;
  Duration time{0};        // of unique_for; of a debounce, the delay; of a throttle, the period
  Duration max_wait{0};    // of a debounce, since the first; 0 = as long as more come
  std::uint32_t most = 1;  // of a throttle, in a period

  [[nodiscard]] bool is_unique() const {
    return rule >= KeyRule::unique_start && rule <= KeyRule::unique_for;
  }
};

// What every front takes. `until`: "start", "done" or a duration; `on_conflict`: "reject",
// "return", "replace" or "delay"; `rate`: "10/1m".
[[nodiscard]] Result<void> set_until(KeyLimit& limit, std::string_view until);
[[nodiscard]] Result<void> set_on_conflict(KeyLimit& limit, std::string_view on_conflict);
[[nodiscard]] Result<void> set_throttle_rate(KeyLimit& limit, std::string_view rate);

// Error::invalid names what is wrong with it.
[[nodiscard]] Result<void> check(const KeyLimit& limit);

}  // namespace penstock::engine
