// What a queue tells about itself.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "engine/options.h"

namespace penstock::engine {

struct QueueStatistics {
  std::string name;
  QueueOptions options;
  std::uint64_t ready = 0, leased = 0, scheduled = 0, bytes = 0;
  // Little's law: L = lambda * W.
  double in_system = 0;     // L: ready + leased
  double arrival_rate = 0;  // lambda, messages per second
  double service_rate = 0;  // mu, what the consumers can do per second; 0 while unknown
  bool service_rate_known = false;
  Duration mean_time{0};        // W, from publish to settle
  Duration predicted_wait{0};   // L / mu for a message that comes now; 0 while unknown
  Duration oldest_age{0};       // of the oldest ready message
  std::uint32_t consumers = 0;  // waiting takes
  // Since the process started.
  std::uint64_t published = 0, duplicates = 0, delivered = 0, acked = 0, nacked = 0, rejected = 0;
  // Attempts that failed, by cause.
  std::uint64_t raised = 0, timed_out = 0, worker_lost = 0, killed = 0, out_of_memory = 0;
  std::uint64_t declined = 0;   // tasks that whoever took them could not run
  std::uint64_t returned = 0;   // leases that ran out or whose connection ended
  std::uint64_t spared = 0;     // of those, what was not charged for the loss of its worker
  std::uint64_t held_back = 0;  // takes that waited, or got less, for a loss or a decline
  std::uint64_t expired = 0, dropped = 0, dead_lettered = 0, purged = 0, redriven = 0;
  std::uint64_t refused_length = 0, refused_bytes = 0, refused_wait = 0, refused_dedup = 0;
  std::uint64_t refused_unique = 0, refused_throttle = 0;
  std::uint64_t replaced = 0;             // by one with the same unique or debounce key
  std::uint64_t dead_letter_refused = 0;  // dead letters that found no room and will be tried again
  [[nodiscard]] std::uint64_t refused() const {
    return refused_length + refused_bytes + refused_wait + refused_dedup + refused_unique +
           refused_throttle;
  }
};

// Of each plain count since the process started: its name wherever it is told, and what it counts.
struct QueueCounter {
  std::string_view name;
  std::string_view help;
  std::uint64_t QueueStatistics::*value;
};
[[nodiscard]] std::span<const QueueCounter> queue_counters();

}  // namespace penstock::engine
