#include "bench/peers/load/connections.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace penstock::peers {
namespace {

constexpr int kPatienceMs = 30'000;
constexpr std::size_t kReadBytes = 256 << 10;

}  // namespace

Connection::Connection(const Target& target, unsigned number)
    : fd_(connect_to(target.port)),
      dialect_(make_dialect(target.dialect, target.queue, number)),
      in_(kReadBytes, '\0') {
  if (fd_ < 0) give_up("nobody listens on port " + std::to_string(target.port));
  if (!dialect_) give_up("no such dialect: " + target.dialect);
}

Connection::~Connection() {
  ::close(fd_);
}

void Connection::add(Ask ask) {
  ask.sent = Clock::now();
  asks_.push_back(std::move(ask));
}

void Connection::flush() {
  while (written_ < out_.size()) {
    const auto sent =
        ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (sent < 0) return;  // the next receive() finds the connection closed
    written_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  written_ = 0;
}

bool Connection::receive(const Done& done) {
  if (in_.size() - read_ < kReadBytes / 2) in_.resize(in_.size() * 2);
  const auto got = ::recv(fd_, in_.data() + read_, in_.size() - read_, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
  if (got <= 0) return false;
  read_ += static_cast<std::size_t>(got);
  std::size_t at = 0;
  while (at < read_) {
    const auto answer = dialect_->read(std::string_view(in_).substr(at, read_ - at), asks_, out_);
    if (answer.consumed == 0) break;
    if (!answer.refused.empty()) give_up("not a success: " + answer.refused);
    at += answer.consumed;
    if (answer.ask >= asks_.size() || asks_[answer.ask].answers > 0) continue;
    const auto place = asks_.begin() + static_cast<std::ptrdiff_t>(answer.ask);
    const Ask complete = std::move(*place);
    asks_.erase(place);
    done(*this, complete);
  }
  std::memmove(in_.data(), in_.data() + at, read_ - at);
  read_ -= at;
  flush();
  return true;
}

Loop::Loop(const Target& target, unsigned connections) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (unsigned n = 0; n < connections; ++n) {
    auto& connection = connections_.emplace_back(std::make_unique<Connection>(target, n));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd(), &event);
    connection->hello();
    connection->flush();
  }
  run([](Connection&, const Ask&) {}, [this] { return waiting() == 0; });
}

Loop::~Loop() {
  ::close(epoll_);
}

void Loop::run(const Done& done, const std::function<bool()>& until) {
  std::vector<epoll_event> events(connections_.size());
  for (const auto& connection : connections_) watch(*connection);
  while (!until()) {
    const int ready =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kPatienceMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) give_up("no answer for 30 seconds");
    for (int n = 0; n < ready; ++n) {
      const auto& event = events[static_cast<std::size_t>(n)];
      auto& connection = *static_cast<Connection*>(event.data.ptr);
      if ((event.events & EPOLLOUT) != 0) connection.flush();
      if ((event.events & ~static_cast<unsigned>(EPOLLOUT)) != 0 && !connection.receive(done))
        give_up("the server closed a connection");
      watch(connection);
    }
  }
}

// Asks to be told when the rest of a request can be written, and only then.
void Loop::watch(Connection& connection) {
  if (connection.watched == connection.wants_to_write()) return;
  connection.watched = connection.wants_to_write();
  epoll_event event{};
  event.events = connection.watched ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd(), &event);
}

std::size_t Loop::waiting() const {
  std::size_t all = 0;
  for (const auto& connection : connections_) all += connection->waiting();
  return all;
}

}  // namespace penstock::peers
