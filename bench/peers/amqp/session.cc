#include "bench/peers/amqp/session.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "wire/amqp/content.h"
#include "wire/amqp/properties.h"

namespace penstock::peers {
namespace {

using namespace wire::amqp;

constexpr std::size_t kReadBytes = 256 << 10;

// Reads fail when nothing comes for half a minute.
int connected(std::uint16_t port) {
  const int fd = connect_to(port);
  if (fd < 0) give_up("nobody listens on port " + std::to_string(port));
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

// Something else than what was asked for: says what.
[[noreturn]] void unwanted(const Method& method) {
  if (const auto* close = std::get_if<ConnectionClose>(&method))
    give_up("the connection was closed: " + std::string(close->reply_text));
  if (const auto* close = std::get_if<ChannelClose>(&method))
    give_up("the channel was closed: " + std::string(close->reply_text));
  give_up("not expected: " +
          std::string(std::visit([](const auto& one) { return one.kName; }, method)));
}

Method decoded(ByteView payload) {
  auto method = decode_method(payload);
  if (!method) give_up("a method that cannot be read: " + method.error().text);
  return *method;
}

}  // namespace

Session::Session(std::uint16_t port) : fd_(connected(port)), in_(kReadBytes, '\0') {
  encode_properties(properties_, {.delivery_mode = 2});
  out_ += kProtocolHeader;
  flush();
  wait_for<ConnectionStart>();
  const std::string_view secret("\0guest\0guest", 12);
  call<ConnectionTune>(
      0, ConnectionStartOk{.mechanism = "PLAIN", .response = secret, .locale = "en_US"});
  encode_method(out_, 0,
                ConnectionTuneOk{.channel_max = 2047,
                                 .frame_max = static_cast<std::uint32_t>(frame_max_),
                                 .heartbeat = 0});
  call<ConnectionOpenOk>(0, ConnectionOpen{.virtual_host = "/"});
  call<ChannelOpenOk>(1, ChannelOpen{});
}

Session::~Session() {
  ::close(fd_);
}

template <class Answer, class Question>
void Session::call(std::uint16_t channel, const Question& question) {
  encode_method(out_, channel, question);
  flush();
  wait_for<Answer>();
}

template <class Answer>
void Session::wait_for() {
  for (;;) {
    const auto read = read_frame(as_bytes(in_).first(read_), frame_max_);
    if (read.status == ReadFrame::Status::error) give_up("a bad frame: " + read.text);
    if (read.status == ReadFrame::Status::need_more) {
      if (!read_some(0)) give_up("no answer");
      continue;
    }
    const bool is_method = read.frame.type == FrameType::method;
    if (is_method) {
      const auto method = decoded(read.frame.payload);
      if (!std::holds_alternative<Answer>(method)) unwanted(method);
    }
    std::memmove(in_.data(), in_.data() + read.consumed, read_ - read.consumed);
    read_ -= read.consumed;
    if (is_method) return;
  }
}

void Session::declare(std::string_view queue, const TableView& arguments) {
  call<QueueDeclareOk>(1, QueueDeclare{.queue = queue, .durable = true, .arguments = arguments});
}

void Session::select_confirms() {
  call<ConfirmSelectOk>(1, ConfirmSelect{});
}

void Session::prefetch(unsigned messages) {
  call<BasicQosOk>(1, BasicQos{.prefetch_count = static_cast<std::uint16_t>(messages)});
}

void Session::consume(std::string_view queue) {
  // Deliveries may come before the answer of a second consumer: it is not waited for.
  encode_method(out_, 1, BasicConsume{.queue = queue, .consumer_tag = queue, .no_wait = true});
}

void Session::publish(std::string_view queue, Clock::time_point now) {
  encode_method(out_, 1, BasicPublish{.routing_key = queue});
  write_content_header(out_, 1, kBodyBytes, as_bytes(properties_));
  body_.clear();
  append_body(body_);
  const auto stamp = now.time_since_epoch().count();
  std::memcpy(body_.data(), &stamp, sizeof stamp);
  write_body(out_, 1, as_bytes(body_), frame_max_);
}

void Session::acknowledge(std::uint64_t tag, bool multiple) {
  encode_method(out_, 1, BasicAck{.delivery_tag = tag, .multiple = multiple});
}

void Session::flush() {
  while (written_ < out_.size()) {
    const auto sent =
        ::send(fd_, out_.data() + written_, out_.size() - written_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) return;  // later; when the connection is closed, receive() finds that
    written_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  written_ = 0;
}

bool Session::read_some(int flags) {
  if (in_.size() - read_ < kReadBytes / 2) in_.resize(in_.size() * 2);
  const auto got = ::recv(fd_, in_.data() + read_, in_.size() - read_, flags);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return flags != 0;
  if (got <= 0) return false;
  read_ += static_cast<std::size_t>(got);
  return true;
}

bool Session::receive(Heard& heard) {
  if (!read_some(MSG_DONTWAIT)) return false;
  std::size_t at = 0;
  for (;;) {
    const auto read = read_frame(as_bytes(in_).subspan(at, read_ - at), frame_max_);
    if (read.status == ReadFrame::Status::error) give_up("a bad frame: " + read.text);
    if (read.status == ReadFrame::Status::need_more) break;
    hear(read.frame, heard);
    at += read.consumed;
  }
  std::memmove(in_.data(), in_.data() + at, read_ - at);
  read_ -= at;
  flush();
  return true;
}

void Session::hear(const Frame& frame, Heard& heard) {
  switch (frame.type) {
    case FrameType::method:
      return hear_method(frame.payload, heard);
    case FrameType::header: {
      const auto header = decode_content_header(frame.payload);
      if (!header) give_up("a content header that cannot be read");
      body_left_ = header->body_bytes;
      stamped_ = false;
      if (body_left_ < sizeof stamp_) give_up("a message that is not ours");
      return;
    }
    case FrameType::body:
      if (!stamped_) std::memcpy(&stamp_, frame.payload.data(), sizeof stamp_);
      stamped_ = true;
      body_left_ -= frame.payload.size();
      if (body_left_ == 0) finish_delivery(heard);
      return;
    case FrameType::heartbeat:
      return;
  }
}

void Session::hear_method(ByteView payload, Heard& heard) {
  const auto method = decoded(payload);
  if (const auto* deliver = std::get_if<BasicDeliver>(&method))
    tag_ = deliver->delivery_tag;
  else if (const auto* ack = std::get_if<BasicAck>(&method))
    heard.confirmed(ack->delivery_tag, ack->multiple);
  else
    unwanted(method);
}

void Session::finish_delivery(Heard& heard) {
  heard.delivered(tag_, Clock::time_point(Clock::duration(stamp_)));
}

}  // namespace penstock::peers
