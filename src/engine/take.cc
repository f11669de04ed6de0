// Going out: takes that are answered at once or wait, and what the end of a session means.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
std::optional<Error> Engine::take(Time now, SessionId session, std::uint64_t tag,
                                  const Take& take) {
  if (auto allowed = may_take(take, take.wait_until > now); !allowed) return allowed.error();
  if (take.wait_until > now)
    for (const auto& name : take.queues)
      if (auto queue = queue_for(now, name); !queue) return queue.error();
  for (const auto& name : take.queues)
    if (const Queue* queue = state_.find_queue(name); queue != nullptr && queue->options.stream)
      return Error{ErrorCode::unsupported, fmt::format("{} is a stream", quoted(name)),
                   "read it with an AMQP consumer and x-stream-offset"};
  WaitingTake waiting;
  waiting.session = session;
  waiting.tag = tag;
  waiting.max = std::max(take.max, 1u);
  waiting.lease = take.lease;
  waiting.connection_bound = take.connection_bound;
  waiting.unlimited = take.unlimited;
  waiting.slots = take.slots;
  std::vector<Leased> got;
  std::uint64_t left = 0;
  for (const auto& name : take.queues) {
    Queue* queue = state_.find_queue(name);
    if (queue == nullptr || got.size() >= waiting.max) continue;
    collect(now, *queue, waiting, got);
    left = queue->ready_count;
    touch(now, *queue);
  }
  if (!got.empty() || take.wait_until <= now) {
    answer_take(session, tag, std::move(got), left);
    return std::nullopt;
  }
  const auto slot = takes_.take();
  waiting.timer = state_.wheel.set(take.wait_until, TimerKind::take_expires, slot);
  for (const auto& name : take.queues)
    if (Queue* queue = state_.find_queue(name))
      waiting.places.emplace_back(queue->id, queue->waiting.insert(queue->waiting.end(), slot));
  takes_[slot] = std::move(waiting);
  session_takes_[session][tag] = slot;
  return std::nullopt;
}

// Leases messages of `queue` for `take`, as many as it wants and may have.
std::uint64_t Engine::collect(Time now, Queue& queue, WaitingTake& take,
                              std::vector<Leased>& into) {
  if (queue.options.paused) return 0;
  const bool of_worker = take.slots != 0 && take.connection_bound && !take.unlimited;
  LeaseEvent event{queue.id, now, {}, take.connection_bound, of_worker, {}};
  ids_.clear();
  into.reserve(into.size() + std::min<std::uint64_t>(take.max, queue.ready_count));
  const auto flush = [&] {
    if (ids_.empty()) return;
    event.ids = ids_;
    write(queue, event);
    ids_.clear();
  };
  std::uint64_t bytes = 0;
  while (into.size() < take.max && queue.takeable != 0 && bytes < take.max_bytes) {
    Chance chance = Chance::free;
    if (is_careful(queue, take)) {
      chance = chance_of(now, queue, take, state_.peek_takeable(queue));
      if (chance == Chance::refused) break;
    }
    if (!rate_allows(now, queue)) break;
    if (into.size() % State::kFetched == 0 && take.max > 1) state_.fetch_next(queue);
    const auto slot = state_.next_takeable(queue);
    Message& message = state_.messages[slot];
    if (has_expired(now, message)) {
      // Its timer is due, and was not fired yet.
      flush();
      expire(now, slot);
      continue;
    }
    bytes += message.bytes;
    const auto& policy = state_.policies[message.policy];
    const auto duration =
        take.lease.count() > 0 ? take.lease : policy.lease.value_or(queue.options.lease);
    // One record tells of all leases that end together.
    const auto deadline = take.unlimited ? Time{} : now + duration;
    if (deadline != event.deadline || ids_.size() == kMostIdsInEvent) flush();
    event.deadline = deadline;
    ids_.push_back(message.id);
    state_.lease(slot, now, event.deadline, take.connection_bound, of_worker);
    if (take.session) own(now, queue, slot, take, chance);
    Leased& leased = into.emplace_back();
    leased.id = message.id;
    leased.position = message.position;
    leased.slot = slot;
    leased.lease = {message.id, message.deliveries, seal_of(message.id, message.deliveries), slot};
    leased.queue = queue.id;
    leased.attempts = state_.attempts_of(message);
    leased.priority = static_cast<std::uint8_t>(message.priority);
    leased.bytes = message.bytes;
    leased.task = message.task;
    leased.step = message.task && state_.workflows.find_step(message.id) != 0;
    if (leased.step) bytes += input_bytes(message.id, take.max_bytes);
    leased.redelivered = message.deliveries > 1;
    leased.enqueued_at = message.enqueued_at();
    leased.deadline = event.deadline;
    if (const auto* extra = state_.find_extra(message)) leased.expires_at = extra->expires_at;
    if (message.group != 0) {
      const Group& group = state_.groups[message.group];
      leased.group = group.name;
      if (group.rate > 0) spend_token(now, message.group);
    }
    ++queue.counters.delivered;
  }
  flush();
  changed(now, queue);
  return bytes;
}

// A bucket that holds a tenth of a second's worth, and at least one.
bool Engine::rate_allows(Time now, Queue& queue) {
  const double rate = queue.options.rate;
  if (rate <= 0) return true;
  const double most = std::max(1.0, rate / 10);
  const double since =
      queue.tokens_at == Time{} ? 1e6 : static_cast<double>((now - queue.tokens_at).count());
  queue.tokens = std::min(most, queue.tokens + since * rate / 1e6);
  queue.tokens_at = now;
  if (queue.tokens >= 1) return queue.tokens -= 1, true;
  if (queue.rate_timer == 0) {
    const auto wait = Duration(static_cast<std::int64_t>((1 - queue.tokens) / rate * 1e6) + 1);
    queue.rate_timer = state_.wheel.set(now + wait, TimerKind::queue_rate, queue.id.value);
  }
  return false;
}

void Engine::pump(Time now) {
  wake_eased();
  while (!state_.dirty.empty()) {
    const auto slot = state_.dirty.back();
    state_.dirty.pop_back();
    if (slot >= state_.queues.size() || !state_.queues[slot]) continue;
    Queue& queue = *state_.queues[slot];
    queue.dirty = false;
    serve(now, queue);
  }
}

void Engine::serve(Time now, Queue& queue) {
  if (queue.options.stream) return serve_stream(now, queue);
  // Takes that wait and consumers take turns, as far as both are there.
  while (queue.takeable != 0 && !queue.options.paused) {
    queue.consumer_turn = !queue.consumer_turn;
    const bool served = queue.consumer_turn ? serve_consumer(now, queue) || serve_take(now, queue)
                                            : serve_take(now, queue) || serve_consumer(now, queue);
    if (!served) return;  // nobody, or the rate limit; its timer marks the queue again
  }
}

bool Engine::serve_take(Time now, Queue& queue) {
  if (queue.waiting.empty()) return false;
  const auto slot = next_taker(now, queue);
  if (slot == 0) return false;
  std::vector<Leased> got;
  collect(now, queue, takes_[slot], got);
  if (got.empty()) return false;
  end_take(slot, std::move(got));
  return true;
}

void Engine::end_take(std::uint32_t slot, std::vector<Leased> messages) {
  WaitingTake take = std::move(takes_[slot]);
  takes_[slot] = {};
  takes_.give_back(slot);
  if (take.timer != 0) state_.wheel.cancel(take.timer);
  for (const auto& [id, place] : take.places)
    if (Queue* queue = state_.find_queue(id)) queue->waiting.erase(place);
  if (const auto session = session_takes_.find(take.session); session != session_takes_.end()) {
    session->second.erase(take.tag);
    if (session->second.empty()) session_takes_.erase(session);
  }
  answer_take(take.session, take.tag, std::move(messages), 0);
}

void Engine::answer_take(SessionId session, std::uint64_t tag, std::vector<Leased> messages,
                         std::uint64_t left) {
  effects_.emplace_back(TakeAnswer{session, tag, std::move(messages), left, state_.relocations});
}

void Engine::cancel_take(SessionId session, std::uint64_t tag) {
  const auto takes = session_takes_.find(session);
  if (takes == session_takes_.end()) return;
  if (const auto found = takes->second.find(tag); found != takes->second.end())
    end_take(found->second, {});
}

void Engine::close_session(Time now, SessionId session) {
  leave(now, session);
  principals_.erase(session);
}

// It gives back what it holds.
void Engine::leave(Time now, SessionId session) {
  while (session_takes_.contains(session)) end_take(session_takes_[session].begin()->second, {});
  while (session_watches_.contains(session)) expire_watch(*session_watches_[session].begin());
  while (session_consumers_.contains(session))
    (void)cancel_consumer(now, session, session_consumers_[session].begin()->first);
  std::erase_if(pools_, [&](const auto& pool) { return pool.first.session == session; });
  std::vector<std::uint32_t> back;
  Company company;
  if (const auto owned = state_.owners.find(session); owned != state_.owners.end()) {
    for (auto lease = owned->second.leases.head; lease != 0; lease = state_.leases[lease].next)
      if (state_.leases[lease].connection_bound) back.push_back(state_.leases[lease].message);
    if (!back.empty()) company = company_of(now, state_.leases[owned->second.leases.head]);
  }
  workers_.remove(session);
  take_back(now, std::move(back), company);
  state_.disown(session);
  const auto owned = exclusive_queues_.find(session);
  if (owned == exclusive_queues_.end()) return;
  const auto queues = std::move(owned->second);
  exclusive_queues_.erase(owned);
  for (const auto id : queues)
    if (Queue* queue = state_.find_queue(id)) remove_queue(now, *queue);
}

// The leases of a connection that ended. From the youngest message back, so that each goes before
// the one put back last.
void Engine::take_back(Time now, std::vector<std::uint32_t> slots, const Company& company) {
  std::ranges::sort(slots, std::greater<>{},
                    [this](std::uint32_t slot) { return state_.messages[slot].id; });
  for (const auto slot : slots) {
    const Message& message = state_.messages[slot];
    Queue& queue = state_.queue_at(message.queue);
    ++queue.counters.returned;
    if (max_attempts(message, queue) == 0 && !message.task && queue.options.max_worker_lost == 0)
      requeue(now, slot, ReturnReason::connection_closed, Cause::worker_lost);
    else
      lose(now, slot, ReturnReason::connection_closed, company);
  }
}

}  // namespace penstock::engine
