#include "protocol/amqp/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/names.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::Frame;
using wire::amqp::FrameType;
using wire::amqp::MethodId;
using wire::amqp::ReplyCode;

constexpr unsigned kNumberBits = 40;
constexpr unsigned kInstanceBits = 10;
constexpr unsigned kChannelBits = 11;

constexpr std::uint64_t low_bits(std::uint64_t value, unsigned bits) {
  return value & ((1ull << bits) - 1);
}

constexpr MethodId kChannelCloseOk = wire::amqp::kMethodId<wire::amqp::ChannelCloseOk>;
constexpr MethodId kConnectionCloseOk = wire::amqp::kMethodId<wire::amqp::ConnectionCloseOk>;
constexpr MethodId kConnectionClose = wire::amqp::kMethodId<wire::amqp::ConnectionClose>;
constexpr MethodId kChannelClose = wire::amqp::kMethodId<wire::amqp::ChannelClose>;

}  // namespace

// ---- the service

Service::Service(broker::Broker& broker, Random& random, Settings settings)
    : broker_(broker), random_(random), settings_(std::move(settings)) {}

Service::~Service() = default;

std::unique_ptr<Conversation> Service::converse(Host& host) {
  return std::make_unique<Session>(*this, host);
}

std::span<const Service::Counter> Service::counters() {
  using S = Statistics;
  static constexpr Counter kCounters[] = {
      {"amqp_connections", &S::connections},
      {"amqp_connections_total", &S::connections_total},
      {"amqp_channels", &S::channels},
      {"amqp_publishes", &S::publishes},
      {"amqp_returns", &S::returns},
      {"amqp_confirms", &S::confirms},
      {"amqp_nacks", &S::nacks},
      {"amqp_deliveries", &S::deliveries},
      {"amqp_acks", &S::acks},
      {"amqp_requeues", &S::requeues},
      {"amqp_rejects", &S::rejects},
      {"amqp_channel_errors", &S::channel_errors},
      {"amqp_connection_errors", &S::connection_errors},
      {"amqp_refused_logins", &S::refused_logins},
      {"amqp_stalls", &S::stalls},
      {"amqp_missed_heartbeats", &S::missed_heartbeats},
      {"amqp_lost_settles", &S::lost_settles},
  };
  static_assert(sizeof(Statistics) == std::size(kCounters) * sizeof(std::uint64_t));
  return kCounters;
}

std::string Service::unique_name(std::string_view prefix) {
  const std::uint64_t words[2]{random_.next(), random_.next()};
  auto text = base64_encode(ByteView(reinterpret_cast<const std::byte*>(words), sizeof words));
  text.resize(22);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return std::string(prefix) + text;
}

// ---- the session

Session::Session(Service& service, Host& host)
    : service_(service),
      host_(host),
      session_(service.broker_.open_session(*this, broker::Broker::Trust::guest)),
      frame_max_(service.settings_.frame_max),
      channel_max_(service.settings_.channel_max) {
  const auto now = broker().now();
  identity.peer = host.peer();
  identity.connected_at = now;
  received_at_ = sent_at_ = now;
  deadline_ = now + settings().handshake_timeout;
  host_.wake_at(deadline_);
  service_.sessions_.push_back(this);
  ++counters().connections;
  ++counters().connections_total;
}

Session::~Session() {
  counters().channels -= channels_.size();
  std::erase_if(service_.reply_to_, [this](const auto& one) { return one.second.session == this; });
  broker().close_session(session_);
  std::erase(service_.sessions_, this);
  --counters().connections;
}

std::string Session::scoped(std::string_view name) const {
  return engine::scoped_name(vhost_, name);
}

bool Session::wants_input() const {
  return phase_ != Phase::closed && stalled_ == nullptr && login_ == nullptr &&
         calls_ < settings().max_unanswered && output_.size() < settings().max_output_bytes;
}

std::size_t Session::receive(ByteView input) {
  received_at_ = broker().now();
  std::size_t consumed = 0;
  while (wants_input()) {
    const auto rest = input.subspan(consumed);
    if (phase_ == Phase::header) {
      using wire::amqp::HeaderCheck;
      const auto check = wire::amqp::check_protocol_header(rest);
      if (check == HeaderCheck::need_more) break;
      if (check == HeaderCheck::other) {
        output_.bytes().append(wire::amqp::kProtocolHeader);
        phase_ = Phase::closed;
        break;
      }
      consumed += wire::amqp::kProtocolHeader.size();
      send_start();
      continue;
    }
    const auto read = wire::amqp::read_frame(rest, frame_max_);
    if (read.status == wire::amqp::ReadFrame::Status::need_more) break;
    if (read.status == wire::amqp::ReadFrame::Status::error) {
      // Where the next frame would begin is not known, so close-ok would not be found either.
      hang_up({read.code, read.text}, {});
      break;
    }
    consumed += read.consumed;
    handle(read.frame);
  }
  flush_settles();
  // Nothing that comes after the end of the conversation is looked at.
  return phase_ == Phase::closed ? input.size() : consumed;
}

void Session::sent(std::size_t count) {
  output_.sent(count);
  sent_at_ = broker().now();
  return_byte_credit();
  if (!put_off_ || output_.size() >= settings().max_output_bytes) return;
  put_off_ = false;
  broker().resume(session_);
}

// All that come keep their order, so they wait together.
bool Session::wants_more(broker::Tag) {
  put_off_ = put_off_ || output_.size() >= settings().max_output_bytes;
  return !put_off_;
}

Channel* Session::find_channel(std::uint16_t number) {
  const auto found = channels_.find(number);
  return found == channels_.end() ? nullptr : found->second.get();
}

void Session::handle(const Frame& frame) {
  if (frame.type == FrameType::heartbeat) {
    if (frame.channel != 0)
      fail_connection({ReplyCode::command_invalid, "a heartbeat is not on channel 0"}, {});
    else if (!frame.payload.empty())
      fail_connection({ReplyCode::frame_error, "a heartbeat carries nothing"}, {});
    return;
  }
  if (phase_ > Phase::open_channels) {
    // Only the end of it is still of interest.
    const auto id = wire::amqp::read_method_id(frame.payload);
    if (frame.type != FrameType::method || frame.channel != 0 || !id) return;
    if (*id == kConnectionCloseOk) phase_ = Phase::closed;
    if (*id == kConnectionClose && phase_ != Phase::ending) {
      wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionCloseOk{});
      phase_ = Phase::closed;
    }
    return;
  }
  if (frame.type == FrameType::method) return on_method(frame);
  Channel* channel = find_channel(frame.channel);
  if (channel == nullptr)
    return fail_connection(
        {frame.channel == 0 ? ReplyCode::unexpected_frame : ReplyCode::channel_error,
         fmt::format("a content frame on channel {}, which is not open", frame.channel)},
        {});
  if (channel->state != Channel::State::open) return;
  auto fault = frame.type == FrameType::header ? on_content_header(*channel, frame.payload)
                                               : on_body(*channel, frame.payload);
  if (fault) fail(*fault, frame.channel, wire::amqp::kMethodId<wire::amqp::BasicPublish>);
}

void Session::on_method(const Frame& frame) {
  const auto id = wire::amqp::read_method_id(frame.payload);
  Channel* channel = find_channel(frame.channel);
  if (channel != nullptr && channel->state != Channel::State::open) {
    // While a channel is being closed only the ends of it are listened to.
    if (id == kChannelCloseOk) return channel_closed(frame.channel);
    if (id == kChannelClose && channel->state != Channel::State::ending)
      wire::amqp::encode_method(output_.bytes(), frame.channel, wire::amqp::ChannelCloseOk{});
    return;
  }
  const auto method = wire::amqp::decode_method(frame.payload);
  if (!method) {
    // Whoever sends what cannot be read is not talked to any further.
    return hang_up({method.error().code, method.error().text}, method.error().method);
  }
  if (channel != nullptr && channel->incoming.stage != Incoming::Stage::none)
    return fail_connection(
        {ReplyCode::unexpected_frame,
         fmt::format("expected content of basic.publish, got {}", wire::amqp::method_name(*id))},
        wire::amqp::kMethodId<wire::amqp::BasicPublish>);
  if (auto fault = dispatch(frame.channel, *method)) fail(*fault, frame.channel, *id);
}

// ---- faults

void Session::fail(const Fault& fault, std::uint16_t number, MethodId method) {
  Channel* channel = find_channel(number);
  if (channel == nullptr || wire::amqp::is_connection_error(fault.code))
    return fail_connection(fault, method);
  fail_channel(*channel, fault, method);
}

// Behind all that is still owed on any channel, which is true; nothing new is begun.
void Session::fail_connection(const Fault& fault, MethodId method) {
  if (phase_ > Phase::ending) return;
  ++counters().connection_errors;
  const bool refused_login = phase_ == Phase::start_ok && fault.code == ReplyCode::access_refused;
  const bool knows_close = refused_login ? client_knows_refusals_ : phase_ == Phase::open;
  if (phase_ < Phase::open_channels && !knows_close) {
    // A client whose handshake fails expects the end of the connection, and no method.
    phase_ = Phase::closed;
    return host_.wake();
  }
  flush_settles();
  const auto text = wire::amqp::reply_text(fault.code, fault.text);
  wire::amqp::ConnectionClose close;
  close.reply_code = fault.code;
  close.reply_text = text;
  close.class_id = method.class_id;
  close.method_id = method.method_id;
  wire::amqp::encode_method(farewell_, 0, close);
  phase_ = Phase::parting;
  deadline_ = broker().now() + settings().handshake_timeout;
  host_.wake_at(deadline_);
  leave();
}

void Session::hang_up(const Fault& fault, MethodId method) {
  fail_connection(fault, method);
  output_.bytes().append(std::exchange(farewell_, {}));
  phase_ = Phase::closed;
  host_.wake();
}

void Session::leave() {
  stalled_ = nullptr;
  for (const auto& [number, channel] : channels_) end_consumers(*channel);
  broker().barrier(session_, static_cast<std::uint64_t>(Kind::connection)
                                 << (kNumberBits + kInstanceBits + kChannelBits));
}

// All that was owed is out.
void Session::on_left() {
  if (phase_ == Phase::parting) {
    output_.bytes().append(std::exchange(farewell_, {}));
    phase_ = Phase::closing;
  } else if (phase_ == Phase::ending) {
    wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionCloseOk{});
    phase_ = Phase::closed;
  }
  host_.wake();
}

// Behind the answers and confirms that are still owed: they are true.
void Session::fail_channel(Channel& channel, const Fault& fault, MethodId method) {
  if (channel.state != Channel::State::open) return;
  ++counters().channel_errors;
  flush_settles();
  channel.state = Channel::State::failing;
  end_publish(channel);
  auto& call = new_call(channel);
  call.id = ++last_call_;
  call.on_reply = [this, &channel, fault, method](const broker::Reply&,
                                                  std::string&) -> MaybeFault {
    send_channel_close(channel, fault, method);
    return std::nullopt;
  };
  broker().barrier(session_, tag_of(Kind::call, channel, call.id));
}

void Session::send_channel_close(Channel& channel, const Fault& fault, MethodId method) {
  const auto text = wire::amqp::reply_text(fault.code, fault.text);
  wire::amqp::ChannelClose close;
  close.reply_code = fault.code;
  close.reply_text = text;
  close.class_id = method.class_id;
  close.method_id = method.method_id;
  wire::amqp::encode_method(output_.bytes(), channel.number, close);
  channel.state = Channel::State::closing;
  end_consumers(channel);
  requeue_all(channel);
}

MaybeFault Session::fault_of(const broker::Reply& reply) {
  if (const auto* error = std::get_if<Error>(&reply)) return fault_of(*error);
  if (const auto* refused = std::get_if<broker::Refused>(&reply))
    return Fault{ReplyCode::resource_error, fmt::format("{}; come back in {}", refused->message,
                                                        format_duration(refused->retry_after))};
  return std::nullopt;
}

Fault Session::fault_of(const Error& error) {
  const auto code = [&] {
    switch (error.code) {
      case ErrorCode::not_found:
        return ReplyCode::not_found;
      case ErrorCode::denied:
        return ReplyCode::access_refused;
      case ErrorCode::locked:
        return ReplyCode::resource_locked;
      case ErrorCode::invalid:
      case ErrorCode::conflict:
      case ErrorCode::duplicate:
      case ErrorCode::too_large:
        return ReplyCode::precondition_failed;
      case ErrorCode::busy:
      case ErrorCode::full:
        return ReplyCode::resource_error;
      case ErrorCode::unsupported:
        return ReplyCode::not_implemented;
      case ErrorCode::closed:
      case ErrorCode::timeout:
      case ErrorCode::io:
      case ErrorCode::corrupt:
        break;
    }
    return ReplyCode::internal_error;
  }();
  return {code, error.message};
}

MaybeFault Session::need_right(engine::Right right, engine::Resource resource,
                               std::string_view name) {
  const auto allowed = broker().may(session_, right, resource, scoped(name));
  return allowed ? MaybeFault() : fault_of(allowed.error());
}

MaybeFault Session::need_queue(std::string_view name, std::optional<engine::Right> right) {
  if (right)
    if (auto fault = need_right(*right, engine::Resource::queue, name)) return fault;
  auto usable = broker().check_queue(session_, scoped(name));
  if (usable) return std::nullopt;
  if (usable.error().code != ErrorCode::not_found) return fault_of(usable.error());
  return Fault{ReplyCode::not_found, fmt::format("no queue '{}' in vhost '{}'", name, vhost_)};
}

// ---- answers

broker::Tag Session::tag_of(Kind kind, const Channel& channel, std::uint64_t number) {
  return static_cast<std::uint64_t>(kind) << (kNumberBits + kInstanceBits + kChannelBits) |
         std::uint64_t{channel.number} << (kNumberBits + kInstanceBits) |
         low_bits(channel.instance, kInstanceBits) << kNumberBits | low_bits(number, kNumberBits);
}

broker::Tag Session::ask(Channel& channel, Call::OnReply on_reply) {
  flush_settles();
  auto& call = new_call(channel);
  call.id = ++last_call_;
  call.on_reply = std::move(on_reply);
  return tag_of(Kind::call, channel, call.id);
}

void Session::on_reply(broker::Tag tag, const broker::Reply& reply) {
  const auto kind = static_cast<Kind>(tag >> (kNumberBits + kInstanceBits + kChannelBits));
  const auto number = low_bits(tag, kNumberBits);
  if (kind == Kind::connection) return on_left();
  if (kind == Kind::settle) {
    if (const auto* settled = std::get_if<broker::Settled>(&reply))
      counters().lost_settles += settled->lost;
    return;
  }
  const auto place =
      static_cast<std::uint16_t>(low_bits(tag >> (kNumberBits + kInstanceBits), kChannelBits));
  Channel* channel = find_channel(place);
  const bool same = channel != nullptr && low_bits(channel->instance, kInstanceBits) ==
                                              low_bits(tag >> kNumberBits, kInstanceBits);
  if (kind == Kind::consumer) {
    Consumer* consumer = same ? find_consumer(*channel, number) : nullptr;
    const auto* delivered = std::get_if<broker::Delivered>(&reply);
    if (consumer != nullptr && channel->state == Channel::State::open) {
      if (delivered != nullptr)
        deliver(*channel, *consumer, *delivered);
      else
        consumer_ended(*channel, *consumer);
    } else if (delivered != nullptr) {
      give_back(*delivered);
    }
  } else if (same && kind == Kind::confirm) {
    on_confirm(*channel, number, reply);
  } else if (same) {
    on_call(*channel, number, reply);
  }
  host_.wake();
}

void Session::on_call(Channel& channel, std::uint64_t id, const broker::Reply& reply) {
  const auto call = std::ranges::find_if(
      channel.calls, [&](const Call& one) { return low_bits(one.id, kNumberBits) == id; });
  if (call == channel.calls.end() || call->answered) return;
  call->answered = true;
  const auto on_answer = std::move(call->on_reply);
  const bool first = call == channel.calls.begin();
  const auto fault = on_answer(reply, first ? output_.bytes() : call->bytes);
  if (fault) fail_channel(channel, *fault, {});
  flush_calls(channel);
}

void Session::flush_calls(Channel& channel) {
  const auto number = channel.number;
  while (!channel.calls.empty() && channel.calls.front().answered) {
    output_.bytes().append(channel.calls.front().bytes);
    channel.calls.pop_front();
    --calls_;
  }
  if (channel.state == Channel::State::ending && channel.calls.empty()) channel_closed(number);
}

}  // namespace penstock::protocol::amqp
