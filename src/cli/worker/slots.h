// The slots of a worker: how many tasks it may have at once, those that it has, and what stands
// between the one that takes tasks and the many that run them.
//
//   await_room() ──▶ take ──▶ put() ──▶ get() ──▶ run, settle ──▶ leave()
//        ▲                      └──▶ what found no room goes back
//   set(): more room, less of it, or none while the worker is quiet
//
// Threads:  any. One takes, any number run.
// Lifetime: an attempt is shared with whoever extends its lease, and with answers on their way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>
#include <vector>

#include "base/clock.h"
#include "client/api.h"

namespace penstock::cli {

// One task that this worker has.
struct Attempt {
  enum class Stopped : std::uint8_t { no, lost, cancelled, out_of_time };

  client::TakenTask task;
  Time since{};
  std::atomic<Time> extend_at;
  std::atomic<Stopped> why = Stopped::no;
  std::stop_source stop;

  void end(Stopped reason) {
    Stopped none = Stopped::no;
    why.compare_exchange_strong(none, reason);
    stop.request_stop();
  }
};
using SharedAttempt = std::shared_ptr<Attempt>;

class Slots {
 public:
  explicit Slots(std::uint32_t limit) : limit_(limit) {}

  struct Room {
    std::uint32_t slots = 0;  // 0: there will be none any more
    std::stop_token less;     // there is less of it now: what waits for tasks shall end
  };
  // Waits until at least one task may be taken.
  [[nodiscard]] Room await_room();
  // Gives those back that find no room.
  [[nodiscard]] std::vector<SharedAttempt> put(std::vector<SharedAttempt> attempts);

  // The next one to run; null when there will be none any more.
  [[nodiscard]] SharedAttempt get();
  void leave(const SharedAttempt& attempt);

  // 0: quiet. What is here already stays.
  void set(std::uint32_t limit);
  // Nothing more comes in.
  void close();

  // Those that run, and those that are about to.
  [[nodiscard]] std::vector<SharedAttempt> all() const;
  [[nodiscard]] std::uint32_t used() const;

 private:
  [[nodiscard]] std::uint32_t room() const;  // with the lock held
  void tell_of_less();                       // the same

  mutable std::mutex mutex_;
  std::condition_variable more_room_, more_work_;
  std::vector<SharedAttempt> all_;   // at most as many as the limit once was
  std::deque<SharedAttempt> fresh_;  // those of them that nobody runs yet
  std::uint32_t limit_;
  std::uint32_t asked_ = 0;  // for how many somebody waits at the server
  std::stop_source asking_;
  bool closed_ = false;
};

}  // namespace penstock::cli
