// Bindings, from either end.
#include <fmt/format.h>

#include "base/crc32c.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/binding_row.h"
#include "protocol/http/management/declarations.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/queue_row.h"
#include "wire/http/target.h"

namespace penstock::protocol::http::management {
namespace {

// The ends of a binding in a path.
struct Ends {
  Name source, destination;
  bool to_exchange = false;
};

std::optional<Ends> ends_in_path(Exchange& exchange, bool to_exchange) {
  auto source = exchange_in_path(exchange, 1);
  if (!source) return std::nullopt;
  auto destination =
      to_exchange ? exchange_in_path(exchange, 2) : name_in_path(exchange, "queue name", 2);
  if (!destination) return std::nullopt;
  const auto session = exchange.session().id();
  if (!to_exchange && !exchange.broker().check_queue(session, destination->scoped)) {
    answer_none(exchange, "queue", *destination);
    return std::nullopt;
  }
  return Ends{std::move(*source), std::move(*destination), to_exchange};
}

std::vector<const engine::Binding*> bindings_between(const engine::Topology& topology,
                                                     const Ends& ends) {
  auto found = topology.bindings_to(ends.destination.scoped, ends.to_exchange);
  std::erase_if(found, [&](const auto* one) { return one->source != ends.source.scoped; });
  return found;
}

bool leads_to_by_default(const Ends& ends) {
  return ends.source.name.empty() && !ends.to_exchange;
}

// ---- lists

void write_all(Rows& rows, Exchange& exchange, std::string_view host) {
  for (const auto& [scoped, source] : exchange.broker().topology().exchanges()) {
    const auto in = engine::split_name(scoped).host;
    if (host.empty() ? !exchange.sees(in) : in != host) continue;
    for (const auto& [identity, binding] : source.bindings)
      if (rows.wants(engine::split_name(binding->destination).name))
        write_binding(rows.json(), *binding);
  }
}

void write_defaults(Rows& rows, const broker::Queues& queues, std::string_view host) {
  for (const auto* queue : queues_of(queues, host))
    if (rows.wants(engine::split_name(queue->name).name))
      write_default_binding(rows.json(), queue->name);
}

void on_queues(Exchange& exchange, const broker::Queues& queues) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  write_defaults(*rows, queues, exchange.note);
  write_all(*rows, exchange, exchange.note);
  rows->answer();
}

void on_default_queues(Exchange& exchange, const broker::Queues& queues) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  write_defaults(*rows, queues, exchange.note);
  rows->answer();
}

template <auto Then>
void with_queues(Exchange& exchange, std::string_view host) {
  exchange.note = host;
  const auto tag = exchange.expect<Then>();
  exchange.broker().queues(exchange.session().id(), tag);
}

void answer_list(Exchange& exchange, const std::vector<const engine::Binding*>& bindings,
                 std::string_view default_queue = {}) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  if (!default_queue.empty() && rows->wants(engine::split_name(default_queue).name))
    write_default_binding(rows->json(), default_queue);
  for (const auto* binding : bindings)
    if (rows->wants(engine::split_name(binding->destination).name))
      write_binding(rows->json(), *binding);
  rows->answer();
}

// ---- one binding

void list_between(Exchange& exchange, bool to_exchange) {
  const auto ends = ends_in_path(exchange, to_exchange);
  if (!ends) return;
  const std::string_view by_default =
      leads_to_by_default(*ends) ? std::string_view(ends->destination.scoped) : std::string_view();
  answer_list(exchange, bindings_between(exchange.broker().topology(), *ends), by_default);
}

void on_bound(Exchange& exchange, const broker::Done&) {
  exchange.add_field("Location", exchange.note);
  exchange.answer_nothing(201);
}

void on_unbound(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

void post(Exchange& exchange, bool to_exchange) {
  const auto ends = ends_in_path(exchange, to_exchange);
  if (!ends) return;
  const auto body = body_of(exchange);
  if (!body) return;
  const auto binding =
      BindingDeclaration::read(ends->source, ends->destination, to_exchange, *body, "the body");
  if (!binding) return exchange.answer_error(binding.error());
  using wire::http::percent_encode;
  exchange.note =
      fmt::format("/api/bindings/{}/e/{}/{}/{}/{}", percent_encode(ends->source.host),
                  percent_encode(ends->source.name), to_exchange ? 'e' : 'q',
                  percent_encode(ends->destination.name),
                  percent_encode(properties_key(binding->key(), binding->arguments_json())));
  const auto tag = exchange.expect<on_bound>();
  const auto bound = binding->bind(exchange.broker(), exchange.session().id(), tag);
  if (!bound) answer_when_durable(exchange, bound.error());
}

// The binding that the path's last braces name; null, and answered, when there is none.
const engine::Binding* find(Exchange& exchange, const Ends& ends) {
  const auto wanted = exchange.parameter(3);
  for (const auto* binding : bindings_between(exchange.broker().topology(), ends))
    if (properties_key(binding->key, binding->arguments) == wanted) return binding;
  answer_when_durable(
      exchange, Error{ErrorCode::not_found,
                      fmt::format("no binding {} from exchange '{}' to '{}' in vhost '{}'", wanted,
                                  ends.source.name, ends.destination.name, ends.source.host),
                      {}});
  return nullptr;
}

void get_one(Exchange& exchange, bool to_exchange) {
  const auto ends = ends_in_path(exchange, to_exchange);
  if (!ends) return;
  if (leads_to_by_default(*ends) && exchange.parameter(3) == ends->destination.name) {
    JsonText json(exchange.text());
    write_default_binding(json, ends->destination.scoped);
    return exchange.answer_json_when_durable(200);
  }
  const auto* binding = find(exchange, *ends);
  if (binding == nullptr) return;
  JsonText json(exchange.text());
  write_binding(json, *binding);
  exchange.answer_json_when_durable(200);
}

void delete_one(Exchange& exchange, bool to_exchange) {
  const auto ends = ends_in_path(exchange, to_exchange);
  if (!ends) return;
  const auto* binding = find(exchange, *ends);
  if (binding == nullptr) return;
  const auto tag = exchange.expect<on_unbound>();
  exchange.broker().unbind(exchange.session().id(), tag, binding->spec());
}

}  // namespace

std::string properties_key(std::string_view key, std::string_view arguments) {
  // A "~" of the key's own must not be taken for the one before the checksum.
  std::string text;
  for (const char c : key) c == '~' ? text.append("%7E") : text.append(1, c);
  if (key.empty()) text = "~";
  if (!arguments.empty()) text.append(fmt::format("~{:08x}", crc32c(as_bytes(arguments))));
  return text;
}

void write_binding(JsonText& json, const engine::Binding& binding) {
  const auto [host, source] = engine::split_name(binding.source);
  json.begin_object().key("source").string(source).key("vhost").string(host);
  json.key("destination").string(engine::split_name(binding.destination).name);
  json.key("destination_type").string(binding.to_exchange ? "exchange" : "queue");
  json.key("routing_key").string(binding.key);
  write_arguments(json, binding.arguments);
  json.key("properties_key").string(properties_key(binding.key, binding.arguments)).end_object();
}

void write_default_binding(JsonText& json, std::string_view queue) {
  const auto [host, name] = engine::split_name(queue);
  json.begin_object().key("source").string("").key("vhost").string(host);
  json.key("destination").string(name).key("destination_type").string("queue");
  json.key("routing_key").string(name);
  write_arguments(json, {}).key("properties_key").string(name).end_object();
}

void get_bindings(Exchange& exchange) {
  with_queues<on_queues>(exchange, {});
}
void get_bindings_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) with_queues<on_queues>(exchange, *host);
}

void get_bindings_of_queue(Exchange& exchange) {
  const auto name = queue_in_path(exchange);
  if (!name) return;
  answer_list(exchange, exchange.broker().topology().bindings_to(name->scoped, false),
              name->scoped);
}

void get_bindings_from_exchange(Exchange& exchange) {
  const auto name = exchange_in_path(exchange);
  if (!name) return;
  if (name->name.empty()) return with_queues<on_default_queues>(exchange, name->host);
  std::vector<const engine::Binding*> bindings;
  for (const auto& [identity, binding] : exchange.broker().topology().find(name->scoped)->bindings)
    bindings.push_back(binding.get());
  answer_list(exchange, bindings);
}

void get_bindings_to_exchange(Exchange& exchange) {
  const auto name = exchange_in_path(exchange);
  if (name) answer_list(exchange, exchange.broker().topology().bindings_to(name->scoped, true));
}

void get_queue_bindings(Exchange& exchange) {
  list_between(exchange, false);
}
void get_exchange_bindings(Exchange& exchange) {
  list_between(exchange, true);
}
void post_queue_binding(Exchange& exchange) {
  post(exchange, false);
}
void post_exchange_binding(Exchange& exchange) {
  post(exchange, true);
}
void get_queue_binding(Exchange& exchange) {
  get_one(exchange, false);
}
void get_exchange_binding(Exchange& exchange) {
  get_one(exchange, true);
}
void delete_queue_binding(Exchange& exchange) {
  delete_one(exchange, false);
}
void delete_exchange_binding(Exchange& exchange) {
  delete_one(exchange, true);
}

}  // namespace penstock::protocol::http::management
