// Coming in: a method, a content header, a body; then the broker's yes or no.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/names.h"
#include "protocol/amqp/content.h"
#include "protocol/amqp/session.h"
#include "wire/amqp/content.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::ReplyCode;

constexpr Duration kStallLeast = std::chrono::milliseconds(5);
constexpr Duration kStallMost = std::chrono::seconds(5);
constexpr std::size_t kBodyBytesKept = 64u << 10;

}  // namespace

MaybeFault Session::begin_publish(Channel& channel, const wire::amqp::BasicPublish& method) {
  if (method.immediate) return Fault{ReplyCode::not_implemented, "immediate=true"};
  auto& incoming = channel.incoming;
  incoming.exchange = method.exchange;
  incoming.routing_key = method.routing_key;
  incoming.mandatory = method.mandatory;
  incoming.stage = Incoming::Stage::header;
  return std::nullopt;
}

MaybeFault Session::on_content_header(Channel& channel, ByteView payload) {
  auto& incoming = channel.incoming;
  if (incoming.stage != Incoming::Stage::header)
    return Fault{ReplyCode::unexpected_frame, "a content header that no method announced"};
  const auto header = wire::amqp::decode_content_header(payload);
  if (!header) return Fault{header.error().code, header.error().text};
  if (header->body_bytes > settings().max_message_bytes)
    return Fault{ReplyCode::precondition_failed,
                 fmt::format("message size {} is larger than configured max size {}",
                             header->body_bytes, settings().max_message_bytes)};
  incoming.raw_properties = as_text(header->raw);
  incoming.body_bytes = header->body_bytes;
  incoming.stage = Incoming::Stage::body;
  return incoming.body_bytes == 0 ? publish(channel, {}) : std::nullopt;
}

MaybeFault Session::on_body(Channel& channel, ByteView payload) {
  auto& incoming = channel.incoming;
  if (incoming.stage != Incoming::Stage::body)
    return Fault{ReplyCode::unexpected_frame, "a body that no content header announced"};
  if (payload.size() > incoming.body_bytes - incoming.body.size())
    return Fault{ReplyCode::frame_error,
                 fmt::format("the body is larger than the {} bytes that its header announced",
                             incoming.body_bytes)};
  // A body in one frame is published from where it lies.
  if (payload.size() == incoming.body_bytes) return publish(channel, payload);
  if (auto fault = hold(payload.size())) return fault;
  append(incoming.body, payload);
  if (incoming.body.size() < incoming.body_bytes) return std::nullopt;
  const Bytes body = std::move(incoming.body);
  incoming.body.clear();
  held_bytes_ -= body.size();
  return publish(channel, body);
}

MaybeFault Session::hold(std::uint64_t bytes) {
  if (held_bytes_ + bytes > settings().max_held_bytes)
    return Fault{ReplyCode::resource_error,
                 fmt::format("a connection's unfinished messages and transactions take at most {} "
                             "bytes together",
                             settings().max_held_bytes)};
  held_bytes_ += bytes;
  return std::nullopt;
}

void Session::end_publish(Channel& channel) {
  auto& incoming = channel.incoming;
  held_bytes_ -= incoming.body.size();
  incoming.body.clear();
  if (incoming.body.capacity() > kBodyBytesKept) incoming.body = {};
  incoming.stage = Incoming::Stage::none;
}

MaybeFault Session::publish(Channel& channel, ByteView body) {
  auto& incoming = channel.incoming;
  incoming.stage = Incoming::Stage::none;
  const auto raw = as_bytes(incoming.raw_properties);
  const auto properties = wire::amqp::decode_properties(raw);
  if (!properties) return Fault{properties.error().code, properties.error().text};
  if (properties->user_id && *properties->user_id != user_)
    return Fault{ReplyCode::precondition_failed,
                 fmt::format("user_id property set to '{}' but authenticated user was '{}'",
                             *properties->user_id, user_)};
  if (incoming.exchange.empty() &&
      std::string_view(incoming.routing_key).starts_with(kDirectReplyTo))
    return reply_directly(channel, body);
  Meaning meaning;
  engine::RoutedPublish publish;
  if (auto fault =
          read_message(incoming.routing_key, *properties, broker().now(), meaning, publish.message))
    return fault;
  std::optional<std::string_view> reply_to;
  if (properties->reply_to == kDirectReplyTo) {
    if (channel.direct_name.empty())
      return Fault{ReplyCode::precondition_failed, "fast reply consumer does not exist"};
    reply_to = channel.direct_name;
  }
  headers_.clear();
  write_headers(headers_, incoming.exchange, meaning, *properties, raw, reply_to);
  exchange_ = scoped(incoming.exchange);
  publish.exchange = exchange_;
  publish.keys = meaning.keys;
  publish.message.body = body;
  publish.message.headers = headers_;
  if (channel.transaction) return hold_publish(channel, publish);
  return offer(channel, publish);
}

MaybeFault Session::offer(Channel& channel, const engine::RoutedPublish& publish) {
  flush_settles();
  const auto tag = channel.confirms ? tag_of(Kind::confirm, channel, channel.published + 1) : 0;
  const auto offered = broker().offer_routed(session_, tag, publish);
  if (offered.error) return fault_of(*offered.error);
  // That the disk is behind is over in a moment, and no reason to tell a publisher no.
  const bool momentary = offered.refused && offered.refused->reason == "journal";
  if (momentary || (offered.refused && !channel.confirms)) {
    stall(channel, *offered.refused, publish.message.body);
    return std::nullopt;
  }
  ++counters().publishes;
  if (channel.confirms) ++channel.published;
  if (offered.refused) {
    // In its turn behind the confirms that are still to come.
    broker().barrier(session_, tag);
    channel.refused.push_back(channel.published);
  }
  if (offered.queues == 0 && channel.incoming.mandatory && !offered.refused)
    return_message(channel, publish.message.body, output_.bytes());
  if (told_blocked_ && !offered.refused) {
    told_blocked_ = false;
    wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionUnblocked{});
  }
  return std::nullopt;
}

// Nobody is told of a refusal who has not asked for confirms: the message waits here, and nothing
// more is read from the connection until there is room.
void Session::stall(Channel& channel, const broker::Refused& refused, ByteView body) {
  ++counters().stalls;
  auto& incoming = channel.incoming;
  incoming.body.assign(body.begin(), body.end());
  held_bytes_ += body.size();
  incoming.stage = Incoming::Stage::complete;
  stalled_ = &channel;
  retry_at_ = broker().now() + std::clamp(refused.retry_after, kStallLeast, kStallMost);
  host_.wake_at(retry_at_);
  const bool short_of = refused.reason == "disk" || refused.reason == "memory";
  if (!short_of || !client_wants_blocked_ || told_blocked_) return;
  told_blocked_ = true;
  wire::amqp::encode_method(output_.bytes(), 0, wire::amqp::ConnectionBlocked{refused.message});
  host_.wake();
}

void Session::return_message(Channel& channel, ByteView body, std::string& out) {
  ++counters().returns;
  wire::amqp::BasicReturn method;
  method.reply_code = ReplyCode::no_route;
  method.reply_text = wire::amqp::name_of(ReplyCode::no_route);
  method.exchange = channel.incoming.exchange;
  method.routing_key = channel.incoming.routing_key;
  wire::amqp::encode_method(out, channel.number, method);
  write_content(out, channel, as_bytes(channel.incoming.raw_properties), body);
}

// ---- confirms

void Session::on_confirm(Channel& channel, std::uint64_t number, const broker::Reply& reply) {
  const bool refused = !channel.refused.empty() && channel.refused.front() == number;
  if (refused) channel.refused.pop_front();
  confirm(channel, number, !refused && !fault_of(reply));
}

// A confirm that follows another one, not sent yet, makes that one say both.
void Session::confirm(Channel& channel, std::uint64_t number, bool ack) {
  auto& out = output_.bytes();
  ++(ack ? counters().confirms : counters().nacks);
  ++channel.confirmed;
  if (!ack) {
    last_confirm_.reset();
    wire::amqp::BasicNack nack;
    nack.delivery_tag = number;
    return wire::amqp::encode_method(out, channel.number, nack);
  }
  wire::amqp::BasicAck method;
  method.delivery_tag = number;
  if (last_confirm_ && last_confirm_->channel == channel.instance &&
      last_confirm_->end == out.size() && output_.holds(last_confirm_->at) &&
      last_confirm_->number + 1 == number) {
    method.multiple = true;
    out.resize(last_confirm_->at);
  } else {
    last_confirm_ = LastConfirm{out.size(), 0, channel.instance, 0};
  }
  wire::amqp::encode_method(out, channel.number, method);
  last_confirm_->number = number;
  last_confirm_->end = out.size();
}

// ---- direct replies

// To whoever waits for it on its own connection, past all queues.
MaybeFault Session::reply_directly(Channel& channel, ByteView body) {
  const auto& incoming = channel.incoming;
  if (auto fault = need_right(engine::Right::write, engine::Resource::exchange, {})) return fault;
  const auto found = service_.reply_to_.find(incoming.routing_key);
  const bool there = found != service_.reply_to_.end();
  if (there) {
    auto& [session, number] = found->second;
    if (Channel* target = session->find_channel(number);
        target != nullptr && session->output_.size() < settings().max_output_bytes) {
      session->deliver_directly(*target, incoming.exchange, incoming.routing_key,
                                as_bytes(incoming.raw_properties), body);
    }
  } else if (incoming.mandatory) {
    return_message(channel, body, output_.bytes());
  }
  if (channel.confirms) {
    ++channel.published;
    broker().barrier(session_, tag_of(Kind::confirm, channel, channel.published));
  }
  return std::nullopt;
}

}  // namespace penstock::protocol::amqp
