#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>

namespace penstock::net {
namespace {

using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                boost::asio::io_context::executor_type>;

Transfer outcome(std::size_t count, const boost::system::error_code& ec) {
  using State = Transfer::State;
  if (!ec) return {State::ready, count};
  if (ec == boost::asio::error::would_block || ec == boost::asio::error::try_again) {
    return {State::would_block, 0};
  }
  if (ec == boost::asio::error::eof) return {State::end, 0};
  return {State::broken, 0};
}

// shared_ptr, because Asio runs a cancelled wait's handler after the close: what the handler
// touches must still be there then, and must know that nobody is watching any more.
class Shared : public std::enable_shared_from_this<Shared> {
 public:
  explicit Shared(boost::asio::io_context& context) : socket(context) {}

  void wait(Socket::wait_type what) {
    socket.async_wait(what, [self = shared_from_this(), what](const boost::system::error_code&) {
      // An error shows in the read or write that follows.
      if (self->watcher == nullptr) return;
      if (what == Socket::wait_read) {
        self->watcher->on_readable();
      } else {
        self->watcher->on_writable();
      }
    });
  }

  Socket socket;
  StreamWatcher* watcher = nullptr;
};

class SocketStream final : public Stream {
 public:
  SocketStream(std::shared_ptr<Shared> shared, Address peer)
      : shared_(std::move(shared)), peer_(std::move(peer)) {}
  ~SocketStream() override {
    shared_->watcher = nullptr;
    boost::system::error_code ignored;  // closed is closed
    shared_->socket.close(ignored);
  }

  Transfer read(std::span<std::byte> into) override {
    boost::system::error_code ec;
    const std::size_t count =
        shared_->socket.read_some(boost::asio::buffer(into.data(), into.size()), ec);
    return outcome(count, ec);
  }
  Transfer write(ByteView data) override {
    boost::system::error_code ec;
    const std::size_t count =
        shared_->socket.write_some(boost::asio::buffer(data.data(), data.size()), ec);
    return outcome(count, ec);
  }
  void wait_readable() override { shared_->wait(Socket::wait_read); }
  void wait_writable() override { shared_->wait(Socket::wait_write); }
  void end_writing() override {
    boost::system::error_code ignored;  // not connected any more: the next read says so
    shared_->socket.shutdown(Socket::shutdown_send, ignored);
  }
  void forget_unsent() override {
    boost::system::error_code ignored;  // local sockets have none of it, and keep nothing
    shared_->socket.set_option(Socket::linger(true, 0), ignored);
  }
  const Address& peer() const override { return peer_; }
  void watch(StreamWatcher& watcher) override { shared_->watcher = &watcher; }

 private:
  std::shared_ptr<Shared> shared_;
  Address peer_;
};

// Small replies must not wait for the peer's acknowledgement of the last one, and a peer whose
// machine vanished must be noticed although it says nothing. Failing here costs speed, not
// correctness.
void tune(int socket) {
  const int on = 1;
  const int idle_seconds = 60;
  const int interval_seconds = 15;
  const int probes = 4;
  static_cast<void>(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
  static_cast<void>(setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
  static_cast<void>(
      setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds));
  static_cast<void>(
      setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds));
  static_cast<void>(setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes));
}

}  // namespace

std::unique_ptr<Stream> adopt_socket(Loop& loop, int socket, Address peer) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&local), &size) != 0) {
    close(socket);
    return nullptr;
  }
  if (peer.kind == Address::Kind::ip) tune(socket);

  auto shared = std::make_shared<Shared>(loop.context());
  boost::system::error_code ec;
  shared->socket.assign(boost::asio::generic::stream_protocol(local.ss_family, 0), socket, ec);
  if (ec) {
    close(socket);
    return nullptr;
  }
  shared->socket.non_blocking(true, ec);
  if (ec) return nullptr;
  return std::make_unique<SocketStream>(std::move(shared), std::move(peer));
}

}  // namespace penstock::net
