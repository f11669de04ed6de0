// Which method does what: one overload for each that clients send.
#include <fmt/format.h>

#include "protocol/amqp/session.h"

namespace penstock::protocol::amqp {
namespace {

namespace wa = wire::amqp;
using wa::ReplyCode;

MaybeFault need_name(std::string_view name, std::string_view what) {
  if (!name.empty()) return std::nullopt;
  return Fault{ReplyCode::not_found,
               fmt::format("no {} was named, and none declared before", what)};
}

// An empty name is the queue declared last on this channel.
MaybeFault queue_name(const Channel& channel, std::string_view given, std::string& name) {
  name = given.empty() ? channel.last_queue : std::string(given);
  return need_name(name, "queue");
}

Fault of_default_exchange() {
  return {ReplyCode::access_refused, "operation not permitted on the default exchange"};
}

// ---- connection

MaybeFault on(Session& session, const wa::ConnectionStartOk& method) {
  return session.start(method);
}
MaybeFault on(Session& session, const wa::ConnectionTuneOk& method) {
  return session.tune(method);
}
MaybeFault on(Session& session, const wa::ConnectionOpen& method) {
  return session.open(method);
}
MaybeFault on(Session& session, const wa::ConnectionClose& method) {
  return session.close(method), std::nullopt;
}
MaybeFault on(Session& session, const wa::ConnectionCloseOk&) {
  return session.closed(), std::nullopt;
}
MaybeFault on(Session& session, const wa::ConnectionUpdateSecret& method) {
  return session.update_secret(method);
}

// ---- channel

MaybeFault on(Session& session, Channel& channel, const wa::ChannelClose&) {
  return session.close_channel(channel), std::nullopt;
}
MaybeFault on(Session&, Channel&, const wa::ChannelCloseOk&) {
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::ChannelFlow& method) {
  if (!method.active)
    return Fault{ReplyCode::not_implemented, "active=false is not supported: use basic.qos"};
  session.respond(channel, wa::ChannelFlowOk{true});
  return std::nullopt;
}
MaybeFault on(Session&, Channel&, const wa::ChannelFlowOk&) {
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::AccessRequest&) {
  session.respond(channel, wa::AccessRequestOk{1});
  return std::nullopt;
}

// ---- exchange

MaybeFault check_exchange(Session& session, std::string_view name) {
  if (session.broker().topology().find(session.scoped(name)) != nullptr) return std::nullopt;
  return Fault{ReplyCode::not_found,
               fmt::format("no exchange '{}' in vhost '{}'", name, session.vhost())};
}

MaybeFault on(Session& session, Channel& channel, const wa::ExchangeDeclare& method) {
  const wa::ExchangeDeclareOk done;
  auto& broker = session.broker();
  if (method.passive) {
    if (!method.exchange.empty())
      if (auto fault = check_exchange(session, method.exchange)) return fault;
    broker.barrier(session.id(), session.ask_done(channel, method.no_wait, done));
    return std::nullopt;
  }
  if (method.exchange.empty()) return of_default_exchange();
  const auto arguments = exchange_arguments(method.type, method.arguments, session.vhost());
  if (!arguments) return arguments.error();
  const auto name = session.scoped(method.exchange);
  engine::ExchangeSpec spec;
  spec.name = name;
  spec.type = arguments->type;
  spec.durable = method.durable;
  spec.auto_delete = method.auto_delete;
  spec.internal = method.internal;
  spec.delayed = arguments->delayed;
  spec.alternate = arguments->alternate;
  spec.hash_on = arguments->hash_on;
  spec.arguments = arguments->json;
  broker.declare_exchange(session.id(), session.ask_done(channel, method.no_wait, done), spec);
  return std::nullopt;
}

MaybeFault on(Session& session, Channel& channel, const wa::ExchangeDelete& method) {
  if (method.exchange.empty()) return of_default_exchange();
  session.broker().remove_exchange(
      session.id(), session.ask_done(channel, method.no_wait, wa::ExchangeDeleteOk{}),
      session.scoped(method.exchange), method.if_unused);
  return std::nullopt;
}

using Change = void (broker::Broker::*)(SessionId, broker::Tag, const engine::BindingSpec&);

template <class Done>
MaybeFault change_binding(Session& session, Channel& channel, Change change,
                          std::string_view source, bool to_exchange, std::string_view destination,
                          std::string_view key, const wa::TableView& arguments, bool no_wait,
                          Done done) {
  if (source.empty() || destination.empty()) return of_default_exchange();
  const auto kind = to_exchange ? engine::Resource::exchange : engine::Resource::queue;
  if (auto fault = session.need_right(engine::Right::write, kind, destination)) return fault;
  if (auto fault = session.need_right(engine::Right::read, engine::Resource::exchange, source))
    return fault;
  if (auto fault = check_exchange(session, source)) return fault;
  if (auto fault =
          to_exchange ? check_exchange(session, destination) : session.need_queue(destination))
    return fault;
  const auto scoped_source = session.scoped(source);
  const auto scoped_destination = session.scoped(destination);
  const auto* exchange = session.broker().topology().find(scoped_source);
  const auto parsed = binding_arguments(exchange->type, key, arguments);
  if (!parsed) return parsed.error();
  engine::BindingSpec spec;
  spec.source = scoped_source;
  spec.to_exchange = to_exchange;
  spec.destination = scoped_destination;
  spec.key = key;
  spec.match = parsed->match;
  spec.fields = parsed->fields;
  spec.arguments = parsed->json;
  (session.broker().*change)(session.id(), session.ask_done(channel, no_wait, done), spec);
  return std::nullopt;
}

MaybeFault on(Session& session, Channel& channel, const wa::ExchangeBind& method) {
  return change_binding(session, channel, &broker::Broker::bind, method.source, true,
                        method.destination, method.routing_key, method.arguments, method.no_wait,
                        wa::ExchangeBindOk{});
}
MaybeFault on(Session& session, Channel& channel, const wa::ExchangeUnbind& method) {
  return change_binding(session, channel, &broker::Broker::unbind, method.source, true,
                        method.destination, method.routing_key, method.arguments, method.no_wait,
                        wa::ExchangeUnbindOk{});
}

// ---- queue

MaybeFault on(Session& session, Channel& channel, const wa::QueueDeclare& method) {
  std::string name(method.queue);
  if (method.passive) {
    if (auto fault = queue_name(channel, method.queue, name)) return fault;
    if (session.takes_replies(name)) {
      wa::QueueDeclareOk done;
      done.queue = name;
      done.consumer_count = 1;
      session.respond(channel, done);
      return std::nullopt;
    }
    if (auto fault = session.need_queue(name)) return fault;
  } else if (name.empty()) {
    name = session.unique_name("amq.gen-");
  } else if (name.starts_with("amq.") &&
             !session.broker().check_queue(session.id(), session.scoped(name))) {
    return Fault{ReplyCode::access_refused,
                 fmt::format("queue name '{}' contains reserved prefix 'amq.*'", name)};
  }
  const auto options = queue_options(method, session.vhost());
  if (!options && !method.passive) return options.error();
  channel.last_queue = name;
  const auto number = channel.number;
  const bool no_wait = method.no_wait;
  const auto tag = session.ask(
      channel, [number, no_wait, name](const broker::Reply& reply, std::string& out) -> MaybeFault {
        if (auto fault = Session::fault_of(reply)) return fault;
        const auto* queues = std::get_if<broker::Queues>(&reply);
        if (no_wait || queues == nullptr) return std::nullopt;
        const auto& queue = queues->queues.front();
        wa::QueueDeclareOk done;
        done.queue = name;
        done.message_count = static_cast<std::uint32_t>(queue.ready);
        done.consumer_count = queue.consumers;
        wa::encode_method(out, number, done);
        return std::nullopt;
      });
  const auto scoped = session.scoped(name);
  if (method.passive) {
    session.broker().queue(session.id(), tag, scoped);
    return std::nullopt;
  }
  std::vector<std::pair<std::string_view, std::string_view>> views(options->begin(),
                                                                   options->end());
  session.broker().declare_same(session.id(), tag, scoped, views);
  return std::nullopt;
}

MaybeFault on(Session& session, Channel& channel, const wa::QueueBind& method) {
  std::string name;
  if (auto fault = queue_name(channel, method.queue, name)) return fault;
  // An empty key with an empty name is the queue's name, too.
  const std::string_view key =
      method.queue.empty() && method.routing_key.empty() ? name : method.routing_key;
  return change_binding(session, channel, &broker::Broker::bind, method.exchange, false, name, key,
                        method.arguments, method.no_wait, wa::QueueBindOk{});
}
MaybeFault on(Session& session, Channel& channel, const wa::QueueUnbind& method) {
  std::string name;
  if (auto fault = queue_name(channel, method.queue, name)) return fault;
  const std::string_view key =
      method.queue.empty() && method.routing_key.empty() ? name : method.routing_key;
  return change_binding(session, channel, &broker::Broker::unbind, method.exchange, false, name,
                        key, method.arguments, false, wa::QueueUnbindOk{});
}

// For answers with a number of messages.
template <class Done>
broker::Tag ask_count(Session& session, Channel& channel, bool no_wait) {
  const auto number = channel.number;
  return session.ask(
      channel, [number, no_wait](const broker::Reply& reply, std::string& out) -> MaybeFault {
        if (auto fault = Session::fault_of(reply)) {
          // What is not there any more is as if it had been deleted just now.
          const bool gone = fault->code == ReplyCode::not_found;
          if (!gone || !std::is_same_v<Done, wa::QueueDeleteOk>) return fault;
        }
        const auto* count = std::get_if<broker::Done>(&reply);
        if (!no_wait)
          wa::encode_method(out, number,
                            Done{static_cast<std::uint32_t>(count == nullptr ? 0 : count->count)});
        return std::nullopt;
      });
}

MaybeFault on(Session& session, Channel& channel, const wa::QueuePurge& method) {
  std::string name;
  if (auto fault = queue_name(channel, method.queue, name)) return fault;
  if (auto fault = session.need_queue(name, engine::Right::read)) return fault;
  const auto tag = ask_count<wa::QueuePurgeOk>(session, channel, method.no_wait);
  session.broker().purge(session.id(), tag, session.scoped(name));
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::QueueDelete& method) {
  std::string name;
  if (auto fault = queue_name(channel, method.queue, name)) return fault;
  const auto tag = ask_count<wa::QueueDeleteOk>(session, channel, method.no_wait);
  session.broker().remove(session.id(), tag, session.scoped(name),
                          {method.if_unused, method.if_empty});
  return std::nullopt;
}

// ---- basic

MaybeFault on(Session& session, Channel& channel, const wa::BasicPublish& method) {
  return session.begin_publish(channel, method);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicQos& method) {
  return session.qos(channel, method);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicConsume& method) {
  return session.consume(channel, method);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicCancel& method) {
  return session.cancel(channel, method);
}
MaybeFault on(Session&, Channel&, const wa::BasicCancelOk&) {
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicGet& method) {
  return session.get(channel, method);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicAck& method) {
  return session.settle(channel, method.delivery_tag, method.multiple, engine::Outcome::ack);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicNack& method) {
  return session.settle(channel, method.delivery_tag, method.multiple,
                        method.requeue ? engine::Outcome::requeue : engine::Outcome::reject);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicReject& method) {
  return session.settle(channel, method.delivery_tag, false,
                        method.requeue ? engine::Outcome::requeue : engine::Outcome::reject);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicRecover& method) {
  if (!method.requeue) return Fault{ReplyCode::not_implemented, "requeue=false"};
  return session.recover(channel, true);
}
MaybeFault on(Session& session, Channel& channel, const wa::BasicRecoverAsync& method) {
  if (!method.requeue) return Fault{ReplyCode::not_implemented, "requeue=false"};
  return session.recover(channel, false);
}

// ---- confirm, tx

MaybeFault on(Session& session, Channel& channel, const wa::ConfirmSelect& method) {
  if (channel.transaction)
    return Fault{ReplyCode::precondition_failed, "cannot switch from tx to confirm mode"};
  channel.confirms = true;
  if (!method.no_wait) session.respond(channel, wa::ConfirmSelectOk{});
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::TxSelect&) {
  if (channel.confirms)
    return Fault{ReplyCode::precondition_failed, "cannot switch from confirm to tx mode"};
  if (!channel.transaction) channel.transaction.emplace();
  session.respond(channel, wa::TxSelectOk{});
  return std::nullopt;
}
MaybeFault on(Session& session, Channel& channel, const wa::TxCommit&) {
  if (!channel.transaction)
    return Fault{ReplyCode::precondition_failed, "channel is not transactional"};
  return session.commit(channel);
}
MaybeFault on(Session& session, Channel& channel, const wa::TxRollback&) {
  if (!channel.transaction)
    return Fault{ReplyCode::precondition_failed, "channel is not transactional"};
  session.rollback(channel);
  session.respond(channel, wa::TxRollbackOk{});
  return std::nullopt;
}

template <class Method>
concept OfConnection = requires(Session& session, const Method& method) {
  on(session, method);
};
template <class Method>
concept OfChannel = requires(Session& session, Channel& channel, const Method& method) {
  on(session, channel, method);
};

}  // namespace

MaybeFault Session::dispatch(std::uint16_t number, const wa::Method& method) {
  return std::visit(
      [&]<class Method>(const Method& one) -> MaybeFault {
        if constexpr (std::is_same_v<Method, wa::ChannelOpen>) {
          return open_channel(number);
        } else if constexpr (OfConnection<Method>) {
          if (number == 0) return on(*this, one);
          return Fault{ReplyCode::command_invalid,
                       fmt::format("{} on channel {}", Method::kName, number)};
        } else if constexpr (OfChannel<Method>) {
          if (number == 0)
            return Fault{ReplyCode::command_invalid, fmt::format("{} on channel 0", Method::kName)};
          Channel* channel = find_channel(number);
          if (channel == nullptr)
            return Fault{ReplyCode::channel_error,
                         fmt::format("expected 'channel.open', got {}", Method::kName)};
          return on(*this, *channel, one);
        } else {
          return Fault{ReplyCode::command_invalid,
                       fmt::format("{} is what a server sends", Method::kName)};
        }
      },
      method);
}

}  // namespace penstock::protocol::amqp
