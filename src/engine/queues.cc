// Queues as things: declared, changed live, emptied, looked at.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

std::unexpected<Error> no_queue(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("there is no queue {}", quoted(name)),
              "declare it, or publish to it: that creates it with the defaults");
}

}  // namespace

Result<bool> Engine::declare(Time now, std::string_view name, OptionPatch patch, SessionId owner) {
  if (auto allowed = may(Right::configure, Resource::queue, name); !allowed)
    return fail(allowed.error());
  return declare_unasked(now, name, patch, owner);
}

// The engine's own needs no right; where dead letters go is somebody's wish in any case.
Result<bool> Engine::declare_unasked(Time now, std::string_view name, OptionPatch patch,
                                     SessionId owner) {
  if (auto valid = valid_scoped_name(name, "queue name"); !valid) return fail(valid.error());
  Queue* known = state_.find_queue(name);
  if (known != nullptr)
    if (auto usable = usable_queue(owner, name); !usable) return fail(usable.error());
  if (known == nullptr) {
    if (state_.queue_count() >= options_.max_queues)
      return fail(
          ErrorCode::too_large,
          fmt::format("{} queues exist, which is the limit", state_.queue_count()),
          "delete queues that are not needed, or raise max_queues in the server's settings");
    if (const auto host = split_name(name).host; !state_.topology.hosts().contains(host))
      return fail(ErrorCode::not_found, fmt::format("there is no virtual host {}", quoted(host)));
  }
  QueueSetEvent event;
  event.name = name;
  if (known != nullptr) event.options = known->options;
  for (const auto& [option, value] : patch)
    if (auto set = set_option(event.options, option, value); !set) return fail(set.error());
  const QueueOptions defaults;
  if (auto allowed = may_declare(name, known != nullptr ? known->options : defaults, event.options);
      !allowed)
    return fail(allowed.error());
  if (event.options.dead_letter == split_name(name).name)
    return fail(ErrorCode::invalid,
                fmt::format("queue {} cannot be its own dead-letter queue", name));
  if (known != nullptr && !known->options.same_kind(event.options))
    return fail(ErrorCode::conflict,
                fmt::format("queue {} exists: whether it is durable or exclusive was decided then",
                            quoted(name)),
                "delete it first");
  if (event.options.exclusive && (!owner || event.options.durable))
    return fail(ErrorCode::invalid,
                "an exclusive queue is declared by an AMQP connection, and is never durable");
  if (known != nullptr && known->options == event.options) return touch(now, *known), false;
  const bool transient = !event.options.durable;
  event.id = known != nullptr
                 ? known->id
                 : QueueId(transient ? state_.next_transient_queue : state_.next_queue);
  if (!transient) write(event);
  state_.apply(event);
  Queue& queue = *state_.find_queue(name);
  touch(now, queue);
  if (known != nullptr) return false;
  if (event.options.exclusive) {
    queue.owner = owner;
    exclusive_queues_[owner].push_back(queue.id);
  }
  happened(now, "queue_created", queue, {}, "");
  return true;
}

Result<void> Engine::change(Time now, std::string_view name, OptionPatch patch, SessionId session) {
  if (auto known = shown_queue(name); !known) return fail(known.error());
  if (auto changed = declare(now, name, patch, session); !changed) return fail(changed.error());
  return {};
}

Result<bool> Engine::declare_same(Time now, std::string_view name, OptionPatch patch,
                                  SessionId owner) {
  const Queue* known = state_.find_queue(name);
  if (known == nullptr) return declare(now, name, patch, owner);
  if (auto allowed = may(Right::configure, Resource::queue, name); !allowed)
    return fail(allowed.error());
  auto usable = usable_queue(owner, name);
  if (!usable) return fail(usable.error());
  QueueOptions wanted;
  for (const auto& [option, value] : patch)
    if (auto set = set_option(wanted, option, value); !set) return fail(set.error());
  const auto& current = known->options;
  const auto differs = [&](std::string_view what, auto given, auto is) {
    return fail(ErrorCode::conflict,
                fmt::format("inequivalent arg '{}' for queue '{}' in vhost '{}': received '{}' but "
                            "current is '{}'",
                            what, split_name(name).name, split_name(name).host, given, is));
  };
  if (wanted.durable != current.durable && !(wanted.exclusive && current.exclusive))
    return differs("durable", wanted.durable, current.durable);
  if (wanted.exclusive != current.exclusive)
    return differs("exclusive", wanted.exclusive, current.exclusive);
  if (wanted.auto_delete != current.auto_delete)
    return differs("auto_delete", wanted.auto_delete, current.auto_delete);
  if (wanted.arguments != current.arguments)
    return differs("arguments", wanted.arguments, current.arguments);
  touch(now, **usable);
  return false;
}

// Of whoever has it for himself: nobody else's.
Result<Queue*> Engine::usable_queue(SessionId session, std::string_view name) {
  Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  if (queue->owner && queue->owner != session)
    return fail(ErrorCode::locked,
                fmt::format("cannot obtain exclusive access to locked queue '{}' in vhost '{}'",
                            split_name(name).name, split_name(name).host),
                "only the connection that declared it may use it");
  return queue;
}

// It is used: the time until it expires begins anew.
void Engine::touch(Time now, Queue& queue) {
  queue.used_at = now;
  if (queue.options.expires.count() == 0 || queue.expiry_timer != 0) return;
  queue.expiry_timer =
      state_.wheel.set(now + queue.options.expires, TimerKind::queue_expires, queue.id.value);
}

void Engine::expire_queue(Time now, Queue& queue) {
  if (queue.options.expires.count() == 0) return;
  if (!queue.consumers.empty() || !queue.waiting.empty()) return touch(now, queue);
  const auto due = queue.used_at + queue.options.expires;
  if (due <= now) return remove_queue(now, queue);
  queue.expiry_timer = state_.wheel.set(due, TimerKind::queue_expires, queue.id.value);
}

Result<std::uint64_t> Engine::remove(Time now, std::string_view name, SessionId session,
                                     RemoveIf condition) {
  if (auto allowed = may(Right::configure, Resource::queue, name); !allowed)
    return fail(allowed.error());
  auto queue = usable_queue(session, name);
  if (!queue) return fail(queue.error());
  const auto shown =
      fmt::format("queue '{}' in vhost '{}'", split_name(name).name, split_name(name).host);
  if (condition.unused && !(*queue)->consumers.empty())
    return fail(ErrorCode::conflict, shown + " in use");
  if (condition.empty && (*queue)->length() != 0)
    return fail(ErrorCode::conflict, shown + " is not empty");
  const auto count = (*queue)->length();
  remove_queue(now, **queue);
  return count;
}

void Engine::remove_queue(Time now, Queue& queue) {
  // Whoever waits for it, waits in vain, and learns it when the wait is over.
  while (!queue.waiting.empty()) end_take(queue.waiting.front(), {});
  end_consumers(now, queue);
  cancel_tasks(now, queue, true, "its queue was deleted");
  happened(now, "queue_deleted", queue, {}, "");
  const QueueGoneEvent event{queue.id};
  write(queue, event);
  state_.apply(event);
  write_gone_exchanges();
}

Result<std::uint64_t> Engine::purge(Time now, std::string_view name, SessionId session) {
  if (auto allowed = may(Right::read, Resource::queue, name); !allowed)
    return fail(allowed.error());
  auto found = usable_queue(session, name);
  if (!found) return fail(found.error());
  Queue* queue = *found;
  const auto count = queue->ready_count + queue->scheduled_count;
  cancel_tasks(now, *queue, false, "purged");
  const PurgeEvent event{queue->id, now};
  write(*queue, event);
  state_.apply(event);
  queue->counters.purged += count;
  changed(now, *queue);
  if (room_wanted_.erase(queue->id.value) > 0) effects_.emplace_back(RoomMade{queue->id});
  return count;
}

Result<const Queue*> Engine::shown_queue(std::string_view name) {
  if (auto allowed = may_enter(split_name(name).host); !allowed) return fail(allowed.error());
  const Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  return queue;
}

Result<const Queue*> Engine::read_queue(std::string_view name) {
  if (auto allowed = may(Right::read, Resource::queue, name); !allowed)
    return fail(allowed.error());
  return shown_queue(name);
}

QueueStatistics Engine::statistics(Time now, const Queue& queue) const {
  QueueStatistics s = queue.counters;
  s.name = queue.name;
  s.options = queue.options;
  s.ready = queue.ready_count;
  s.leased = queue.leased_count;
  s.scheduled = queue.scheduled_count;
  s.bytes = queue.bytes;
  s.in_system = static_cast<double>(queue.ready_count + queue.leased_count);
  s.arrival_rate = queue.meter.arrival_rate(now);
  s.service_rate_known = queue.meter.service_rate_known();
  s.service_rate = s.service_rate_known ? queue.meter.service_rate() : 0;
  s.mean_time = queue.meter.mean_sojourn();
  s.predicted_wait = queue.meter.predicted_wait(queue.ready_count + queue.leased_count);
  s.consumers = static_cast<std::uint32_t>(queue.waiting.size() + queue.consumers.size());
  Time oldest = now;
  const auto consider = [&](std::uint32_t slot) {
    if (slot != 0) oldest = std::min(oldest, state_.messages[slot].enqueued_at());
  };
  for (const auto& list : queue.ready) consider(list.head);
  queue.groups.for_each([&](std::uint32_t group) { consider(state_.groups[group].waiting.head); });
  s.oldest_age = now - oldest;
  return s;
}

std::vector<std::uint32_t> Engine::browse(const Queue& queue, std::uint32_t limit) const {
  std::vector<std::uint32_t> found;
  const auto walk = [&](const List& list) {
    for (auto slot = list.head; slot != 0 && found.size() < limit;
         slot = state_.messages[slot].next)
      found.push_back(slot);
  };
  for (unsigned priority = kPriorities; priority-- > 0;) walk(queue.ready[priority]);
  queue.groups.for_each([&](std::uint32_t group) { walk(state_.groups[group].waiting); });
  if (queue.leased_count + queue.scheduled_count == 0) return found;
  for (std::uint32_t slot = 1; slot < state_.messages.end() && found.size() < limit; ++slot) {
    const Message& message = state_.messages[slot];
    if (message.queue == queue.slot &&
        (message.state == MessageState::leased || message.state == MessageState::scheduled))
      found.push_back(slot);
  }
  return found;
}

}  // namespace penstock::engine
