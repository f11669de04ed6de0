// Virtual hosts, exchanges and bindings as they are declared, and the way of a routed message.
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kExchangesMax = 100'000;
constexpr std::size_t kBindingsOfExchangeMax = 1'000'000;
constexpr std::size_t kHostsMax = 10'000;
constexpr std::size_t kRoutesKept = 10'000;
constexpr std::string_view kReserved = "amq.";

std::string shown(std::string_view scoped) {
  const auto [host, name] = split_name(scoped);
  return fmt::format("'{}' in vhost '{}'", name, host);
}

std::unexpected<Error> no_exchange(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("no exchange {}", shown(name)));
}

std::string_view text_of(bool value) {
  return value ? "true" : "false";
}

// The first property in which a declare differs from what is there.
Result<void> equivalent(const Exchange& known, const ExchangeSpec& wanted) {
  const auto differs = [&](std::string_view what, std::string_view given, std::string_view is) {
    return fail(ErrorCode::conflict,
                fmt::format("inequivalent arg '{}' for exchange {}: received '{}' but current is "
                            "'{}'",
                            what, shown(known.name), given, is));
  };
  if (known.type != wanted.type || known.delayed != wanted.delayed)
    return differs("type", name_of(wanted.type), name_of(known.type));
  if (known.durable != wanted.durable)
    return differs("durable", text_of(wanted.durable), text_of(known.durable));
  if (known.auto_delete != wanted.auto_delete)
    return differs("auto_delete", text_of(wanted.auto_delete), text_of(known.auto_delete));
  if (known.internal != wanted.internal)
    return differs("internal", text_of(wanted.internal), text_of(known.internal));
  if (known.alternate != wanted.alternate)
    return differs("alternate-exchange", split_name(wanted.alternate).name,
                   split_name(known.alternate).name);
  return {};
}

}  // namespace

// ---- virtual hosts

Result<bool> Engine::declare_host(std::string_view name) {
  if (auto allowed = may_as(Role::administrator); !allowed) return fail(allowed.error());
  if (auto valid = valid_name(name, "virtual host"); !valid) return fail(valid.error());
  if (state_.topology.hosts().contains(name)) return false;
  if (state_.topology.hosts().size() >= kHostsMax)
    return fail(ErrorCode::too_large, fmt::format("there are {} virtual hosts already", kHostsMax));
  const HostSetEvent event{name};
  write(event);
  state_.apply(event);
  return true;
}

Result<void> Engine::remove_host(Time now, std::string_view name) {
  if (auto allowed = may_as(Role::administrator); !allowed) return allowed;
  if (!state_.topology.hosts().contains(name))
    return fail(ErrorCode::not_found, fmt::format("no virtual host {}", quoted(name)));
  if (name == kDefaultHost)
    return fail(ErrorCode::denied, "the virtual host '/' cannot be deleted");
  for (std::size_t slot = 0; slot < state_.queues.size(); ++slot)
    if (state_.queues[slot] && split_name(state_.queues[slot]->name).host == name)
      remove_queue(now, *state_.queues[slot]);
  const HostGoneEvent event{name};
  write(event);
  state_.apply(event);
  (void)state_.topology.take_gone();  // the event says it
  return {};
}

// ---- exchanges

// Whoever declares it says where goes what it cannot route: nobody is asked when it goes there.
Result<void> Engine::may_declare(const ExchangeSpec& spec) {
  if (auto allowed = may(Right::configure, Resource::exchange, spec.name); !allowed) return allowed;
  if (spec.alternate.empty() || state_.topology.find(spec.name) != nullptr) return {};
  if (auto read = may(Right::read, Resource::exchange, spec.name); !read) return read;
  return may(Right::write, Resource::exchange, spec.alternate);
}

Result<bool> Engine::declare_exchange(const ExchangeSpec& spec) {
  if (auto allowed = may_declare(spec); !allowed) return fail(allowed.error());
  if (auto valid = valid_scoped_name(spec.name, "exchange name"); !valid)
    return fail(valid.error());
  if (const auto* known = state_.topology.find(spec.name)) {
    if (auto same = equivalent(*known, spec); !same) return fail(same.error());
    return false;
  }
  const auto [host, name] = split_name(spec.name);
  if (!state_.topology.hosts().contains(host))
    return fail(ErrorCode::not_found, fmt::format("no virtual host {}", quoted(host)));
  if (name.starts_with(kReserved))
    return fail(ErrorCode::denied,
                fmt::format("exchange name '{}' contains reserved prefix 'amq.*'", name));
  if (state_.topology.exchanges().size() >= kExchangesMax)
    return fail(ErrorCode::too_large, fmt::format("there are {} exchanges already", kExchangesMax));
  const ExchangeSetEvent event{spec};
  if (spec.durable) write(event);
  state_.apply(event);
  return true;
}

Result<void> Engine::remove_exchange(std::string_view name, bool if_unused) {
  if (auto allowed = may(Right::configure, Resource::exchange, name); !allowed) return allowed;
  const auto* exchange = state_.topology.find(name);
  if (exchange == nullptr) return {};  // as if it had been deleted a moment ago
  if (exchange->predeclared)
    return fail(ErrorCode::denied, fmt::format("exchange {} cannot be deleted", shown(name)));
  if (if_unused && !exchange->bindings.empty())
    return fail(ErrorCode::conflict, fmt::format("exchange {} in use", shown(name)));
  state_.apply(ExchangeGoneEvent{name});
  write_gone_exchanges();
  return {};
}

// An exchange may go with something that is not written: its last binding, to a queue in memory.
void Engine::write_gone_exchanges() {
  for (const auto& name : state_.topology.take_gone()) write(ExchangeGoneEvent{name});
}

// ---- bindings

Result<void> Engine::check_ends(SessionId session, const BindingSpec& spec) {
  if (auto allowed = may_bind(spec); !allowed) return allowed;
  const auto* source = state_.topology.find(spec.source);
  if (source == nullptr) return no_exchange(spec.source);
  if (spec.to_exchange) {
    if (state_.topology.find(spec.destination) == nullptr) return no_exchange(spec.destination);
  } else if (auto queue = usable_queue(session, spec.destination); !queue) {
    return fail(queue.error());
  }
  if (source->bindings.size() >= kBindingsOfExchangeMax)
    return fail(ErrorCode::too_large, fmt::format("exchange {} has {} bindings already",
                                                  shown(spec.source), kBindingsOfExchangeMax));
  return {};
}

Result<void> Engine::bind(SessionId session, const BindingSpec& spec) {
  if (auto good = check_ends(session, spec); !good) return good;
  if (state_.topology.find(spec) != nullptr) return {};
  const BoundEvent event{spec, {}};
  state_.apply(event);
  if (state_.is_durable(*state_.topology.find(spec))) write(event);
  return {};
}

Result<void> Engine::unbind(SessionId session, const BindingSpec& spec) {
  if (auto good = check_ends(session, spec); !good) return good;
  const auto* binding = state_.topology.find(spec);
  if (binding == nullptr) return {};
  const UnboundEvent event{spec};
  if (state_.is_durable(*binding)) write(event);
  state_.apply(event);
  write_gone_exchanges();
  return {};
}

// ---- routing

Result<std::span<const std::string_view>> Engine::route(const RoutedPublish& publish) {
  if (auto allowed = may_route(publish); !allowed) return fail(allowed.error());
  targets_.clear();
  const auto [host, name] = split_name(publish.exchange);
  if (name.empty()) {
    for (const auto key : publish.keys) {
      if (key.find(kHostSeparator) != std::string_view::npos) continue;  // of another virtual host
      const auto* queue =
          host == kDefaultHost ? state_.find_queue(key) : state_.find_queue(scoped_name(host, key));
      if (queue == nullptr) continue;
      if (std::ranges::find(targets_, std::string_view(queue->name)) == targets_.end())
        targets_.push_back(queue->name);
    }
    return targets_;
  }
  if (routes_version_ != state_.topology.version()) {
    routes_.clear();
    routes_version_ = state_.topology.version();
  }
  const bool single = publish.keys.size() == 1 && !publish.dead_letter;
  if (single) {
    route_key_.assign(publish.exchange).append(1, '\0').append(publish.keys.front());
    if (const auto known = routes_.find(route_key_); known != routes_.end()) return known->second;
  }
  const auto* exchange = state_.topology.find(publish.exchange);
  if (exchange == nullptr) return no_exchange(publish.exchange);
  if (exchange->internal && !publish.dead_letter)
    return fail(ErrorCode::denied,
                fmt::format("cannot publish to internal exchange {}", shown(publish.exchange)));
  const Topology::Message message{publish.keys, publish.message.headers, options_.fields};
  const bool by_keys = state_.topology.resolve(*exchange, message, targets_);
  if (single && by_keys) {
    if (routes_.size() >= kRoutesKept) routes_.clear();
    routes_.emplace(route_key_, targets_);
  }
  return targets_;
}

}  // namespace penstock::engine
