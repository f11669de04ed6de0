#include "net/background.h"

namespace penstock::net {

Background::Background(Loop& home) : home_(home), thread_([this] { loop_.run([] {}); }) {}

Background::~Background() {
  stopping_.store(true, std::memory_order_release);
  loop_.stop();
  thread_.join();
}

void Background::run(std::move_only_function<void()> work, std::move_only_function<void()> done) {
  loop_.post([this, work = std::move(work), done = std::move(done)]() mutable {
    if (stopping_.load(std::memory_order_acquire)) return;
    work();
    home_.post(std::move(done));
  });
}

}  // namespace penstock::net
