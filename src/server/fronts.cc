#include "server/fronts.h"

namespace penstock::server {
namespace {

protocol::http::Settings http_settings(const Settings& settings, protocol::Passwords& passwords,
                                       Fronts::Status status, Fronts::Listeners listeners,
                                       protocol::Connections& connections) {
  protocol::http::Settings http;
  http.passwords = &passwords;
  http.version = PENSTOCK_VERSION;
  http.max_body_bytes = settings.broker.max_message_bytes;
  http.allowed_hosts = settings.allowed_hosts;
  http.status = std::move(status);
  http.listeners = std::move(listeners);
  http.connections = &connections;
  return http;
}

protocol::resp::Settings resp_settings(const Settings& settings, protocol::Passwords& passwords,
                                       Fronts::Status status) {
  protocol::resp::Settings resp;
  resp.passwords = &passwords;
  resp.version = PENSTOCK_VERSION;
  resp.max_message_bytes = settings.broker.max_message_bytes;
  resp.limits.max_bulk_bytes = resp.max_message_bytes + (64u << 10);
  resp.status = std::move(status);
  return resp;
}

protocol::amqp::Settings amqp_settings(const Settings& settings, protocol::Passwords& passwords) {
  protocol::amqp::Settings amqp;
  amqp.passwords = &passwords;
  amqp.version = PENSTOCK_VERSION;
  amqp.max_message_bytes = settings.broker.max_message_bytes;
  return amqp;
}

}  // namespace

Fronts::Fronts(broker::Broker& broker, Random& random, protocol::Passwords& passwords,
               const Settings& settings, Status status, Listeners listeners)
    : amqp_(broker, random, amqp_settings(settings, passwords)),
      http_(broker,
            http_settings(settings, passwords, with_counters(status), std::move(listeners), amqp_)),
      resp_(broker, resp_settings(settings, passwords, with_counters(status))) {}

Fronts::Status Fronts::with_counters(Status status) const {
  return [this, status = std::move(status)] {
    auto lines = status();
    for (const auto& [name, value] : protocol::amqp::Service::counters())
      lines.emplace_back(name, std::to_string(amqp_.statistics().*value));
    return lines;
  };
}

gateway::ProtocolTable Fronts::table() {
  gateway::ProtocolTable table;
  table
      .add({.protocol = wire::Protocol::http,
            .converse = [this](protocol::Host& host) { return http_.converse(host); },
            .watches_input = true})
      .add({.protocol = wire::Protocol::resp,
            .converse = [this](protocol::Host& host) { return resp_.converse(host); }})
      .add({.protocol = wire::Protocol::amqp,
            .converse = [this](protocol::Host& host) { return amqp_.converse(host); }});
  return table;
}

}  // namespace penstock::server
