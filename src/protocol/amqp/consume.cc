// Going out: consumers, gets, and what they are sent.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "engine/names.h"
#include "protocol/amqp/content.h"
#include "protocol/amqp/session.h"
#include "wire/amqp/content.h"

namespace penstock::protocol::amqp {
namespace {

using wire::amqp::ReplyCode;

// On the way to one consumer at once, in the output or before it.
constexpr std::int64_t kBytesOnTheWay = 4ll << 20;

// Nothing for a priority that is no number.
std::optional<std::int32_t> priority_of(const wire::amqp::TableView& arguments) {
  const auto value = arguments.find("x-priority");
  if (!value) return 0;
  const auto number = wire::amqp::integer_in(*value);
  if (!number) return std::nullopt;
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(*number, INT32_MIN, INT32_MAX));
}

}  // namespace

MaybeFault Session::qos(Channel& channel, const wire::amqp::BasicQos& method) {
  if (method.prefetch_size != 0)
    return Fault{ReplyCode::not_implemented, "prefetch_size!=0 (a limit in bytes)"};
  if (method.global) {
    const auto limit = [](std::int64_t count) { return count == 0 ? kUnlimitedCredit : count; };
    const std::int64_t change = limit(method.prefetch_count) - limit(channel.pool_limit);
    channel.pool_limit = method.prefetch_count;
    broker().add_pool_credit(session_, channel.instance, change);
  } else {
    channel.prefetch = method.prefetch_count;
  }
  respond(channel, wire::amqp::BasicQosOk{});
  return std::nullopt;
}

// Where a stream's consumer begins; its prefetch and its acks are what keeps it from being flooded.
MaybeFault Session::begin_stream(const Channel& channel, std::string_view queue,
                                 const wire::amqp::BasicConsume& method,
                                 engine::StreamStart& start) {
  if (method.no_ack) return Fault{ReplyCode::not_implemented, "a stream's consumers acknowledge"};
  if (channel.prefetch == 0)
    return Fault{ReplyCode::precondition_failed,
                 fmt::format("consumer prefetch count is not set for queue '{}' in vhost '{}'",
                             queue, vhost_)};
  const auto wanted = stream_start(method.arguments);
  if (!wanted)
    return Fault{ReplyCode::precondition_failed,
                 "x-stream-offset is first, last, next, a number, a timestamp or an interval"};
  start = *wanted;
  if (start.kind == engine::StreamStart::Kind::time && start.at < Time{})
    start.at = broker().now() + start.at.time_since_epoch();
  return std::nullopt;
}

MaybeFault Session::consume(Channel& channel, const wire::amqp::BasicConsume& method) {
  if (!method.consumer_tag.empty() && channel.consumers.contains(method.consumer_tag))
    return Fault{ReplyCode::not_allowed,
                 fmt::format("attempt to reuse consumer tag '{}'", method.consumer_tag)};
  if (channel.consumers.size() >= settings().max_consumers_per_channel)
    return Fault{ReplyCode::resource_error, fmt::format("a channel has at most {} consumers",
                                                        settings().max_consumers_per_channel)};
  Consumer consumer;
  consumer.tag =
      method.consumer_tag.empty() ? unique_name("amq.ctag-") : std::string(method.consumer_tag);
  consumer.no_ack = method.no_ack;
  const auto number = channel.number;
  if (method.queue == kDirectReplyTo) {
    if (!method.no_ack)
      return Fault{ReplyCode::precondition_failed, "reply consumer cannot acknowledge"};
    if (!channel.direct_name.empty())
      return Fault{ReplyCode::precondition_failed, "reply consumer already set"};
    channel.direct_name = unique_name(std::string(kDirectReplyTo) + ".");
    channel.direct_tag = consumer.tag;
    service_.reply_to_[channel.direct_name] = {this, number};
    if (!method.no_wait) respond(channel, wire::amqp::BasicConsumeOk{consumer.tag});
    return std::nullopt;
  }
  const std::string name = method.queue.empty() ? channel.last_queue : std::string(method.queue);
  if (auto fault = need_queue(name, engine::Right::read)) return fault;
  const auto options = broker().check_queue(session_, scoped(name));
  const auto priority = priority_of(method.arguments);
  if (!priority) return Fault{ReplyCode::precondition_failed, "x-priority is no number"};
  engine::Consume consume;
  if ((*options)->stream)
    if (auto fault = begin_stream(channel, name, method, consume.start)) return fault;
  consumer.counts_deliveries = (*options)->arguments.find("\"quorum\"") != std::string::npos;
  consumer.number = ++last_consumer_;
  const auto scoped_queue = scoped(name);
  consume.queue = scoped_queue;
  consume.credit = method.no_ack || channel.prefetch == 0 ? kUnlimitedCredit : channel.prefetch;
  consume.bytes = kBytesOnTheWay;
  consume.pool = method.no_ack ? 0 : channel.instance;
  consume.priority = *priority;
  consume.exclusive = method.exclusive;
  consumer.queue = scoped_queue;
  consumer.prefetch = channel.prefetch;
  consumer.exclusive = method.exclusive;
  const auto tag = consumer.tag;
  const auto answer =
      ask(channel,
          [&channel, number, tag, no_wait = method.no_wait](const broker::Reply& reply,
                                                            std::string& out) -> MaybeFault {
            if (auto fault = fault_of(reply)) {
              channel.consumers.erase(tag);
              return fault;
            }
            if (!no_wait) wire::amqp::encode_method(out, number, wire::amqp::BasicConsumeOk{tag});
            return std::nullopt;
          });
  const auto consumer_tag = tag_of(Kind::consumer, channel, consumer.number);
  channel.consumers.emplace(consumer.tag, std::move(consumer));
  broker().consume(session_, answer, consumer_tag, consume);
  return std::nullopt;
}

MaybeFault Session::cancel(Channel& channel, const wire::amqp::BasicCancel& method) {
  const std::string tag(method.consumer_tag);
  if (!channel.direct_name.empty() && channel.direct_tag == tag) {
    service_.reply_to_.erase(channel.direct_name);
    channel.direct_name.clear();
  }
  const auto found = channel.consumers.find(tag);
  if (found == channel.consumers.end()) {
    if (!method.no_wait) respond(channel, wire::amqp::BasicCancelOk{tag});
    return std::nullopt;
  }
  const auto consumer = tag_of(Kind::consumer, channel, found->second.number);
  channel.consumers.erase(found);
  const auto number = channel.number;
  const auto answer =
      ask(channel,
          [number, tag, no_wait = method.no_wait](const broker::Reply&,
                                                  std::string& out) -> MaybeFault {
            if (!no_wait) wire::amqp::encode_method(out, number, wire::amqp::BasicCancelOk{tag});
            return std::nullopt;
          });
  broker().cancel_consumer(session_, answer, consumer);
  return std::nullopt;
}

// Its queue is gone.
void Session::consumer_ended(Channel& channel, Consumer& consumer) {
  wire::amqp::BasicCancel cancel;
  cancel.consumer_tag = consumer.tag;
  cancel.no_wait = true;
  wire::amqp::encode_method(output_.bytes(), channel.number, cancel);
  channel.consumers.erase(channel.consumers.find(consumer.tag));
}

void Session::end_consumers(Channel& channel) {
  for (const auto& [tag, consumer] : channel.consumers)
    broker().cancel_consumer(session_, static_cast<std::uint64_t>(Kind::settle) << 61,
                             tag_of(Kind::consumer, channel, consumer.number));
  channel.consumers.clear();
  broker().forget_pool(session_, channel.instance);
  if (!channel.direct_name.empty()) service_.reply_to_.erase(channel.direct_name);
  channel.direct_name.clear();
}

Consumer* Session::find_consumer(Channel& channel, std::uint64_t number) {
  for (auto& [tag, consumer] : channel.consumers)
    if (consumer.number == number) return &consumer;
  return nullptr;
}

MaybeFault Session::get(Channel& channel, const wire::amqp::BasicGet& method) {
  const std::string name = method.queue.empty() ? channel.last_queue : std::string(method.queue);
  if (auto fault = need_queue(name, engine::Right::read)) return fault;
  if ((*broker().check_queue(session_, scoped(name)))->stream)
    return Fault{ReplyCode::not_implemented,
                 fmt::format("basic.get not supported by stream queues queue '{}' in vhost '{}'",
                             name, vhost_)};
  const auto answer =
      ask(channel,
          [this, &channel, no_ack = method.no_ack](const broker::Reply& reply,
                                                   std::string& out) -> MaybeFault {
            if (auto fault = fault_of(reply)) return fault;
            const auto& delivered = std::get<broker::Delivered>(reply);
            if (delivered.messages.empty()) {
              wire::amqp::encode_method(out, channel.number, wire::amqp::BasicGetEmpty{});
              return std::nullopt;
            }
            const auto& delivery = delivered.messages.front();
            if (channel.state != Channel::State::open) return give_back(delivered), std::nullopt;
            ++channel.delivered;
            ++counters().deliveries;
            const auto content = content_of(delivery, 0, scratch_);
            wire::amqp::BasicGetOk got;
            got.delivery_tag = channel.delivered;
            got.redelivered = delivery.redelivered;
            got.exchange = content.exchange;
            got.routing_key = content.routing_key;
            got.message_count = static_cast<std::uint32_t>(delivered.left);
            wire::amqp::encode_method(out, channel.number, got);
            write_content(out, channel, content.raw_properties, delivery.body);
            channel.unacked.push_back(
                {delivery.lease, 0, no_ack ? Unacked::State::settled : Unacked::State::open});
            if (!no_ack) return std::nullopt;
            settling_.push_back(delivery.lease);
            settle_what_left(channel);
            return std::nullopt;
          });
  engine::Take take;
  take.queues.push_back(scoped(name));
  take.unlimited = true;
  broker().take(session_, answer, take);
  return std::nullopt;
}

void Session::write_content(std::string& out, Channel& channel, ByteView raw_properties,
                            ByteView body) {
  wire::amqp::write_content_header(out, channel.number, body.size(), raw_properties);
  wire::amqp::write_body(out, channel.number, body, frame_max_);
}

void Session::deliver(Channel& channel, Consumer& consumer, const broker::Delivered& delivered) {
  auto& out = output_.bytes();
  if (consumer.bytes_on_the_way == 0) owed_.emplace_back(channel.number, consumer.number);
  for (const auto& delivery : delivered.messages) {
    const auto before = consumer.counts_deliveries ? delivery.attempts - 1 : 0;
    const auto content = content_of(delivery, before, scratch_);
    wire::amqp::BasicDeliver method;
    method.consumer_tag = consumer.tag;
    method.delivery_tag = ++channel.delivered;
    method.redelivered = delivery.redelivered;
    method.exchange = content.exchange;
    method.routing_key = content.routing_key;
    wire::amqp::encode_method(out, channel.number, method);
    write_content(out, channel, content.raw_properties, delivery.body);
    channel.unacked.push_back({delivery.lease, consumer.number,
                               consumer.no_ack ? Unacked::State::settled : Unacked::State::open});
    consumer.bytes_on_the_way += delivery.bytes;
    if (consumer.no_ack) settling_.push_back(delivery.lease);
  }
  counters().deliveries += delivered.messages.size();
  if (consumer.no_ack) settle_what_left(channel);
}

// At most once for the client, never less than once for us: it is done when it is on its way.
void Session::settle_what_left(Channel& channel) {
  settling_outcome_ = engine::Outcome::ack;
  flush_settles();
  forget_settled(channel);
}

void Session::deliver_directly(Channel& channel, std::string_view exchange, std::string_view key,
                               ByteView raw, ByteView body) {
  wire::amqp::BasicDeliver method;
  method.consumer_tag = channel.direct_tag;
  method.delivery_tag = ++channel.delivered;
  method.exchange = exchange;
  method.routing_key = key;
  wire::amqp::encode_method(output_.bytes(), channel.number, method);
  write_content(output_.bytes(), channel, raw, body);
  channel.unacked.push_back({{}, 0, Unacked::State::settled});
  forget_settled(channel);
  ++counters().deliveries;
  host_.wake();
}

// Nobody is there any more to get them.
void Session::give_back(const broker::Delivered& delivered) {
  std::vector<engine::LeaseToken> leases;
  for (const auto& delivery : delivered.messages)
    if (delivery.lease.id) leases.push_back(delivery.lease);
  if (leases.empty()) return;
  engine::Settle settle;
  settle.leases = leases;
  settle.outcome = engine::Outcome::give_back;
  broker().settle(session_, static_cast<std::uint64_t>(Kind::settle) << 61, settle);
}

// What has left the output may be followed by as much.
void Session::return_byte_credit() {
  constexpr std::size_t kLow = 1u << 20;
  if (owed_.empty() || output_.size() > kLow) return;
  for (const auto& [number, consumer_number] : std::exchange(owed_, {})) {
    Channel* channel = find_channel(number);
    Consumer* consumer = channel == nullptr ? nullptr : find_consumer(*channel, consumer_number);
    if (consumer == nullptr) continue;
    broker().add_credit(session_, tag_of(Kind::consumer, *channel, consumer_number), 0,
                        std::exchange(consumer->bytes_on_the_way, 0));
  }
}

}  // namespace penstock::protocol::amqp
