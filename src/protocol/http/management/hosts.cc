// Virtual hosts.
#include "base/text.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/handlers.h"

namespace penstock::protocol::http::management {
namespace {

void write_host(JsonText& json, std::string_view name) {
  json.begin_object().key("name").string(name).key("description").string("");
  json.key("tags").begin_array().end_array().key("tracing").boolean(false);
  json.key("metadata").begin_object().key("description").string("");
  json.key("tags").begin_array().end_array().end_object();
  json.key("cluster_state").begin_object().key(kNode).string("running").end_object().end_object();
}

void on_declared(Exchange& exchange, const broker::Done& done) {
  exchange.answer_nothing(done.created ? 201 : 204);
}
void on_removed(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

}  // namespace

void get_hosts(Exchange& exchange) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  for (const auto& host : exchange.broker().topology().hosts())
    if (exchange.sees(host) && rows->wants(host)) write_host(rows->json(), host);
  rows->answer();
}

void get_host(Exchange& exchange) {
  const auto host = host_in_path(exchange);
  if (!host) return;
  JsonText json(exchange.text());
  write_host(json, *host);
  exchange.answer_json_when_durable(200);
}

void put_host(Exchange& exchange) {
  const auto tag = exchange.expect<on_declared>();
  exchange.broker().declare_host(exchange.session().id(), tag, exchange.parameter());
}

// Whoever is connected to it has nothing left to use there.
void delete_host(Exchange& exchange) {
  const auto host = host_in_path(exchange);
  if (!host) return;
  const auto tag = exchange.expect<on_removed>();
  exchange.broker().remove_host(exchange.session().id(), tag, *host);
  auto* connections = exchange.service().settings().connections;
  if (connections != nullptr && !exchange.broker().topology().hosts().contains(*host))
    connections->close_connections_of(*host, "vhost '" + *host + "' is down");
}

}  // namespace penstock::protocol::http::management
