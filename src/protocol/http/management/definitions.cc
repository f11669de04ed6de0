// Definitions: all that was declared, out as one document, and in again.
//
// What comes in is read as a whole first: nothing of a document that cannot be read is declared.
// Then it is declared in steps, so many at once; the first one that is refused ends it, and what
// was declared before stays, as with RabbitMQ. An administrator's definitions are taken whatever he
// may do in a virtual host himself: he could allow himself everything.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>

#include "base/text.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/binding_row.h"
#include "protocol/http/management/declarations.h"
#include "protocol/http/management/exchange_row.h"
#include "protocol/http/management/fields.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/queue_row.h"
#include "protocol/http/management/user_declarations.h"

namespace penstock::protocol::http::management {
namespace {

constexpr std::size_t kStepsAtOnce = 200;
constexpr std::size_t kDefinitionsBytesMax = 8u << 20;  // read, they take up to 24 times as much
constexpr std::string_view kCompatibleVersion = "3.10.8";

// ---- out

bool in_host(std::string_view scoped, std::string_view host) {
  return host.empty() || engine::split_name(scoped).host == host;
}

void write_queue_definition(JsonText& json, const engine::QueueStatistics& queue, bool with_host) {
  static const engine::QueueOptions kDefaults;
  const auto [host, name] = engine::split_name(queue.name);
  json.begin_object().key("name").string(name);
  if (with_host) json.key("vhost").string(host);
  json.key("durable").boolean(queue.options.durable);
  json.key("auto_delete").boolean(queue.options.auto_delete);
  write_arguments(json, queue.options.arguments);
  json.key("penstock_options").begin_object();
  for (const auto& option : engine::option_fields())
    if (const auto text = option.get(queue.options); text != option.get(kDefaults))
      json.key(option.name).string(text);
  json.end_object().end_object();
}

void write_hosts(JsonText& json, const engine::Topology& topology) {
  json.key("vhosts").begin_array();
  for (const auto& host : topology.hosts())
    json.begin_object().key("name").string(host).end_object();
  json.end_array();
  for (const auto* name : {"parameters", "global_parameters"})
    json.key(name).begin_array().end_array();
}

void write_access(JsonText& json, const engine::Access& access) {
  json.key("users").begin_array();
  for (const auto& [name, user] : access.users()) write_user(json, *user, Hashes::shown);
  json.end_array().key("permissions").begin_array();
  for (const auto& [name, user] : access.users()) write_permissions(json, *user, {});
  json.end_array().key("topic_permissions").begin_array();
  for (const auto& [name, user] : access.users()) write_topic_permissions(json, *user, {});
  json.end_array();
}

void write_topology(JsonText& json, const engine::Topology& topology, std::string_view host) {
  json.key("exchanges").begin_array();
  for (const auto& [name, exchange] : topology.exchanges())
    if (!exchange.predeclared && in_host(name, host)) write_exchange(json, exchange);
  json.end_array().key("bindings").begin_array();
  for (const auto& [name, exchange] : topology.exchanges())
    if (in_host(name, host))
      for (const auto& [identity, binding] : exchange.bindings) write_binding(json, *binding);
  json.end_array();
}

void on_queues(Exchange& exchange, const broker::Queues& queues) {
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error());
  const std::string_view host = exchange.note;
  const auto& topology = exchange.broker().topology();
  JsonText json(exchange.text());
  json.begin_object().key("rabbit_version").string(kCompatibleVersion);
  json.key("rabbitmq_version").string(kCompatibleVersion);
  json.key("product_name").string("Penstock");
  json.key("product_version").string(exchange.service().settings().version);
  if (host.empty()) {
    write_hosts(json, topology);
    write_access(json, **access);
  }
  json.key("policies").begin_array().end_array().key("queues").begin_array();
  for (const auto* queue : queues_of(queues, host))
    if (!queue->options.exclusive) write_queue_definition(json, *queue, host.empty());
  json.end_array();
  write_topology(json, topology, host);
  json.end_object();
  exchange.answer_json_when_durable(200);
}

void export_of(Exchange& exchange, std::string_view host) {
  exchange.note = host;
  const auto tag = exchange.expect<on_queues>();
  exchange.broker().queues(exchange.session().id(), tag);
}

// ---- in

struct Step {
  // Asks the broker, or says at once what is wrong.
  std::function<Result<void>(broker::Broker&, SessionId, broker::Tag)> ask;
};

struct Import final : Exchange::Work {
  std::deque<Step> steps;   // not asked yet
  std::size_t waiting = 0;  // for so many replies
};

// Reads a document; one list after the other, so that what needs another comes behind it.
class Reader {
 public:
  // With `host`, of that one: users are not a part of it.
  Reader(const boost::json::value& document, std::string host, const Passwords* passwords,
         Import& into)
      : fields_(document, "the definitions"),
        host_(std::move(host)),
        passwords_(passwords),
        into_(into) {}

  [[nodiscard]] Result<void> read() {
    if (auto good = host_.empty() ? each("vhosts", &Reader::read_host) : Result<void>(); !good)
      return good;
    if (auto good = each("queues", &Reader::read_queue); !good) return good;
    if (auto good = each("exchanges", &Reader::read_exchange); !good) return good;
    if (auto good = each("bindings", &Reader::read_binding); !good) return good;
    if (auto good = host_.empty() ? read_access() : Result<void>(); !good) return good;
    return fields_.good();
  }

 private:
  // Behind all else: from the first user on, everybody logs in. That one is an administrator.
  [[nodiscard]] Result<void> read_access() {
    if (auto good = each("users", &Reader::read_user); !good) return good;
    std::ranges::stable_partition(users_, &UserDeclaration::is_administrator);
    for (auto& user : users_) add_declaration(std::move(user));
    if (auto good = each("permissions", &Reader::read_permission<PermissionDeclaration>); !good)
      return good;
    return each("topic_permissions", &Reader::read_permission<TopicPermissionDeclaration>);
  }

  using Read = Result<void> (Reader::*)(const boost::json::value&, const std::string& what);

  [[nodiscard]] Result<void> each(std::string_view name, Read one) {
    std::size_t number = 0;
    for (const auto& value : fields_.array(name))
      if (auto good = (this->*one)(value, fmt::format("{} {}", name, ++number)); !good) return good;
    return {};
  }

  // The virtual host that it is in: the document's own, or the one of the path.
  [[nodiscard]] std::string host_of(Fields& fields) const {
    return host_.empty() ? std::string(fields.required_text("vhost")) : host_;
  }
  [[nodiscard]] Result<Name> name_of(Fields& fields, std::string_view field,
                                     std::string_view what) const {
    const auto name = fields.required_text(field);
    const auto host = host_of(fields);
    if (auto good = fields.good(); !good) return fail(good.error());
    auto made = make_name(host, name, what);
    if (!made) return fail(made.error().at(what));
    return made;
  }

  [[nodiscard]] Result<void> read_host(const boost::json::value& value, const std::string& what) {
    Fields fields(value, what);
    const std::string name(fields.required_text("name"));
    if (auto good = fields.good(); !good) return good;
    if (auto valid = valid_name(name, what); !valid) return valid;
    add([name](broker::Broker& broker, SessionId session, broker::Tag tag) -> Result<void> {
      broker.declare_host(session, tag, name);
      return {};
    });
    return {};
  }
  [[nodiscard]] Result<void> read_queue(const boost::json::value& value, const std::string& what) {
    Fields fields(value, what);
    const auto name = name_of(fields, "name", what);
    if (!name) return fail(name.error());
    auto queue = QueueDeclaration::read(*name, value, what);
    if (!queue) return fail(queue.error());
    add([queue = std::move(*queue)](broker::Broker& broker, SessionId session,
                                    broker::Tag tag) -> Result<void> {
      queue.declare(broker, session, tag);
      return {};
    });
    return {};
  }
  [[nodiscard]] Result<void> read_exchange(const boost::json::value& value,
                                           const std::string& what) {
    Fields fields(value, what);
    const auto name = name_of(fields, "name", what);
    if (!name) return fail(name.error());
    auto exchange = ExchangeDeclaration::read(*name, value, what);
    if (!exchange) return fail(exchange.error());
    add([exchange = std::move(*exchange)](broker::Broker& broker, SessionId session,
                                          broker::Tag tag) -> Result<void> {
      exchange.declare(broker, session, tag);
      return {};
    });
    return {};
  }
  [[nodiscard]] Result<void> read_binding(const boost::json::value& value,
                                          const std::string& what) {
    Fields fields(value, what);
    if (fields.text("source", "?").empty()) return {};  // the default one is there anyway
    const auto source = name_of(fields, "source", what);
    if (!source) return fail(source.error());
    const auto destination = name_of(fields, "destination", what);
    if (!destination) return fail(destination.error());
    const auto type = fields.text("destination_type", "queue");
    if (type != "queue" && type != "exchange")
      return fail(ErrorCode::invalid, fmt::format("{}: destination_type {} is neither queue nor "
                                                  "exchange",
                                                  what, quoted(type)));
    auto binding = BindingDeclaration::read(*source, *destination, type == "exchange", value, what);
    if (!binding) return fail(binding.error());
    add([binding = std::move(*binding)](broker::Broker& broker, SessionId session,
                                        broker::Tag tag) {
      return binding.bind(broker, session, tag);
    });
    return {};
  }

  [[nodiscard]] Result<void> read_user(const boost::json::value& value, const std::string& what) {
    auto user = UserDeclaration::read(value, what, passwords_);
    if (!user) return fail(std::move(user.error()));
    users_.push_back(std::move(*user));
    return {};
  }
  template <class Declaration>
  [[nodiscard]] Result<void> read_permission(const boost::json::value& value,
                                             const std::string& what) {
    Fields fields(value, what);
    std::string user(fields.required_text("user")), host(fields.required_text("vhost"));
    if (auto good = fields.good(); !good) return good;
    auto permission = Declaration::read(std::move(user), std::move(host), value, what);
    if (!permission) return fail(std::move(permission.error()));
    add_declaration(std::move(*permission));
    return {};
  }

  template <class Declaration>
  void add_declaration(Declaration one) {
    add([one = std::move(one)](broker::Broker& broker, SessionId session,
                               broker::Tag tag) -> Result<void> {
      one.declare(broker, session, tag);
      return {};
    });
  }
  void add(decltype(Step::ask) ask) { into_.steps.push_back({std::move(ask)}); }

  Fields fields_;
  std::string host_;
  const Passwords* passwords_;
  std::vector<UserDeclaration> users_;
  Import& into_;
};

void on_step(Exchange& exchange, const broker::Reply& reply);

void take_steps(Exchange& exchange) {
  auto& import = static_cast<Import&>(*exchange.work);
  while (!import.steps.empty() && import.waiting < kStepsAtOnce) {
    const auto step = std::move(import.steps.front());
    import.steps.pop_front();
    const auto tag = exchange.expect_each(on_step);
    auto asked = step.ask(exchange.broker(), exchange.session().id(), tag);
    if (!asked) return answer_when_durable(exchange, asked.error());
    ++import.waiting;
  }
  if (import.waiting == 0) exchange.answer_nothing(204);
}

void on_step(Exchange& exchange, const broker::Reply&) {
  auto& import = static_cast<Import&>(*exchange.work);
  if (--import.waiting == 0) take_steps(exchange);
}

void import_into(Exchange& exchange, const std::string& host) {
  auto import = std::make_unique<Import>();
  {
    const auto document = wire::json::parse(exchange.body(), {.max_bytes = kDefinitionsBytesMax});
    if (!document) return exchange.answer_error(document.error());
    const auto* passwords = exchange.service().settings().passwords;
    if (auto read = Reader(*document, host, passwords, *import).read(); !read)
      return exchange.answer_error(read.error());
  }
  exchange.work = std::move(import);
  exchange.act_as_server();
  take_steps(exchange);
}

}  // namespace

void get_definitions(Exchange& exchange) {
  export_of(exchange, {});
}
void get_definitions_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) export_of(exchange, *host);
}
void post_definitions(Exchange& exchange) {
  import_into(exchange, {});
}
void post_definitions_of_host(Exchange& exchange) {
  if (const auto host = host_in_path(exchange)) import_into(exchange, *host);
}

}  // namespace penstock::protocol::http::management
