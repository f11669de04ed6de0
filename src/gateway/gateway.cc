#include "gateway/gateway.h"

#include <vector>

#include "base/check.h"
#include "gateway/connection.h"
#include "net/listener.h"

namespace penstock::gateway {

class Gateway::Impl {
 public:
  Impl(net::Loop& loop, Clock& clock, ProtocolTable protocols, Options options, net::TlsServer* tls)
      : loop_(loop),
        protocols_(std::move(protocols)),
        options_(options),
        read_buffer_(kReadBytes),
        hall_{.clock = clock,
              .protocols = protocols_,
              .options = options_,
              .read_buffer = read_buffer_,
              .statistics = statistics_,
              .budget = InputBudget(options_.input_budget_bytes, kReadBytes),
              .tls = tls} {}

  Result<net::Address> listen(const net::Address& address) {
    auto listener = net::Listener::open(
        loop_, address, [this](std::unique_ptr<net::Stream> stream) { accept(std::move(stream)); });
    if (!listener) return fail(std::move(listener).error());
    listeners_.push_back(std::move(*listener));
    return listeners_.back()->address();
  }

  void fire(Time now) { hall_.deadlines.fire(now); }

  bool serve_ready() {
    hall_.worked = false;
    // Those that become ready meanwhile wait for the next round, or one could keep all others
    // waiting. Whoever waited before this turn comes before those whose commands made it: a task's
    // result goes to the client before the worker is told that it was taken.
    Hall::List<ReadyHook> round;
    round.swap(hall_.ready);
    round.splice(round.end(), hall_.heard);
    while (!round.empty()) {
      Connection& connection = round.front();
      round.pop_front();
      connection.serve();
      if (connection.dead()) remove(connection);
    }
    return hall_.worked;
  }

  void drain() {
    hall_.draining = true;
    for (const auto& listener : listeners_) listener->stop();
    for (const auto& connection : connections_) connection->drain();
  }

  void close_all() {
    while (!connections_.empty()) remove(*connections_.back());
  }

  const Hall& hall() const { return hall_; }
  std::size_t connections() const { return connections_.size(); }

  Statistics statistics() const {
    Statistics all = statistics_;
    for (const auto& listener : listeners_) all.accept_pauses += listener->pauses();
    return all;
  }

 private:
  void accept(std::unique_ptr<net::Stream> stream) {
    if (connections_.size() >= options_.max_connections) {
      ++statistics_.refused_full;
      return;
    }
    ++statistics_.accepted;
    connections_.push_back(std::make_unique<Connection>(hall_, std::move(stream)));
    connections_.back()->index = connections_.size() - 1;
  }

  void remove(Connection& connection) {
    hall_.worked = true;  // its session's end may give messages to others
    const std::size_t index = connection.index;
    CHECK(connections_[index].get() == &connection);
    std::swap(connections_[index], connections_.back());
    connections_[index]->index = index;
    connections_.pop_back();
  }

  net::Loop& loop_;
  const ProtocolTable protocols_;
  const Options options_;
  std::vector<std::byte> read_buffer_;
  Statistics statistics_;
  Hall hall_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;  // as many as settings name
  std::vector<std::unique_ptr<Connection>> connections_;   // at most max_connections
};

Gateway::Gateway(net::Loop& loop, Clock& clock, ProtocolTable protocols, Options options,
                 net::TlsServer* tls)
    : impl_(std::make_unique<Impl>(loop, clock, std::move(protocols), options, tls)) {}
Gateway::~Gateway() = default;

Result<net::Address> Gateway::listen(const net::Address& address) {
  return impl_->listen(address);
}

void Gateway::fire(Time now) {
  impl_->fire(now);
}

bool Gateway::serve_ready() {
  return impl_->serve_ready();
}

bool Gateway::has_ready() const {
  return !impl_->hall().ready.empty() || !impl_->hall().heard.empty();
}

Time Gateway::next_deadline() const {
  return impl_->hall().deadlines.next();
}

void Gateway::drain() {
  impl_->drain();
}

void Gateway::close_all() {
  impl_->close_all();
}

std::size_t Gateway::connections() const {
  return impl_->connections();
}

std::uint64_t Gateway::held_input_bytes() const {
  return impl_->hall().budget.used();
}

Statistics Gateway::statistics() const {
  return impl_->statistics();
}

}  // namespace penstock::gateway
