#include "net/loop.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace penstock::net {
namespace {

// Enough to serve a busy turn in one go, few enough that no reply waits long for its turn.
constexpr int kEventsPerTurn = 1'024;

}  // namespace

class Loop::Impl {
 public:
  void run(const std::function<void()>& after_events) {
    // Without it the loop would end as soon as nothing is waited for.
    const auto work = boost::asio::make_work_guard(context);
    after_events();
    while (!stopped.load(std::memory_order_acquire)) {
      context.run_one();
      for (int served = 1; served < kEventsPerTurn && context.poll_one() != 0; ++served) {
      }
      after_events();
    }
  }

  void alarm(Time due, Time now) {
    if (due >= armed) return;
    armed = due;
    timer.expires_after(due > now ? due - now : Duration(0));
    timer.async_wait([this](const boost::system::error_code& ec) {
      // An alarm replaced by an earlier one ends with an error, and its successor is armed already.
      if (!ec) armed = Time::max();
    });
  }

  void next_signal() {
    signals.async_wait([this](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      on_signal(signal);
      next_signal();
    });
  }

  boost::asio::io_context context{1};
  boost::asio::steady_timer timer{context};
  boost::asio::signal_set signals{context};
  std::function<void(int)> on_signal;
  Time armed = Time::max();
  std::atomic<bool> stopped = false;
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::run(const std::function<void()>& after_events) {
  impl_->run(after_events);
}

void Loop::stop() {
  post([this] { impl_->stopped.store(true, std::memory_order_release); });
}

void Loop::post(std::move_only_function<void()> work) {
  boost::asio::post(impl_->context, std::move(work));
}

void Loop::alarm(Time due, Time now) {
  impl_->alarm(due, now);
}

void Loop::on_signals(std::span<const int> signals, std::function<void(int)> handler) {
  impl_->on_signal = std::move(handler);
  for (const int signal : signals) impl_->signals.add(signal);
  impl_->next_signal();
}

boost::asio::io_context& Loop::context() {
  return impl_->context;
}

}  // namespace penstock::net
