// Queues: declared, looked at, emptied.
#include <algorithm>

#include "protocol/http/management/answers.h"
#include "protocol/http/management/declarations.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/queue_row.h"

namespace penstock::protocol::http::management {
namespace {

std::string_view type_of(const engine::QueueOptions& options) {
  if (options.stream) return "stream";
  return options.arguments.find("\"x-queue-type\":\"quorum\"") == std::string::npos ? "classic"
                                                                                    : "quorum";
}

void write_rate(JsonText& json, std::string_view name, double rate) {
  json.key(name).begin_object().key("rate").number(rate).end_object();
}

void on_queues(Exchange& exchange, const broker::Queues& queues) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  for (const auto* queue : queues_of(queues, exchange.note))
    if (rows->wants(engine::split_name(queue->name).name)) write_queue(rows->json(), *queue);
  rows->answer();
}

void on_queue(Exchange& exchange, const broker::Queues& queues) {
  JsonText json(exchange.text());
  write_queue(json, queues.queues.front());
  exchange.answer_json(200);
}

void on_declared(Exchange& exchange, const broker::Queues&) {
  exchange.answer_nothing(static_cast<int>(exchange.number));
}

void on_done(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

bool flag_in_query(const Exchange& exchange, std::string_view name) {
  return exchange.query(name).value_or("false") == "true";
}

void list(Exchange& exchange, std::string_view host) {
  exchange.note = host;
  const auto tag = exchange.expect<on_queues>();
  exchange.broker().queues(exchange.session().id(), tag);
}

}  // namespace

std::vector<const engine::QueueStatistics*> queues_of(const broker::Queues& queues,
                                                      std::string_view host) {
  std::vector<const engine::QueueStatistics*> found;
  for (const auto& queue : queues.queues)
    if (host.empty() || engine::split_name(queue.name).host == host) found.push_back(&queue);
  std::ranges::sort(found, {}, &engine::QueueStatistics::name);
  return found;
}

void write_queue(JsonText& json, const engine::QueueStatistics& queue) {
  const auto [host, name] = engine::split_name(queue.name);
  const auto& options = queue.options;
  json.begin_object().key("name").string(name).key("vhost").string(host);
  json.key("type")
      .string(type_of(options))
      .key("node")
      .string(kNode)
      .key("state")
      .string("running");
  json.key("durable").boolean(options.durable).key("auto_delete").boolean(options.auto_delete);
  json.key("exclusive").boolean(options.exclusive).key("policy").null();
  write_arguments(json, options.arguments);
  json.key("messages").integer(queue.ready + queue.leased);
  json.key("messages_ready").integer(queue.ready);
  json.key("messages_unacknowledged").integer(queue.leased);
  json.key("messages_scheduled").integer(queue.scheduled);
  json.key("message_bytes").integer(queue.bytes).key("consumers").integer(queue.consumers);
  write_rate(json, "messages_details", 0);
  json.key("message_stats").begin_object();
  json.key("publish").integer(queue.published);
  write_rate(json, "publish_details", queue.arrival_rate);
  json.key("deliver_get").integer(queue.delivered).key("ack").integer(queue.acked);
  json.key("redeliver").integer(queue.returned + queue.nacked);
  json.key("drop_unroutable").integer(0).end_object();
  json.key("penstock").begin_object().key("paused").boolean(options.paused);
  json.key("refused").integer(queue.refused()).key("expired").integer(queue.expired);
  json.key("dead_lettered").integer(queue.dead_lettered).key("dropped").integer(queue.dropped);
  json.key("predicted_wait_ms").milliseconds(queue.predicted_wait).end_object();
  json.end_object();
}

void get_queues(Exchange& exchange) {
  list(exchange, {});
}
void get_queues_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) list(exchange, *host);
}

void get_queue(Exchange& exchange) {
  const auto name = queue_in_path(exchange);
  if (!name) return;
  const auto tag = exchange.expect<on_queue>();
  exchange.broker().queue(exchange.session().id(), tag, name->scoped);
}

void put_queue(Exchange& exchange) {
  const auto name = name_in_path(exchange, "queue name");
  if (!name) return;
  const auto body = body_of(exchange);
  if (!body) return;
  const auto queue = QueueDeclaration::read(*name, *body, "the body");
  if (!queue) return exchange.answer_error(queue.error());
  const auto known = exchange.broker().check_queue(exchange.session().id(), name->scoped);
  if (!known && name->name.starts_with("amq."))
    return exchange.answer_error(
        Error{ErrorCode::denied, "the names that begin with \"amq.\" are the server's", {}});
  exchange.number = known ? 204 : 201;
  queue->declare(exchange.broker(), exchange.session().id(), exchange.expect<on_declared>());
}

void delete_queue(Exchange& exchange) {
  const auto name = queue_in_path(exchange);
  if (!name) return;
  const engine::RemoveIf condition{.unused = flag_in_query(exchange, "if-unused"),
                                   .empty = flag_in_query(exchange, "if-empty")};
  const auto tag = exchange.expect<on_done>();
  exchange.broker().remove(exchange.session().id(), tag, name->scoped, condition);
}

void purge_queue(Exchange& exchange) {
  const auto name = queue_in_path(exchange);
  if (!name) return;
  const auto tag = exchange.expect<on_done>();
  exchange.broker().purge(exchange.session().id(), tag, name->scoped);
}

}  // namespace penstock::protocol::http::management
