// Exchanges: declared, looked at, deleted.
#include <fmt/format.h>

#include "protocol/http/management/answers.h"
#include "protocol/http/management/declarations.h"
#include "protocol/http/management/exchange_row.h"
#include "protocol/http/management/handlers.h"

namespace penstock::protocol::http::management {
namespace {

void list(Exchange& exchange, std::string_view only_host) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  const auto& topology = exchange.broker().topology();
  const auto wants = [&](std::string_view host, std::string_view name) {
    return (only_host.empty() ? exchange.sees(host) : host == only_host) && rows->wants(name);
  };
  for (const auto& host : topology.hosts())
    if (wants(host, "")) write_default_exchange(rows->json(), host);
  for (const auto& [scoped, one] : topology.exchanges()) {
    const auto [host, name] = engine::split_name(scoped);
    if (wants(host, name)) write_exchange(rows->json(), one);
  }
  rows->answer();
}

void on_declared(Exchange& exchange, const broker::Done& done) {
  exchange.answer_nothing(done.created ? 201 : 204);
}

void on_removed(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

}  // namespace

void write_default_exchange(JsonText& json, std::string_view host) {
  json.begin_object().key("name").string("").key("vhost").string(host);
  json.key("type").string("direct").key("durable").boolean(true);
  json.key("auto_delete").boolean(false).key("internal").boolean(false);
  write_arguments(json, {}).end_object();
}

void write_exchange(JsonText& json, const engine::Exchange& exchange) {
  const auto [host, name] = engine::split_name(exchange.name);
  json.begin_object().key("name").string(name).key("vhost").string(host);
  json.key("type").string(exchange.delayed ? "x-delayed-message" : name_of(exchange.type));
  json.key("durable").boolean(exchange.durable);
  json.key("auto_delete").boolean(exchange.auto_delete);
  json.key("internal").boolean(exchange.internal);
  write_arguments(json, exchange.arguments).end_object();
}

void get_exchanges(Exchange& exchange) {
  list(exchange, {});
}
void get_exchanges_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list(exchange, *host);
}

void get_exchange(Exchange& exchange) {
  const auto name = exchange_in_path(exchange);
  if (!name) return;
  JsonText json(exchange.text());
  if (name->name.empty()) {
    write_default_exchange(json, name->host);
  } else {
    write_exchange(json, *exchange.broker().topology().find(name->scoped));
  }
  exchange.answer_json_when_durable(200);
}

void put_exchange(Exchange& exchange) {
  const auto name = name_in_path(exchange, "exchange name");
  if (!name) return;
  const auto body = body_of(exchange);
  if (!body) return;
  const auto declaration = ExchangeDeclaration::read(*name, *body, "the body");
  if (!declaration) return exchange.answer_error(declaration.error());
  const auto tag = exchange.expect<on_declared>();
  declaration->declare(exchange.broker(), exchange.session().id(), tag);
}

void delete_exchange(Exchange& exchange) {
  const auto name = exchange_in_path(exchange);
  if (!name) return;
  if (name->name.empty())
    return exchange.answer_error(
        Error{ErrorCode::denied, "the default exchange cannot be deleted", {}});
  const bool if_unused = exchange.query("if-unused").value_or("false") == "true";
  const auto tag = exchange.expect<on_removed>();
  exchange.broker().remove_exchange(exchange.session().id(), tag, name->scoped, if_unused);
}

}  // namespace penstock::protocol::http::management
