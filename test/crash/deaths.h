// How the server is to die next: at a named point of what it does to the disk, as seldom tried ones
// come first; and a tally of what was tried and what came to pass.
//
// Threads: one owner.
#pragma once

#include <array>
#include <random>
#include <string>
#include <vector>

#include "test/faults/recording.h"

namespace penstock::crash {

struct Death {
  int point = -1;    // of faults::kPoints; -1 = no point, any time
  std::string plan;  // for the shim
};

class Deaths {
 public:
  Deaths(faults::Recording& recording, std::string data, std::uint64_t segment_bytes)
      : recording_(recording), data_(std::move(data)), segment_bytes_(segment_bytes) {}

  [[nodiscard]] Death choose(std::mt19937_64& random);
  // So early that everything the server said came from what the life before had written.
  [[nodiscard]] Death choose_before_first_sync();
  // A life ended; true when it ended as `death` said.
  bool ended(const Death& death);

  [[nodiscard]] std::uint64_t at_points() const { return at_points_; }
  // One line for each point: how often the server came by, and died there.
  [[nodiscard]] std::string table() const;
  // The points that were never come by.
  [[nodiscard]] std::vector<std::string> never_reached(bool also_by_chance) const;

 private:
  [[nodiscard]] int choose_point(std::mt19937_64& random) const;

  faults::Recording& recording_;
  std::string data_;
  std::uint64_t segment_bytes_;
  std::uint64_t lives_ = 0, at_points_ = 0;
  std::uint32_t struck_ = 0;
  struct Tally {
    std::uint64_t planned = 0, died = 0;
  };
  std::array<Tally, faults::kPointCount> tallies_{};
};

}  // namespace penstock::crash
