// Keeps the journal's spare segments written ahead and its sealed segments protected, on a thread
// of its own: writing a segment takes a tenth of a second, and no client should wait for it.
//
// Threads:  poke() by the owner; the work runs on the preparer's thread.
// Lifetime: the broker outlives the preparer, whose destructor waits for a segment under way.
#pragma once

#include <atomic>
#include <semaphore>
#include <thread>

#include "broker/broker.h"

namespace penstock::server {

class Preparer {
 public:
  explicit Preparer(broker::Broker& broker);
  ~Preparer();

  // Segments may have been used up: look. Cheap.
  void poke();

 private:
  void run();
  void wait_until(Time next);

  broker::Broker& broker_;
  std::binary_semaphore poked_{0};
  std::atomic<bool> pending_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace penstock::server
