// Queues as things: declared, changed live, emptied, looked at.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

std::unexpected<Error> no_queue(std::string_view name) {
  return fail(ErrorCode::not_found, fmt::format("there is no queue {}", quoted(name)),
              "declare it, or publish to it: that creates it with the defaults");
}

}  // namespace

Result<bool> Engine::declare(Time now, std::string_view name, OptionPatch patch) {
  if (auto valid = valid_name(name, "queue name"); !valid) return fail(valid.error());
  Queue* known = state_.find_queue(name);
  if (known == nullptr && state_.next_queue > 0) {
    std::size_t count = 0;
    for (const auto& queue : state_.queues) count += queue != nullptr;
    if (count >= options_.max_queues)
      return fail(
          ErrorCode::too_large, fmt::format("{} queues exist, which is the limit", count),
          "delete queues that are not needed, or raise max_queues in the server's settings");
  }
  QueueSetEvent event;
  event.name = name;
  if (known != nullptr) event.options = known->options;
  for (const auto& [option, value] : patch)
    if (auto set = set_option(event.options, option, value); !set) return fail(set.error());
  if (event.options.dead_letter == name)
    return fail(ErrorCode::invalid,
                fmt::format("queue {} cannot be its own dead-letter queue", name));
  if (known != nullptr && known->options == event.options) return false;
  event.id = known != nullptr ? known->id : QueueId(state_.next_queue);
  write(event);
  state_.apply(event);
  Queue& queue = *state_.find_queue(name);
  if (known == nullptr) happened(now, "queue_created", queue, {}, "");
  return known == nullptr;
}

Result<std::uint64_t> Engine::remove(Time now, std::string_view name) {
  Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  const auto count = queue->length();
  // Whoever waits for it, waits in vain, and learns it when the wait is over.
  while (!queue->waiting.empty()) end_take(queue->waiting.front(), {});
  cancel_tasks(now, *queue, true, "its queue was deleted");
  happened(now, "queue_deleted", *queue, {}, "");
  const QueueGoneEvent event{queue->id};
  write(event);
  state_.apply(event);
  return count;
}

Result<std::uint64_t> Engine::purge(Time now, std::string_view name) {
  Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  const auto count = queue->ready_count + queue->scheduled_count;
  cancel_tasks(now, *queue, false, "purged");
  const PurgeEvent event{queue->id, now};
  write(event);
  state_.apply(event);
  queue->counters.purged += count;
  changed(now, *queue);
  if (room_wanted_.erase(queue->id.value) > 0) effects_.emplace_back(RoomMade{queue->id});
  return count;
}

Result<std::uint64_t> Engine::redrive(Time now, std::string_view name, std::uint32_t max) {
  Queue* queue = state_.find_queue(name);
  if (queue == nullptr) return no_queue(name);
  // `name` may be the dead-letter queue itself, or the queue whose dead letters are to come back.
  Queue* dead = queue;
  if (const auto target = dead_letter_name(queue->name, queue->options); !target.empty())
    if (Queue* found = state_.find_queue(target)) dead = found;
  const bool any_origin = dead == queue;
  std::vector<std::uint32_t> slots;
  for (const auto slot : browse(*dead, ~0u)) {
    const Message& message = state_.messages[slot];
    const auto* extra = state_.find_extra(message);
    if (message.state != MessageState::ready || extra == nullptr || !extra->origin) continue;
    if (any_origin || extra->origin == queue->id) slots.push_back(slot);
    if (max != 0 && slots.size() == max) break;
  }
  std::uint64_t moved = 0;
  for (const auto slot : slots) {
    const Message& message = state_.messages[slot];
    Queue* origin = state_.find_queue(state_.extras[message.extra].origin);
    if (origin == nullptr || origin->length() >= origin->options.max_length ||
        origin->bytes + message.bytes > origin->options.max_bytes)
      continue;
    if (const auto result = state_.find_result(message.id); result != 0)
      state_.forget_result(result);
    const MoveEvent event{message.id, origin->id, MoveReason::redriven, now};
    state_.apply(event, write(event), 0);
    ++origin->counters.redriven;
    changed(now, *origin);
    ++moved;
  }
  changed(now, *dead);
  return moved;
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
  s.consumers = static_cast<std::uint32_t>(queue.waiting.size());
  Time oldest = now;
  const auto consider = [&](std::uint32_t slot) {
    if (slot != 0) oldest = std::min(oldest, state_.messages[slot].enqueued_at());
  };
  for (const auto& list : queue.ready) consider(list.head);
  for (const auto& [name, group] : queue.groups) consider(state_.groups[group].waiting.head);
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
  for (const auto& [name, group] : queue.groups) walk(state_.groups[group].waiting);
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
