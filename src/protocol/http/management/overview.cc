// The server as a whole.
#include <algorithm>

#include "protocol/http/management/answers.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/queue_row.h"

namespace penstock::protocol::http::management {
namespace {

// Tools decide by it what they may ask; what we do is what that one does.
constexpr std::string_view kCompatibleVersion = "3.10.8";
constexpr std::string_view kClusterName = "penstock";
constexpr std::string_view kExchangeTypes[] = {
    "direct", "fanout", "headers", "topic", "x-consistent-hash", "x-delayed-message"};

class Counter final : public ConnectionVisitor {
 public:
  void on_connection(const ConnectionView&) override { ++connections; }
  void on_channel(const ChannelView&) override { ++channels; }
  std::uint64_t connections = 0, channels = 0;
};

struct Totals {
  std::uint64_t ready = 0, leased = 0, published = 0, delivered = 0, acked = 0, again = 0;
  std::uint64_t consumers = 0, hosts = 0;
};

Totals totals_of(const broker::Queues& queues) {
  Totals totals;
  for (const auto& queue : queues.queues) {
    totals.ready += queue.ready;
    totals.leased += queue.leased;
    totals.published += queue.published;
    totals.delivered += queue.delivered;
    totals.acked += queue.acked;
    totals.again += queue.returned + queue.nacked;
    totals.consumers += queue.consumers;
  }
  return totals;
}

void write_listeners(JsonText& json, const Settings& settings) {
  json.key("listeners").begin_array();
  const auto all = settings.listeners ? settings.listeners() : std::vector<Settings::Listener>();
  for (const auto& listener : all) {
    for (const auto* protocol : {"amqp", "http"}) {
      json.begin_object().key("node").string(kNode).key("protocol").string(protocol);
      json.key("ip_address").string(listener.address).key("port").integer(listener.port);
      json.end_object();
    }
  }
  json.end_array();
}

void write_totals(JsonText& json, Exchange& exchange, const broker::Queues& queues) {
  const auto totals = totals_of(queues);
  const auto& topology = exchange.broker().topology();
  Counter counter;
  if (const auto* connections = exchange.service().settings().connections)
    connections->visit(counter);
  json.key("object_totals").begin_object().key("queues").integer(queues.queues.size());
  json.key("exchanges").integer(topology.exchanges().size() + topology.hosts().size());
  json.key("connections").integer(counter.connections);
  json.key("channels").integer(counter.channels);
  json.key("consumers").integer(totals.consumers).end_object();
  json.key("queue_totals").begin_object().key("messages").integer(totals.ready + totals.leased);
  json.key("messages_ready").integer(totals.ready);
  json.key("messages_unacknowledged").integer(totals.leased).end_object();
  json.key("message_stats").begin_object().key("publish").integer(totals.published);
  json.key("deliver_get").integer(totals.delivered).key("ack").integer(totals.acked);
  json.key("redeliver").integer(totals.again).end_object();
}

void on_queues(Exchange& exchange, const broker::Queues& queues) {
  const auto& settings = exchange.service().settings();
  JsonText json(exchange.text());
  json.begin_object().key("management_version").string(kCompatibleVersion);
  json.key("rabbitmq_version").string(kCompatibleVersion);
  json.key("product_name").string("Penstock").key("product_version").string(settings.version);
  json.key("cluster_name").string(kClusterName).key("node").string(kNode);
  json.key("rates_mode").string("none").key("statistics_db_event_queue").integer(0);
  json.key("exchange_types").begin_array();
  for (const auto name : kExchangeTypes)
    json.begin_object().key("name").string(name).key("enabled").boolean(true).end_object();
  json.end_array();
  write_totals(json, exchange, queues);
  json.key("churn_rates").begin_object().end_object();
  json.key("contexts").begin_array().end_array();
  write_listeners(json, settings);
  json.end_object();
  exchange.answer_json_when_durable(200);
}

// ---- is it alive: a message there and back

constexpr std::string_view kAlivenessQueue = "aliveness-test";

void on_alive(Exchange& exchange, const broker::Settled&) {
  JsonText(exchange.text()).begin_object().key("status").string("ok").end_object();
  exchange.answer_json(200);
}

void on_probe_back(Exchange& exchange, const broker::Delivered& delivered) {
  if (delivered.messages.empty())
    return exchange.answer_error(
        Error{ErrorCode::timeout, "the message that was sent did not come back", {}});
  engine::Settle settle;
  settle.leases = std::span(&delivered.messages.front().lease, 1);
  const auto tag = exchange.expect<on_alive>();
  exchange.broker().settle(exchange.session().id(), tag, settle);
}

void on_probe_sent(Exchange& exchange, const broker::Published&) {
  engine::Take take;
  take.queues.push_back(exchange.note);
  const auto tag = exchange.expect<on_probe_back>();
  exchange.broker().take(exchange.session().id(), tag, take);
}

void on_probe_queue(Exchange& exchange, const broker::Done&) {
  engine::MessageInput message;
  message.body = as_bytes(kAlivenessQueue);
  const auto tag = exchange.expect<on_probe_sent>();
  exchange.broker().publish(exchange.session().id(), tag,
                            {.queue = exchange.note, .messages = std::span(&message, 1)});
}

}  // namespace

void get_overview(Exchange& exchange) {
  const auto tag = exchange.expect<on_queues>();
  exchange.broker().queues(exchange.session().id(), tag);
}

void get_whoami(Exchange& exchange) {
  const auto has = [&](engine::Role role) { return exchange.may_as(role); };
  const bool guest = !exchange.broker().has_users();
  JsonText json(exchange.text());
  json.begin_object().key("name").string(guest ? "guest" : exchange.user());
  json.key("tags").begin_array();
  // The one that gives the most; the others follow from it.
  json.string(has(engine::Role::administrator) ? "administrator"
              : has(engine::Role::monitoring)  ? "monitoring"
                                               : "management");
  json.end_array().end_object();
  exchange.answer_json(200);
}

void get_nodes(Exchange& exchange) {
  const auto statistics = exchange.broker().statistics();
  const auto uptime = exchange.now() - exchange.service().started();
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  if (rows->wants(kNode)) {
    auto& json = rows->json();
    json.begin_object().key("name").string(kNode).key("type").string("disc");
    json.key("running").boolean(true);
    json.key("uptime").integer(
        std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count());
    json.key("mem_used").integer(statistics.index_bytes + statistics.transient_bytes);
    json.key("mem_alarm").boolean(false).key("disk_free_alarm").boolean(false);
    json.key("partitions").begin_array().end_array().end_object();
  }
  rows->answer();
}

void get_cluster_name(Exchange& exchange) {
  JsonText(exchange.text()).begin_object().key("name").string(kClusterName).end_object();
  exchange.answer_json(200);
}

void get_aliveness(Exchange& exchange) {
  const auto host = host_in_path(exchange);
  if (!host) return;
  exchange.note = engine::scoped_name(*host, kAlivenessQueue);
  const auto tag = exchange.expect<on_probe_queue>();
  exchange.broker().declare(exchange.session().id(), tag, exchange.note, {});
}

void get_nothing(Exchange& exchange) {
  exchange.text() = "[]";
  exchange.answer_json(200);
}

}  // namespace penstock::protocol::http::management
