// Workers: who is there, and what they are told. They announce themselves over the native protocol,
// where a connection says how long they are there.
#include "base/text.h"
#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/values.h"
#include "protocol/worker_json.h"

namespace penstock::protocol::http {
namespace {

using wire::json::ObjectReader;

constexpr std::int64_t kSlotsMax = 1 << 20;

void answer_list(Exchange& exchange, Result<std::string> list) {
  if (!list) return exchange.answer_error_when_durable(list.error());
  exchange.text() = std::move(*list);
  exchange.answer_json_when_durable(200);
}

void on_ordered(Exchange& exchange, const engine::WorkersOrdered& ordered) {
  JsonText json(exchange.text());
  json.begin_object().key("number").integer(ordered.number);
  json.key("workers").integer(ordered.workers).end_object();
  exchange.answer_json(ordered.number == 0 ? 200 : 201);
}

void on_forgotten(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

}  // namespace

void get_workers(Exchange& exchange) {
  answer_list(exchange, list_workers(exchange.broker(), exchange.session().id()));
}

void get_worker_orders(Exchange& exchange) {
  answer_list(exchange, list_worker_orders(exchange.broker(), exchange.session().id()));
}

void post_worker_order(Exchange& exchange) {
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  ObjectReader in(*body);
  engine::WorkerOrderSpec order;
  const auto kind = engine::parse_order_kind(in.required_text("order"));
  order.slots = static_cast<std::uint32_t>(in.integer("slots", 1, kSlotsMax, 0));
  order.who.name = in.text("name").value_or("");
  order.who.queue = in.text("queue").value_or("");
  order.who.version = in.text("version").value_or("");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  if (!kind) return exchange.answer_error(kind.error());
  order.kind = *kind;
  const auto tag = exchange.expect<on_ordered>();
  exchange.broker().order_workers(exchange.session().id(), tag, order);
}

void delete_worker_order(Exchange& exchange) {
  const auto number = parse_u64(exchange.parameter());
  if (!number) return exchange.answer_error(number.error());
  const auto tag = exchange.expect<on_forgotten>();
  exchange.broker().remove_worker_order(exchange.session().id(), tag, *number);
}

}  // namespace penstock::protocol::http
