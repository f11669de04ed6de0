#include "engine/topology.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/siphash.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

struct Predeclared {
  std::string_view name;
  ExchangeType type;
  bool internal;
};
constexpr Predeclared kPredeclared[] = {
    {"amq.direct", ExchangeType::direct, false}, {"amq.fanout", ExchangeType::fanout, false},
    {"amq.topic", ExchangeType::topic, false},   {"amq.headers", ExchangeType::headers, false},
    {"amq.match", ExchangeType::headers, false}, {"amq.rabbitmq.trace", ExchangeType::topic, true},
};

std::string identity_of(const BindingSpec& spec) {
  Bytes bytes;
  Encoder(bytes)
      .integer(static_cast<std::uint8_t>(spec.to_exchange))
      .text(spec.destination)
      .text(spec.key)
      .text(spec.arguments);
  return std::string(as_text(bytes));
}

std::string place_of(std::string_view destination, bool exchange) {
  return (exchange ? "e" : "q") + std::string(destination);
}

bool matches_headers(const Binding& binding, const Topology::Message& message) {
  const auto holds = [&](const MatchField& field) {
    const auto value = message.fields == nullptr
                           ? std::nullopt
                           : message.fields->field(message.headers, field.name);
    return value && (field.any_value || *value == field.value);
  };
  return binding.match == HeaderMatch::any ? std::ranges::any_of(binding.fields, holds)
                                           : std::ranges::all_of(binding.fields, holds);
}

// Rendezvous hashing: of all bindings the one whose hash with the key, by its weight, is the
// highest. A binding that goes moves only its own messages.
const Binding* hashed(const Exchange& exchange, std::string_view key) {
  const Binding* best = nullptr;
  double best_score = 0;
  for (const auto& [identity, binding] : exchange.bindings) {
    double weight = 1;
    (void)std::from_chars(binding->key.data(), binding->key.data() + binding->key.size(), weight);
    if (!(weight > 0)) continue;
    const auto place = place_of(binding->destination, binding->to_exchange);
    const auto hash = siphash(siphash(0x5eed, 1, as_bytes(place)), 2, as_bytes(key));
    const double unit = (static_cast<double>(hash >> 11) + 0.5) / 9007199254740992.0;
    const double score = -weight / std::log(unit);
    if (best == nullptr || score > best_score) best = binding.get(), best_score = score;
  }
  return best;
}

}  // namespace

std::string_view name_of(ExchangeType type) {
  switch (type) {
    case ExchangeType::direct:
      return "direct";
    case ExchangeType::fanout:
      return "fanout";
    case ExchangeType::topic:
      return "topic";
    case ExchangeType::headers:
      return "headers";
    case ExchangeType::consistent_hash:
      return "x-consistent-hash";
  }
  return "";
}

Topology::Topology() {
  set_host(kDefaultHost);
}

void Topology::set_host(std::string_view name) {
  if (!hosts_.emplace(name).second) return;
  for (const auto& [exchange, type, internal] : kPredeclared) {
    const auto scoped = scoped_name(name, exchange);
    ExchangeSpec spec;
    spec.name = scoped;
    spec.type = type;
    spec.internal = internal;
    set_exchange(spec);
    exchanges_.find(scoped)->second.predeclared = true;
  }
}

void Topology::remove_host(std::string_view name) {
  if (name == kDefaultHost || hosts_.erase(std::string(name)) == 0) return;
  std::vector<std::string> gone;
  for (const auto& [exchange, value] : exchanges_)
    if (split_name(exchange).host == name) gone.push_back(exchange);
  for (const auto& exchange : gone) remove_exchange(exchange);
}

void Topology::set_exchange(const ExchangeSpec& spec) {
  auto [at, added] = exchanges_.try_emplace(std::string(spec.name));
  Exchange& exchange = at->second;
  if (!added) return;
  ++version_;
  exchange.name = spec.name;
  exchange.type = spec.type;
  exchange.durable = spec.durable;
  exchange.auto_delete = spec.auto_delete;
  exchange.internal = spec.internal;
  exchange.delayed = spec.delayed;
  exchange.alternate = spec.alternate;
  exchange.hash_on = spec.hash_on;
  exchange.arguments = spec.arguments;
}

void Topology::remove_exchange(std::string_view name) {
  const auto found = exchanges_.find(name);
  if (found == exchanges_.end()) return;
  ++version_;
  const std::string own(name);  // the caller's view may point into what goes
  forget_destination(own, true);
  const auto self = exchanges_.find(own);
  if (self == exchanges_.end()) return;  // a circle of exchanges that go with their last binding
  while (!self->second.bindings.empty())
    take_out(self->second, std::string(self->second.bindings.begin()->first));
  if (self->second.durable) gone_.push_back(own);
  exchanges_.erase(self);
}

const Exchange* Topology::find(std::string_view name) const {
  const auto found = exchanges_.find(name);
  return found == exchanges_.end() ? nullptr : &found->second;
}

const Binding* Topology::find(const BindingSpec& spec) const {
  const Exchange* exchange = find(spec.source);
  if (exchange == nullptr) return nullptr;
  const auto found = exchange->bindings.find(identity_of(spec));
  return found == exchange->bindings.end() ? nullptr : found->second.get();
}

bool Topology::bind(const BindingSpec& spec) {
  const auto found = exchanges_.find(spec.source);
  if (found == exchanges_.end()) return false;
  Exchange& exchange = found->second;
  auto& binding = exchange.bindings[identity_of(spec)];
  if (binding) return true;
  ++version_;
  binding = std::make_unique<Binding>();
  binding->source = spec.source;
  binding->destination = spec.destination;
  binding->key = spec.key;
  binding->arguments = spec.arguments;
  binding->to_exchange = spec.to_exchange;
  binding->match = spec.match;
  binding->fields.assign(spec.fields.begin(), spec.fields.end());
  destinations_[place_of(spec.destination, spec.to_exchange)].insert(binding.get());
  if (exchange.type == ExchangeType::direct) exchange.by_key.emplace(spec.key, binding.get());
  if (exchange.type == ExchangeType::topic) exchange.patterns.add(spec.key, binding.get());
  return true;
}

std::unique_ptr<Binding> Topology::take_out(Exchange& exchange, std::string_view identity) {
  const auto found = exchange.bindings.find(identity);
  if (found == exchange.bindings.end()) return nullptr;
  ++version_;
  auto binding = std::move(found->second);
  exchange.bindings.erase(found);
  const auto place = destinations_.find(place_of(binding->destination, binding->to_exchange));
  place->second.erase(binding.get());
  if (place->second.empty()) destinations_.erase(place);
  if (exchange.type == ExchangeType::topic) exchange.patterns.remove(binding->key, binding.get());
  if (exchange.type == ExchangeType::direct) {
    const auto [begin, end] = exchange.by_key.equal_range(binding->key);
    exchange.by_key.erase(
        std::find_if(begin, end, [&](const auto& entry) { return entry.second == binding.get(); }));
  }
  return binding;
}

bool Topology::unbind(const BindingSpec& spec) {
  const auto found = exchanges_.find(spec.source);
  if (found == exchanges_.end() || !take_out(found->second, identity_of(spec))) return false;
  end_if_unused(std::string(spec.source));
  return true;
}

void Topology::end_if_unused(std::string_view exchange) {
  const auto found = exchanges_.find(exchange);
  if (found != exchanges_.end() && found->second.auto_delete && found->second.bindings.empty())
    remove_exchange(exchange);
}

void Topology::forget_queue(std::string_view name) {
  forget_destination(name, false);
}

// Looks anew each time: an exchange that goes with its last binding takes others with it.
void Topology::forget_destination(std::string_view name, bool exchange) {
  const auto place = place_of(name, exchange);
  for (auto found = destinations_.find(place); found != destinations_.end();
       found = destinations_.find(place)) {
    const Binding& binding = **found->second.begin();
    const auto source = binding.source;
    take_out(exchanges_.find(source)->second, identity_of(binding.spec()));
    end_if_unused(source);
  }
}

std::vector<const Binding*> Topology::bindings_to(std::string_view destination,
                                                  bool exchange) const {
  const auto found = destinations_.find(place_of(destination, exchange));
  if (found == destinations_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<const Binding*> Topology::matches(const Exchange& exchange, const Message& message,
                                              bool& by_keys) const {
  std::vector<const Binding*> found;
  switch (exchange.type) {
    case ExchangeType::direct:
      for (const auto key : message.keys) {
        const auto [begin, end] = exchange.by_key.equal_range(key);
        for (auto at = begin; at != end; ++at) found.push_back(at->second);
      }
      break;
    case ExchangeType::fanout:
      for (const auto& [identity, binding] : exchange.bindings) found.push_back(binding.get());
      break;
    case ExchangeType::topic:
      for (const auto key : message.keys) exchange.patterns.match(key, found);
      break;
    case ExchangeType::headers:
      by_keys = false;
      for (const auto& [identity, binding] : exchange.bindings)
        if (matches_headers(*binding, message)) found.push_back(binding.get());
      break;
    case ExchangeType::consistent_hash: {
      std::string hashed_text(message.keys.empty() ? std::string_view() : message.keys.front());
      if (!exchange.hash_on.empty()) {
        by_keys = false;
        hashed_text = message.fields == nullptr
                          ? std::string()
                          : message.fields->field(message.headers, exchange.hash_on).value_or("");
      }
      if (const auto* binding = hashed(exchange, hashed_text)) found.push_back(binding);
      break;
    }
  }
  return found;
}

bool Topology::resolve(const Exchange& exchange, const Message& message,
                       std::vector<std::string_view>& queues) const {
  bool by_keys = true;
  const auto first = queues.size();
  std::vector<const Exchange*> exchanges{&exchange};  // seen, each once: bindings may form circles
  const auto visit = [&](std::string_view name) {
    const auto* next = find(name);
    if (next != nullptr && std::ranges::find(exchanges, next) == exchanges.end())
      exchanges.push_back(next);
  };
  for (std::size_t at = 0; at < exchanges.size(); ++at) {
    const auto found = matches(*exchanges[at], message, by_keys);
    if (found.empty() && !exchanges[at]->alternate.empty()) visit(exchanges[at]->alternate);
    for (const auto* binding : found) {
      if (binding->to_exchange)
        visit(binding->destination);
      else
        queues.push_back(binding->destination);
    }
  }
  const auto added = queues.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(added, queues.end());
  queues.erase(std::unique(added, queues.end()), queues.end());
  return by_keys;
}

}  // namespace penstock::engine
