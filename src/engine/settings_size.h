// How much a checkpoint has to tell of what somebody set: queues, exchanges, users, schedules …
#pragma once

#include "base/bytes.h"
#include "engine/event.h"

namespace penstock::engine {

// At most: each is told again as its record told it, with when it was last done. What is taken back
// is taken off only when a checkpoint is written, which is when the size is known anew.
class SettingsSize {
 public:
  void count(EventKind kind, ByteView head) {
    if (is_setting(kind)) bytes_ += head.size() + kTimesBytes;
  }
  void reset(std::uint64_t bytes) { bytes_ = bytes; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint64_t kTimesBytes = 64;
  [[nodiscard]] static bool is_setting(EventKind kind) {
    switch (kind) {
      case EventKind::genesis:
      case EventKind::queue_set:
      case EventKind::policy:
      case EventKind::exchange_set:
      case EventKind::bound:
      case EventKind::host_set:
      case EventKind::user_set:
      case EventKind::permission_set:
      case EventKind::topic_permission_set:
      case EventKind::schedule_set:
      case EventKind::workflow_set:
      case EventKind::group_set:
      case EventKind::worker_ordered:
        return true;
      default:
        return false;
    }
  }

  std::uint64_t bytes_ = 0;
};

}  // namespace penstock::engine
