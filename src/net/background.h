// One thread for work that would keep the loop from its sockets: private keys, password hashes.
//
// Threads:  made, used and destroyed on the home loop's thread; `work` runs on its own.
// Lifetime: the home loop outlives it. The destructor waits for the one work that is under way;
//           what has not begun, and every `done` that has not run, never does.
// Pressure: work is done in the order of asking, and whoever asks has one at a time: so the line is
//           no longer than there are askers.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "net/loop.h"

namespace penstock::net {

class Background {
 public:
  explicit Background(Loop& home);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // `work` on this thread, and then `done` on the home loop's. What both touch belongs to the work
  // until `done`.
  void run(std::move_only_function<void()> work, std::move_only_function<void()> done);

 private:
  Loop& home_;
  Loop loop_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace penstock::net
