#include "task/stop_courier.h"

#include <utility>

namespace penstock::detail {

StopCourier::~StopCourier() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    arrived_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void StopCourier::deliver(std::stop_source source) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::move(source));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  arrived_.notify_one();
}

void StopCourier::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return ending_ || !sources_.empty(); });
    if (sources_.empty()) return;
    const auto sources = std::exchange(sources_, {});
    lock.unlock();
    for (auto source : sources) source.request_stop();
    lock.lock();
  }
}

}  // namespace penstock::detail
