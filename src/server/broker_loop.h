// Gives the broker its turns on the event loop, and its batches to the writer thread.
//
//   events ──▶ turn() ──▶ seal() ──▶ writer thread: write, sync ──▶ (loop) complete() ──▶ turn()
//   ──▶ replies                └──▶ the same here and now, when it is quick ──▶ turn() ──▶ replies
//
// Threads:  the loop's, but for the writer's and the preparer's own.
// Lifetime: loop and broker outlive it. Destroyed only when idle(), or with the process.
#pragma once

#include "broker/broker.h"
#include "broker/driver.h"
#include "net/loop.h"
#include "server/preparer.h"

namespace penstock::server {

class BrokerLoop {
 public:
  BrokerLoop(net::Loop& loop, broker::Broker& broker);

  // One turn: fires timers, releases what is durable, and starts the next sync.
  void turn();
  // Checkpoints, cleaning and spare segments, when it is their time; to be called before each turn.
  void maintain(Time now);

  // When turn() or maintain() is next due, if nothing else happens.
  [[nodiscard]] Time next_due() const;
  // Nothing is on its way to the disk.
  [[nodiscard]] bool idle() const { return writing_ == nullptr; }

 private:
  // Whether something was written here and now; what that released may have caused more.
  bool commit();
  void written(journal::Batch& batch);

  net::Loop& loop_;
  broker::Broker& broker_;
  journal::Batch* writing_ = nullptr;
  bool wrote_ = false;  // since the last maintenance
  Time next_maintenance_;
  Time rest_at_ = Time::max();  // unless something is written before; max: it rests
  Preparer preparer_;
  broker::Committer committer_;
};

}  // namespace penstock::server
