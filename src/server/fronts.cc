#include "server/fronts.h"

namespace penstock::server {
namespace {

protocol::http::Settings http_settings(const Settings& settings, Fronts::Status status) {
  protocol::http::Settings http;
  http.version = PENSTOCK_VERSION;
  http.max_body_bytes = settings.broker.max_message_bytes;
  http.allowed_hosts = settings.allowed_hosts;
  http.status = std::move(status);
  return http;
}

protocol::resp::Settings resp_settings(const Settings& settings, Fronts::Status status) {
  protocol::resp::Settings resp;
  resp.version = PENSTOCK_VERSION;
  resp.limits.max_bulk_bytes = settings.broker.max_message_bytes + (64u << 10);
  resp.status = std::move(status);
  return resp;
}

}  // namespace

Fronts::Fronts(broker::Broker& broker, const Settings& settings, Status status)
    : http_(broker, http_settings(settings, status)),
      resp_(broker, resp_settings(settings, std::move(status))) {}

gateway::ProtocolTable Fronts::table() {
  gateway::ProtocolTable table;
  table
      .add({.protocol = wire::Protocol::http,
            .converse = [this](protocol::Host& host) { return http_.converse(host); },
            .watches_input = true})
      .add({.protocol = wire::Protocol::resp,
            .converse = [this](protocol::Host& host) { return resp_.converse(host); }});
  return table;
}

}  // namespace penstock::server
