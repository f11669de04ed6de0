// Runs a broker on a thread of its own, for a process without an event loop: the embedded library.
//
// Threads: post() may be called from any thread; what it is given runs on the broker's thread, in
// order,
//          before the turn that follows. stop() drains, closes the broker and joins.
#pragma once

#include <functional>
#include <memory>

#include "broker/broker.h"

namespace penstock::broker {

class Driver {
 public:
  // Takes the broker over.
  explicit Driver(std::unique_ptr<Broker> broker);
  ~Driver();

  void post(std::move_only_function<void(Broker&)> work);
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The writer thread on its own: takes batches, writes and syncs them, and tells `done` (called on
// the writer thread). Used by Driver and by the server's event loop.
class Committer {
 public:
  Committer(Broker& broker, std::function<void(journal::Batch&)> done);
  ~Committer();
  // Owner's thread; hands over what seal() gave.
  void submit(journal::Batch& batch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::broker
