// The event loop: sockets, one alarm, signals, and work from other threads.
//
// Threads:  run() and everything else on one thread; post() and stop() from any.
// Lifetime: outlives every stream and listener made on it.
// Turns:    run() serves the events that are ready, a bounded number of them, and then calls
//           `after_events` once. What all of them caused can so be written and sent together.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/clock.h"

namespace boost::asio {
class io_context;
}

namespace penstock::net {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Returns after stop().
  void run(const std::function<void()>& after_events);
  void stop();

  // `work` runs on the loop's thread, in the order of posting.
  void post(std::move_only_function<void()> work);

  // Makes sure that after_events is called at `due`, or before: an alarm that was set for an
  // earlier time is left alone. Time::max() asks for nothing.
  void alarm(Time due, Time now);

  // `handler` runs on the loop's thread for each of these signals, from now on.
  void on_signals(std::span<const int> signals, std::function<void(int)> handler);

  // For the rest of net; nothing else speaks Asio.
  [[nodiscard]] boost::asio::io_context& context();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::net
