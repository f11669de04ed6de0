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

// Writes and syncs batches, one at a time. Used by Driver and by the server's event loop.
//
// A large batch goes to a thread of its own, so that the owner gathers the next one meanwhile. A
// small one on a quick disk is written by the owner at once: handing it over and being woken again
// takes longer than its sync, most of all where other programs want the processors.
class Committer {
 public:
  // `done` is called on the writer thread.
  Committer(Broker& broker, std::function<void(journal::Batch&)> done);
  ~Committer();
  // Owner's thread; takes what seal() gave. True: it is written, to be completed now, and `done` is
  // not called for it.
  [[nodiscard]] bool submit(journal::Batch& batch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::broker
