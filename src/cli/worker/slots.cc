#include "cli/worker/slots.h"

#include <algorithm>

namespace penstock::cli {

std::uint32_t Slots::room() const {
  const auto used = static_cast<std::uint32_t>(all_.size());
  return closed_ || used >= limit_ ? 0 : limit_ - used;
}

void Slots::tell_of_less() {
  if (asked_ > room()) asking_.request_stop();
}

Slots::Room Slots::await_room() {
  std::unique_lock lock(mutex_);
  more_room_.wait(lock, [this] { return closed_ || room() > 0; });
  asked_ = room();
  asking_ = {};
  return {asked_, asking_.get_token()};
}

std::vector<SharedAttempt> Slots::put(std::vector<SharedAttempt> attempts) {
  const std::lock_guard lock(mutex_);
  asked_ = 0;
  const auto count = std::min<std::size_t>(room(), attempts.size());
  for (std::size_t n = 0; n < count; ++n) {
    all_.push_back(attempts[n]);
    fresh_.push_back(std::move(attempts[n]));
    more_work_.notify_one();
  }
  attempts.erase(attempts.begin(), attempts.begin() + static_cast<std::ptrdiff_t>(count));
  return attempts;
}

SharedAttempt Slots::get() {
  std::unique_lock lock(mutex_);
  more_work_.wait(lock, [this] { return closed_ || !fresh_.empty(); });
  if (fresh_.empty()) return nullptr;
  auto attempt = std::move(fresh_.front());
  fresh_.pop_front();
  return attempt;
}

void Slots::leave(const SharedAttempt& attempt) {
  const std::lock_guard lock(mutex_);
  std::erase(all_, attempt);
  more_room_.notify_one();
}

void Slots::set(std::uint32_t limit) {
  const std::lock_guard lock(mutex_);
  limit_ = limit;
  tell_of_less();
  more_room_.notify_one();
}

void Slots::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  asking_.request_stop();
  more_room_.notify_all();
  more_work_.notify_all();
}

std::vector<SharedAttempt> Slots::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

std::uint32_t Slots::used() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(all_.size());
}

}  // namespace penstock::cli
