#include "net/listener.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace penstock::net {
namespace {

constexpr int kBacklog = 4'096;
constexpr int kAcceptsPerEvent = 64;
constexpr auto kPause = std::chrono::milliseconds(50);

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
};

Endpoint endpoint_of(const Address& address) {
  Endpoint endpoint;
  if (address.kind == Address::Kind::local) {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    std::memcpy(local.sun_path, address.host.data(), address.host.size());
    std::memcpy(&endpoint.storage, &local, sizeof local);
    endpoint.size = sizeof local;
    return endpoint;
  }
  boost::system::error_code ec;
  const boost::asio::ip::tcp::endpoint ip(boost::asio::ip::make_address(address.host, ec),
                                          address.port);
  std::memcpy(&endpoint.storage, ip.data(), ip.size());
  endpoint.size = static_cast<socklen_t>(ip.size());
  return endpoint;
}

Address address_of(const Endpoint& endpoint, const Address& listener) {
  if (listener.kind == Address::Kind::local) return listener;
  boost::asio::ip::tcp::endpoint ip;
  ip.resize(endpoint.size);
  std::memcpy(ip.data(), &endpoint.storage, endpoint.size);
  return {Address::Kind::ip, ip.address().to_string(), ip.port()};
}

std::string text_of(int error) {
  return std::generic_category().message(error);
}

std::unexpected<Error> cannot(const Address& address, int error) {
  std::string hint;
  if (error == EADDRINUSE) {
    hint = "another program listens there; stop it, or choose another address with --listen";
  } else if (error == EADDRNOTAVAIL) {
    hint = "this machine has no such address; see `ip address`";
  } else if (error == EACCES) {
    hint = "ports below 1024 need a privilege; choose a higher one with --listen";
  }
  return fail(error == EACCES ? ErrorCode::denied : ErrorCode::io,
              fmt::format("listen on {}: {}", to_text(address), text_of(error)), std::move(hint));
}

// A file descriptor that is closed unless it is released.
struct Descriptor {
  explicit Descriptor(int d) : value(d) {}
  ~Descriptor() {
    if (value >= 0) close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int release() { return std::exchange(value, -1); }
  int value;
};

// A socket file outlives its process. It may be replaced when nobody answers on it; anything else
// at that path is not ours to remove.
void remove_dead_socket(const Address& address) {
  struct stat status {};
  if (lstat(address.host.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (probe.value < 0) return;
  Endpoint endpoint = endpoint_of(address);
  if (connect(probe.value, endpoint.data(), endpoint.size) != 0 && errno == ECONNREFUSED) {
    unlink(address.host.c_str());
  }
}

Result<int> listening_socket(const Address& address) {
  Endpoint endpoint = endpoint_of(address);
  Descriptor fd(socket(endpoint.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.value < 0) return cannot(address, errno);
  const int on = 1;
  if (address.kind == Address::Kind::ip) {
    // A restarted server must not wait for the last life's connections to time out.
    static_cast<void>(setsockopt(fd.value, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  } else {
    remove_dead_socket(address);
  }
  if (bind(fd.value, endpoint.data(), endpoint.size) != 0 || listen(fd.value, kBacklog) != 0) {
    return cannot(address, errno);
  }
  return fd.release();
}

}  // namespace

class Listener::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(Loop& loop, int fd, Address bound, Accept accept)
      : loop_(loop),
        descriptor_(loop.context(), fd),
        timer_(loop.context()),
        address_(std::move(bound)),
        accept_(std::move(accept)) {}

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& ec) {
                             if (!ec && !self->stopped_) self->accept_ready();
                           });
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    boost::system::error_code ignored;  // closed is closed
    descriptor_.close(ignored);
    timer_.cancel();
    if (address_.kind == Address::Kind::local) unlink(address_.host.c_str());
  }

  const Address& address() const { return address_; }
  std::uint64_t pauses() const { return pauses_; }

 private:
  void accept_ready() {
    for (int accepted = 0; accepted < kAcceptsPerEvent && !stopped_; ++accepted) {
      Endpoint peer;
      peer.size = sizeof peer.storage;
      const int fd = accept4(descriptor_.native_handle(), peer.data(), &peer.size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        if (auto stream = adopt_socket(loop_, fd, address_of(peer, address_))) {
          accept_(std::move(stream));
        }
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        return pause();
      }
      if (errno != EINTR && errno != ECONNABORTED) break;
    }
    if (!stopped_) wait();
  }

  void pause() {
    ++pauses_;
    timer_.expires_after(kPause);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
      if (!ec && !self->stopped_) self->wait();
    });
  }

  Loop& loop_;
  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  Address address_;
  Accept accept_;
  std::uint64_t pauses_ = 0;
  bool stopped_ = false;
};

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() {
  stop();
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const Address& address,
                                                 Accept accept) {
  auto fd = listening_socket(address);
  if (!fd) return fail(std::move(fd).error());
  Endpoint bound;
  bound.size = sizeof bound.storage;
  if (getsockname(*fd, bound.data(), &bound.size) != 0) {
    const int error = errno;
    close(*fd);
    return cannot(address, error);
  }
  auto impl = std::make_shared<Impl>(loop, *fd, address_of(bound, address), std::move(accept));
  impl->wait();
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

const Address& Listener::address() const {
  return impl_->address();
}

std::uint64_t Listener::pauses() const {
  return impl_->pauses();
}

void Listener::stop() {
  impl_->stop();
}

}  // namespace penstock::net
