// A server of AMQP 0-9-1 that keeps nothing: it confirms whatever is published at once, and whoever
// consumes gets as many messages as the prefetch allows. What a client does against it is what the
// client can do alone.
//
//   peer_amqp_sink port
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "bench/peers/load/body.h"
#include "bench/peers/load/report.h"
#include "wire/amqp/content.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/method.h"
#include "wire/amqp/properties.h"

namespace penstock::peers {
namespace {

using namespace wire::amqp;

constexpr std::size_t kFrameMax = 131'072;
constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kOutputBytes = 1 << 20;  // deliveries wait while so much is unsent

class Guest {
 public:
  explicit Guest(int fd) : in_(kReadBytes, '\0'), fd_(fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    encode_properties(properties_, {.delivery_mode = 2});
    const auto now = Clock::now().time_since_epoch().count();
    append_body(body_);
    std::memcpy(body_.data(), &now, sizeof now);
  }
  ~Guest() { ::close(fd_); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // What is there; false when the guest has gone.
  [[nodiscard]] bool receive() {
    if (in_.size() - read_ < kReadBytes / 2) in_.resize(in_.size() * 2);
    const auto got = ::recv(fd_, in_.data() + read_, in_.size() - read_, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (got <= 0) return false;
    read_ += static_cast<std::size_t>(got);
    std::size_t at = greeted_ ? 0 : greet();
    while (greeted_) {
      const auto read = read_frame(as_bytes(in_).subspan(at, read_ - at), kFrameMax);
      if (read.status == ReadFrame::Status::error) return false;
      if (read.status == ReadFrame::Status::need_more) break;
      hear(read.frame);
      at += read.consumed;
    }
    std::memmove(in_.data(), in_.data() + at, read_ - at);
    read_ -= at;
    if (published_ > confirmed_)
      encode_method(out_, 1, BasicAck{.delivery_tag = confirmed_ = published_, .multiple = true});
    push();
    return true;
  }
  void push() {
    while (!consumer_.empty() && delivered_ - settled_ < prefetch_ && out_.size() < kOutputBytes) {
      encode_method(out_, 1, BasicDeliver{.consumer_tag = consumer_, .delivery_tag = ++delivered_});
      write_content_header(out_, 1, body_.size(), as_bytes(properties_));
      write_body(out_, 1, as_bytes(body_), kFrameMax);
    }
    flush();
  }
  [[nodiscard]] bool wants_to_write() const { return written_ < out_.size(); }
  [[nodiscard]] int fd() const { return fd_; }

  bool watched = false;

 private:
  [[nodiscard]] std::size_t greet() {
    if (read_ < kProtocolHeader.size()) return 0;
    greeted_ = true;
    encode_method(out_, 0, ConnectionStart{.mechanisms = "PLAIN", .locales = "en_US"});
    return kProtocolHeader.size();
  }
  void flush() {
    while (written_ < out_.size()) {
      const auto sent =
          ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent <= 0) return;
      written_ += static_cast<std::size_t>(sent);
    }
    out_.clear();
    written_ = 0;
  }
  void hear(const Frame& frame) {
    if (frame.type == FrameType::header)
      body_left_ = decode_content_header(frame.payload)->body_bytes;
    else if (frame.type == FrameType::body)
      body_left_ -= frame.payload.size();
    else if (frame.type == FrameType::method)
      return hear_method(frame);
    if (frame.type != FrameType::heartbeat && body_left_ == 0) ++published_;
  }
  void hear_method(const Frame& frame) {
    const auto method = decode_method(frame.payload);
    if (!method) give_up("a method that cannot be read: " + method.error().text);
    std::visit([&](const auto& one) { answer(frame.channel, one); }, *method);
  }

  // Most need no answer, or are none of those that our client sends.
  template <class M>
  void answer(std::uint16_t, const M&) {}
  void answer(std::uint16_t, const ConnectionStartOk&) {
    encode_method(out_, 0, ConnectionTune{.channel_max = 2047, .frame_max = kFrameMax});
  }
  void answer(std::uint16_t, const ConnectionOpen&) { encode_method(out_, 0, ConnectionOpenOk{}); }
  void answer(std::uint16_t channel, const ChannelOpen&) {
    encode_method(out_, channel, ChannelOpenOk{});
  }
  void answer(std::uint16_t channel, const QueueDeclare& declare) {
    encode_method(out_, channel, QueueDeclareOk{.queue = declare.queue});
  }
  void answer(std::uint16_t channel, const ConfirmSelect&) {
    encode_method(out_, channel, ConfirmSelectOk{});
  }
  void answer(std::uint16_t channel, const BasicQos& qos) {
    prefetch_ = qos.prefetch_count;
    encode_method(out_, channel, BasicQosOk{});
  }
  void answer(std::uint16_t, const BasicConsume& consume) { consumer_ = consume.consumer_tag; }
  void answer(std::uint16_t, const BasicAck& ack) {
    settled_ = ack.multiple ? ack.delivery_tag : settled_ + 1;
  }

  std::string in_, out_, properties_, body_, consumer_;
  std::size_t read_ = 0, written_ = 0;
  std::uint64_t body_left_ = 0, published_ = 0, confirmed_ = 0, delivered_ = 0, settled_ = 0;
  std::uint64_t prefetch_ = 0;
  int fd_;
  bool greeted_ = false;
};

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, 1024) != 0)
    give_up("cannot listen on port " + std::to_string(port));
  return fd;
}

void register_with(int epoll, int operation, int fd, Guest* guest, bool writing) {
  epoll_event event{};
  event.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = guest;
  ::epoll_ctl(epoll, operation, fd, &event);
}

[[noreturn]] void serve(std::uint16_t port) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC), listener = listen_on(port);
  register_with(epoll, EPOLL_CTL_ADD, listener, nullptr, false);
  for (;;) {
    epoll_event events[64];
    const int ready = ::epoll_wait(epoll, events, 64, -1);
    for (int n = 0; n < ready; ++n) {
      auto* guest = static_cast<Guest*>(events[n].data.ptr);
      if (guest == nullptr) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) register_with(epoll, EPOLL_CTL_ADD, fd, new Guest(fd), false);
        continue;
      }
      if ((events[n].events & EPOLLOUT) != 0) guest->push();
      if ((events[n].events & ~static_cast<unsigned>(EPOLLOUT)) != 0 && !guest->receive()) {
        delete guest;
        continue;
      }
      if (guest->watched == guest->wants_to_write()) continue;
      guest->watched = guest->wants_to_write();
      register_with(epoll, EPOLL_CTL_MOD, guest->fd(), guest, guest->watched);
    }
  }
}

}  // namespace
}  // namespace penstock::peers

int main(int count, char** words) {
  if (count != 2) penstock::peers::give_up("peer_amqp_sink PORT");
  penstock::peers::serve(static_cast<std::uint16_t>(penstock::peers::number(words[1])));
}
