// Orders to workers that still hold: the part of the state that workers.cc decides about.
//
//   number ──▶ who ──▶ quiet | resume | resize N     until another takes its place
//                  └─▶ stop                          for those that were there, an hour long
//
// Later orders stand above earlier ones. One with the same selector takes the place of the earlier
// one of its sort (quiet and resume are of one sort); one to everybody, of all of its sort.
//
// Threads: one.
#pragma once

#include <map>

#include "base/cursor.h"
#include "engine/worker.h"

namespace penstock::engine {

inline constexpr std::size_t kWorkerOrdersMax = 256;
// By then, who was told to stop and lost its connection has come back or is gone.
inline constexpr Duration kStopOrderLife = std::chrono::hours(1);

struct WorkerOrderedEvent;

class WorkerOrders {
 public:
  void add(const WorkerOrderedEvent& event);
  void remove(std::uint64_t number) { all_.erase(number); }

  using ByNumber = std::map<std::uint64_t, WorkerOrder>;
  [[nodiscard]] const ByNumber& all() const { return all_; }
  [[nodiscard]] std::uint64_t next_number() const { return next_; }
  [[nodiscard]] static bool has_ended(const WorkerOrder& order, Time now) {
    return order.kind == OrderKind::stop && now >= order.at + kStopOrderLife;
  }
  [[nodiscard]] WorkerTold told(const WorkerSpec& worker, Time now) const;
  // How many there would be beside that one.
  [[nodiscard]] std::size_t count_beside(const WorkerOrderSpec& order, Time now) const;

  // ---- checkpoint
  void encode(Encoder& out) const;
  // False for what encode() cannot have written.
  [[nodiscard]] bool restore(Cursor& in);
  void check() const;

 private:
  ByNumber all_;
  std::uint64_t next_ = 1;
};

}  // namespace penstock::engine
