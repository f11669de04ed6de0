#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <semaphore>

#include "base/check.h"

namespace penstock::cli {

bool wait_for(const std::stop_token& stop, Duration duration) {
  std::binary_semaphore stopped(0);
  const std::stop_callback tell(stop, [&stopped] { stopped.release(); });
  return !stopped.try_acquire_for(duration);
}

Interrupt::Interrupt() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A reader that went away (`penstock receive | head`) is an error of write(), not a death.
  ::signal(SIGPIPE, SIG_IGN);
  const int incoming = ::signalfd(-1, &signals, SFD_CLOEXEC);
  over_ = ::eventfd(0, EFD_CLOEXEC);
  CHECK(incoming >= 0 && over_ >= 0);
  watcher_ = std::jthread([this, incoming] { watch(incoming); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  CHECK(::write(over_, &one, sizeof one) == sizeof one);
  watcher_.join();
  ::close(over_);
}

void Interrupt::watch(int signals) {
  std::array<pollfd, 2> fds{{{signals, POLLIN, 0}, {over_, POLLIN, 0}}};
  while (::poll(fds.data(), fds.size(), -1) >= 0 || errno == EINTR) {
    if (fds[1].revents != 0) break;
    if (fds[0].revents == 0) continue;
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info) continue;
    if (!source_.request_stop()) ::_exit(128 + static_cast<int>(info.ssi_signo));
  }
  ::close(signals);
}

}  // namespace penstock::cli
