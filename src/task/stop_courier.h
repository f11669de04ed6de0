// Carries stop requests to tasks. request_stop() runs the callbacks that a task hung on its token,
// and those may block: so it is called here, on a thread that nothing else waits for, and never by
// whoever keeps the leases.
//
// Threads: deliver() by any thread. The thread is started by the first delivery; the destructor
// joins.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace penstock::detail {

class StopCourier {
 public:
  StopCourier() = default;
  ~StopCourier();
  void deliver(std::stop_source source);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable arrived_;
  // At most one for each running task, since a task is stopped once.
  std::vector<std::stop_source> sources_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace penstock::detail
