#include "server/preparer.h"

#include <spdlog/spdlog.h>

namespace penstock::server {

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

void Preparer::run() {
  bool failed = false;
  while (true) {
    poked_.acquire();
    pending_.store(false);
    while (!stopping_.load()) {
      const Result<bool> more = broker_.prepare();
      if (!more && !failed) {
        spdlog::warn("cannot prepare journal segments: {}; publishing goes on, more slowly",
                     more.error().message);
      }
      failed = !more;
      if (failed || !*more) break;
    }
    if (stopping_.load()) return;
  }
}

}  // namespace penstock::server
