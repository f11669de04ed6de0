#include "protocol/http/management/declarations.h"

#include <fmt/format.h>

#include "protocol/http/management/fields.h"
#include "wire/amqp/table_json.h"

namespace penstock::protocol::http::management {
namespace {

using wire::amqp::TableView;

// Appends the field "arguments" as a table.
Result<void> read_arguments(Fields& fields, std::string_view what, std::string& table) {
  auto good = wire::amqp::table_from_json(fields.object("arguments"), table);
  if (!good) return fail(good.error().at(fmt::format("{}: arguments", what)));
  return {};
}

TableView view_of(const std::string& table) {
  return TableView::trusted(as_bytes(table));
}

// Options of Penstock's own that the definitions carry: nothing else says all of a queue that
// another protocol declared.
Result<amqp::OptionList> read_options(const boost::json::object& object, std::string_view what) {
  amqp::OptionList options;
  engine::QueueOptions trial;
  for (const auto& [key, value] : object) {
    const auto* text = value.if_string();
    const std::string name(key.data(), key.size());
    if (text == nullptr)
      return fail(ErrorCode::invalid, fmt::format("{}: option {} is no string", what, name));
    options.emplace_back(name, std::string(text->data(), text->size()));
    if (auto set = engine::set_option(trial, name, options.back().second); !set)
      return fail(set.error().at(what));
  }
  return options;
}

}  // namespace

Error error_of(const amqp::Fault& fault) {
  using wire::amqp::ReplyCode;
  const auto code = fault.code == ReplyCode::not_found        ? ErrorCode::not_found
                    : fault.code == ReplyCode::access_refused ? ErrorCode::denied
                                                              : ErrorCode::invalid;
  return Error{code, fault.text, {}};
}

// ---- queues

Result<QueueDeclaration> QueueDeclaration::read(const Name& name, const boost::json::value& value,
                                                std::string what) {
  Fields fields(value, what);
  wire::amqp::QueueDeclare declare;
  declare.queue = name.name;
  declare.durable = fields.flag("durable", false);
  declare.auto_delete = fields.flag("auto_delete", false);
  std::string table;
  if (auto good = read_arguments(fields, what, table); !good) return fail(good.error());
  declare.arguments = view_of(table);
  const auto& own = fields.object("penstock_options");
  if (auto good = fields.good(); !good) return fail(good.error());
  QueueDeclaration queue;
  queue.name_ = name;
  if (!own.empty()) {
    auto options = read_options(own, what);
    if (!options) return fail(options.error());
    queue.options_ = std::move(*options);
    return queue;
  }
  auto options = amqp::queue_options(declare, name.host);
  if (!options) return fail(error_of(options.error()));
  queue.options_ = std::move(*options);
  return queue;
}

void QueueDeclaration::declare(broker::Broker& broker, SessionId session, broker::Tag tag) const {
  const std::vector<std::pair<std::string_view, std::string_view>> views(options_.begin(),
                                                                         options_.end());
  broker.declare_same(session, tag, name_.scoped, views);
}

// ---- exchanges

Result<ExchangeDeclaration> ExchangeDeclaration::read(const Name& name,
                                                      const boost::json::value& value,
                                                      std::string what) {
  Fields fields(value, what);
  ExchangeDeclaration exchange;
  exchange.name_ = name;
  const auto type = fields.text("type", "direct");
  exchange.durable_ = fields.flag("durable", false);
  exchange.auto_delete_ = fields.flag("auto_delete", false);
  exchange.internal_ = fields.flag("internal", false);
  std::string table;
  if (auto good = read_arguments(fields, what, table); !good) return fail(good.error());
  if (auto good = fields.good(); !good) return fail(good.error());
  auto arguments = amqp::exchange_arguments(type, view_of(table), name.host);
  if (!arguments) return fail(error_of(arguments.error()));
  exchange.arguments_ = std::move(*arguments);
  return exchange;
}

void ExchangeDeclaration::declare(broker::Broker& broker, SessionId session,
                                  broker::Tag tag) const {
  broker.declare_exchange(session, tag,
                          {.name = name_.scoped,
                           .type = arguments_.type,
                           .durable = durable_,
                           .auto_delete = auto_delete_,
                           .internal = internal_,
                           .delayed = arguments_.delayed,
                           .alternate = arguments_.alternate,
                           .hash_on = arguments_.hash_on,
                           .arguments = arguments_.json});
}

// ---- bindings

Result<BindingDeclaration> BindingDeclaration::read(const Name& source, const Name& destination,
                                                    bool to_exchange,
                                                    const boost::json::value& value,
                                                    std::string what) {
  Fields fields(value, what);
  BindingDeclaration binding;
  binding.source_ = source;
  binding.destination_ = destination;
  binding.to_exchange_ = to_exchange;
  binding.key_ = fields.text("routing_key");
  if (auto good = read_arguments(fields, what, binding.arguments_); !good)
    return fail(good.error());
  if (binding.key_.size() > 255)
    return fail(ErrorCode::invalid, fmt::format("{}: routing_key is longer than 255 bytes", what));
  if (auto good = fields.good(); !good) return fail(good.error());
  return binding;
}

std::string BindingDeclaration::arguments_json() const {
  return amqp::canonical_json(view_of(arguments_));
}

Result<void> BindingDeclaration::bind(broker::Broker& broker, SessionId session,
                                      broker::Tag tag) const {
  if (source_.name.empty() || (to_exchange_ && destination_.name.empty()))
    return fail(ErrorCode::denied, "operation not permitted on the default exchange");
  const auto* source = broker.topology().find(source_.scoped);
  if (source == nullptr)
    return fail(ErrorCode::not_found,
                fmt::format("no exchange '{}' in vhost '{}'", source_.name, source_.host));
  const auto arguments = amqp::binding_arguments(source->type, key_, view_of(arguments_));
  if (!arguments) return fail(error_of(arguments.error()));
  broker.bind(session, tag,
              {.source = source_.scoped,
               .to_exchange = to_exchange_,
               .destination = destination_.scoped,
               .key = key_,
               .match = arguments->match,
               .fields = arguments->fields,
               .arguments = arguments->json});
  return {};
}

}  // namespace penstock::protocol::http::management
