// SIGINT and SIGTERM as a stop token, and waits that they end.
#pragma once

#include <stop_token>
#include <thread>

#include "base/clock.h"

namespace penstock::cli {

// Waits for `duration`, or until `stop` is requested; false then.
bool wait_for(const std::stop_token& stop, Duration duration);

// From its construction on, the first SIGINT or SIGTERM requests a stop, and a second one ends the
// process at once. Made before any other thread, so that all of them leave the signals to it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }
  void request() { source_.request_stop(); }

 private:
  void watch(int signals);

  std::stop_source source_;
  int over_ = -1;  // an eventfd: the destructor has come
  std::jthread watcher_;
};

}  // namespace penstock::cli
