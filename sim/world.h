// One broker's life from one seed: clients, time, a disk that fails, power that goes.
//
// Everything is decided by the seed: the options (printed first), the work, the moments of failure.
// The ledger says after every reply whether it can be true, and at the end that nothing is missing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/disk.h"
#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

// What a seed decides before anything happens.
struct WorldOptions {
  explicit WorldOptions(std::uint64_t seed);
  [[nodiscard]] std::string describe() const;

  std::uint64_t seed;
  std::uint32_t steps = 0, sessions = 0;
  std::uint64_t segment_bytes = 64 << 10, reserve_bytes = 0, tail_cache_bytes = 0;
  std::uint32_t spare_segments = 0;
  std::uint64_t checkpoint_bytes = 0, dead_segments = 0;
  std::uint64_t max_length[2]{};
  std::uint32_t max_attempts = 0, group_limit = 0, cause_limit = 0;
  Duration lease{};
  std::uint32_t power_cuts = 0;  // one step in so many; 0 = never
  std::uint32_t io_errors = 0, full_disks = 0, restarts = 0;
  std::uint32_t large_bodies = 0;  // one message in so many
  std::uint32_t flows = 0;         // one command in so many is of workflows
  std::uint64_t flow_length = 0;   // steps that their queue takes
};

struct WorldCounters {
  std::uint64_t steps = 0, replies = 0, deliveries = 0, confirmed = 0, settled = 0;
  std::uint64_t workflows = 0;
  std::uint64_t crashes[kPersistenceModels]{};
  std::uint64_t kills = 0;
  std::uint64_t cuts_in_recovery = 0, io_deaths = 0, full_disks = 0, refused_for_disk = 0;
  std::uint64_t checkpoints = 0, operations = 0, virtual_seconds = 0;
  void add(const WorldCounters& other);
};

struct WorldResult {
  std::string violation;  // empty: all laws held
  std::uint64_t trace = 0;
  WorldCounters counters;
};

// `listener` gets a line for everything that happens.
[[nodiscard]] WorldResult run_world(const WorldOptions& options,
                                    std::function<void(const std::string&)> listener = {});

}  // namespace penstock::sim
