// Who asks, and whether they may. Every operation of the engine that somebody asks for begins here;
// what the engine does of its own (timers, deliveries, dead letters) is nobody's request.
//
// The rules are RabbitMQ's. Deny unless a pattern of the user's permission allows it:
//
//   configure   declare and delete a queue or an exchange; put, pause, trigger and delete a
//   schedule,
//               which also takes the right to publish to its queue (its fires ask nobody)
//   write       publish to an exchange ("amq.default" is the nameless one) or, by name, to a queue;
//               be the destination of a binding, of dead letters, of what an exchange could not
//               route, or of what is redriven
//   read        take, consume, browse and purge; be the source of a binding, or of dead letters;
//               see what a schedule publishes
#include <fmt/format.h>

#include <algorithm>

#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

constexpr std::string_view kDefaultExchange = QueueOptions::kDefaultExchange;

std::string_view noun_of(Resource resource) {
  switch (resource) {
    case Resource::queue:
      return "queue";
    case Resource::exchange:
      return "exchange";
    case Resource::schedule:
      return "schedule";
  }
  return "";
}

}  // namespace

// ---- who it is

void Engine::admit(SessionId session) {
  principals_[session] = {};
}

Result<void> Engine::log_in(SessionId session, std::string_view name) {
  const auto* user = state_.access.find(name);
  if (user == nullptr)
    return fail(ErrorCode::denied, "there is no such user, or its password is another");
  auto& principal = principals_[session];
  principal.user = user;
  principal.name = user->name;
  return {};
}

void Engine::log_out(Time now, SessionId session) {
  leave(now, session);
  principals_[session] = {};
}

Engine::Acting Engine::act_for(SessionId session) {
  const auto found = principals_.find(session);
  return Acting(*this, found == principals_.end() ? nullptr : &found->second);
}

bool Engine::has_ended(SessionId session) const {
  const auto found = principals_.find(session);
  if (found == principals_.end() || found->second.user != nullptr) return false;
  return !trusts(&found->second);
}

// ---- what is allowed

std::unexpected<Error> Engine::refuse(std::string what) {
  ++denied_;
  if (actor_->user == nullptr)
    return fail(ErrorCode::denied,
                actor_->name.empty() ? "nobody is logged in, and this server has users"
                                     : fmt::format("user '{}' was logged out", actor_->name),
                "log in first");
  return fail(ErrorCode::denied, std::move(what));
}

Result<void> Engine::may_ask() {
  if (trusts_actor() || actor_->user != nullptr) return {};
  return refuse({});
}

Result<void> Engine::may(Right right, Resource resource, std::string_view scoped) {
  if (trusts_actor()) return {};
  auto [host, name] = split_name(scoped);
  if (name.empty()) name = kDefaultExchange;
  const User* user = actor_->user;
  const auto* permission = user == nullptr ? nullptr : user->permission(host);
  if (permission != nullptr && permission->of(right).matches(name)) return {};
  return refuse(fmt::format("access to {} '{}' in vhost '{}' refused for user '{}'",
                            noun_of(resource), name, host, actor_->name));
}

Result<void> Engine::may_enter(std::string_view host) {
  if (trusts_actor()) return {};
  if (actor_->user != nullptr && actor_->user->permission(host) != nullptr) return {};
  return refuse(fmt::format("access to vhost '{}' refused for user '{}'", host, actor_->name));
}

Result<void> Engine::may_as(Role role) {
  if (trusts_actor() || (actor_->user != nullptr && actor_->user->has(role))) return {};
  const auto* known = std::ranges::find(kRoleNames, role, &RoleName::role);
  return refuse(fmt::format("user '{}' has no tag '{}'", actor_->name, known->name));
}

bool Engine::sees(std::string_view host) const {
  if (trusts_actor()) return true;
  const User* user = actor_->user;
  return user != nullptr && (user->has(Role::monitoring) || user->permission(host) != nullptr);
}

Result<void> Engine::may_use_key(Right right, const Exchange& exchange, std::string_view key) {
  if (trusts_actor() || exchange.type != ExchangeType::topic || actor_->user == nullptr) return {};
  const auto [host, name] = split_name(exchange.name);
  const auto& all = actor_->user->topic_permissions;
  const auto found = all.find({std::string(host), std::string(name)});
  if (found == all.end()) return {};
  const auto& pattern = right == Right::write ? found->second.write : found->second.read;
  if (pattern.matches(key)) return {};
  return refuse(
      fmt::format("access to topic '{}' in exchange '{}' in vhost '{}' refused for user '{}'", key,
                  name, host, actor_->name));
}

// ---- the rules that take more than one right

Result<void> Engine::may_publish(std::string_view queue) {
  if (auto may_write = may(Right::write, Resource::queue, queue); !may_write) return may_write;
  // To publish to what is not there declares it.
  if (trusts_actor() || state_.find_queue(queue) != nullptr) return {};
  return may(Right::configure, Resource::queue, queue);
}

Result<void> Engine::may_take(const Take& take, bool declares) {
  if (trusts_actor()) return {};
  for (const auto& queue : take.queues) {
    if (auto may_read = may(Right::read, Resource::queue, queue); !may_read) return may_read;
    if (!declares || state_.find_queue(queue) != nullptr) continue;
    if (auto declare = may(Right::configure, Resource::queue, queue); !declare) return declare;
  }
  return {};
}

// Whoever says where dead letters go, sends them there: nobody is asked when they go. A queue's own
// dead letters, NAME.dead, are part of it.
Result<void> Engine::may_declare(std::string_view queue, const QueueOptions& before,
                                 const QueueOptions& after) {
  if (trusts_actor()) return {};
  const bool by_exchange = !after.dead_letter_exchange.empty() &&
                           after.dead_letter_exchange != before.dead_letter_exchange;
  const bool by_name = !after.dead_letter.empty() && after.dead_letter != "-" &&
                       after.dead_letter != before.dead_letter;
  if (!by_exchange && !by_name) return {};
  if (auto may_read = may(Right::read, Resource::queue, queue); !may_read) return may_read;
  if (by_exchange) {
    const auto exchange = beside(queue, after.dead_letter_exchange);
    if (auto write = may(Right::write, Resource::exchange, exchange); !write) return write;
  }
  if (!by_name) return {};
  return may(Right::write, Resource::queue, beside(queue, after.dead_letter));
}

Result<void> Engine::may_bind(const BindingSpec& spec) {
  if (trusts_actor()) return {};
  const auto kind = spec.to_exchange ? Resource::exchange : Resource::queue;
  if (auto write = may(Right::write, kind, spec.destination); !write) return write;
  if (auto read = may(Right::read, Resource::exchange, spec.source); !read) return read;
  const auto* source = state_.topology.find(spec.source);
  return source == nullptr ? Result<void>{} : may_use_key(Right::read, *source, spec.key);
}

Result<void> Engine::may_route(const RoutedPublish& publish) {
  if (trusts_actor() || publish.dead_letter) return {};
  if (auto write = may(Right::write, Resource::exchange, publish.exchange); !write) return write;
  const auto* exchange = state_.topology.find(publish.exchange);
  if (exchange == nullptr) return {};
  for (const auto key : publish.keys)
    if (auto use = may_use_key(Right::write, *exchange, key); !use) return use;
  return {};
}

// Of a task that nobody knows there is nothing to be told.
Result<void> Engine::may_see_task(MessageId id) {
  if (trusts_actor()) return {};
  const auto* queue = queue_of_task(id);
  if (queue == nullptr) return may_ask();
  if (auto read = may(Right::read, Resource::queue, queue->name); read) return read;
  return may(Right::write, Resource::queue, queue->name);  // who submits learns what came of it
}

const Queue* Engine::queue_of_task(MessageId id) {
  if (const auto result = state_.find_result(id); result != 0)
    return state_.find_queue(state_.results[result].queue);
  if (const auto workflow = state_.workflows.find(id); workflow != 0)
    return state_.find_queue(state_.workflows.workflow(workflow).queue);
  const auto slot = state_.find(id);
  return slot == 0 ? nullptr : &state_.queue_at(state_.messages[slot].queue);
}

}  // namespace penstock::engine
