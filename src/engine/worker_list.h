// The workers that are there, by the session that each announced itself on. Nothing of it is
// journalled: presence is the session's.
//
// Threads: one. Lifetime: a Worker stays where it is until its session ends or announces anew.
#pragma once

#include <memory>
#include <unordered_map>

#include "engine/worker.h"

namespace penstock::engine {

class WorkerList {
 public:
  // What was there of the same session, or of the same worker on another one, goes.
  void set(SessionId session, WorkerSpec spec, Time now);
  void remove(SessionId session);
  [[nodiscard]] Worker* find(SessionId session);
  // True when one more would be too many.
  [[nodiscard]] bool is_full(SessionId session, std::uint64_t id) const;

  using BySession = std::unordered_map<SessionId, std::unique_ptr<Worker>>;
  [[nodiscard]] const BySession& all() const { return all_; }
  void check() const;

 private:
  BySession all_;
  std::unordered_map<std::uint64_t, SessionId> sessions_;  // by the worker's id
};

// Error::invalid | too_large for one whose names are none, or too many.
[[nodiscard]] Result<void> check_worker(const WorkerSpec& spec);
[[nodiscard]] Result<void> check_beat(const WorkerBeat& beat);

}  // namespace penstock::engine
