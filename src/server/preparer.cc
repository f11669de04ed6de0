#include "server/preparer.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace penstock::server {
namespace {

constexpr Duration kLongestNap = std::chrono::hours(1);

}  // namespace

Preparer::Preparer(broker::Broker& broker) : broker_(broker), thread_([this] { run(); }) {}

Preparer::~Preparer() {
  stopping_.store(true);
  poke();
  thread_.join();
}

void Preparer::poke() {
  // The semaphore counts to one: only the first poke since the last look may add to it.
  if (!pending_.exchange(true)) poked_.release();
}

void Preparer::wait_until(Time next) {
  if (next == Time::max()) {
    poked_.acquire();
  } else if (const Time now = broker_.now();
             next <= now || !poked_.try_acquire_for(std::min<Duration>(next - now, kLongestNap))) {
    return;
  }
  pending_.store(false);
}

void Preparer::run() {
  bool failed = false;
  Time next{}, tend_at{};
  while (!stopping_.load()) {
    const Result<bool> more = broker_.prepare();
    if (!more && !failed) {
      spdlog::warn("cannot prepare journal segments: {}; publishing goes on, more slowly",
                   more.error().message);
    }
    failed = !more;
    if (const Time now = broker_.now(); now >= tend_at) {
      tend_at = now + broker::Broker::kTendPace;
      next = broker_.tend();
    }
    if (failed || !*more) wait_until(std::max(next, tend_at));
  }
}

}  // namespace penstock::server
