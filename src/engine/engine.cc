#include "engine/engine.h"

namespace penstock::engine {

Engine::Engine(Time start, const EngineOptions& options, Random& random)
    : options_(options), random_(random), state_(start, options.limits) {}

void Engine::start(Storage& storage, Time now, bool created) {
  storage_ = &storage;
  state_.attach(&storage);
  if (created) {
    GenesisEvent genesis;
    for (auto& word : genesis.secret) word = random_.next();
    write(genesis);
    state_.apply(genesis);
  }
  for (std::size_t number = 1; number < state_.policies.size(); ++number) {
    Bytes bytes;
    Encoder out(bytes);
    encode_policy(out, state_.policies[number]);
    policy_numbers_.emplace(as_text(bytes), static_cast<std::uint16_t>(number));
  }
  (void)state_.topology.take_gone();
  for (const auto& queue : state_.queues)
    if (queue) touch(now, *queue);
  take_back_of_before(now);
  start_schedules(now);
}

void Engine::changed(Time now, Queue& queue) {
  queue.meter.observe(now, queue.ready_count, queue.leased_count);
}

void Engine::happened(Time now, std::string_view kind, const Queue& queue, MessageId id,
                      std::string_view detail) {
  if (!watched_) return;
  effects_.emplace_back(Happened{kind, queue.name, id, std::string(detail), now});
}

// ---- timers

bool Engine::fire_timers(Time now, std::uint32_t budget) {
  for (; budget > 0; --budget) {
    const auto [kind, payload] = state_.wheel.pop(now);
    switch (kind) {
      case TimerKind::none:
        return false;
      case TimerKind::message_due:
        on_message_due(now, payload);
        break;
      case TimerKind::message_expires:
        on_message_expires(now, payload);
        break;
      case TimerKind::result_expires:
        state_.results[payload].timer = 0;
        state_.forget_result(payload);
        break;
      case TimerKind::dedup_expires:
        state_.keys[payload].timer = 0;
        state_.forget_key(payload);
        break;
      case TimerKind::take_expires:
        takes_[payload].timer = 0;
        end_take(payload, {});
        break;
      case TimerKind::watch_expires:
        watches_[payload].timer = 0;
        expire_watch(payload);
        break;
      case TimerKind::queue_rate:
        if (Queue* queue = state_.find_queue(QueueId(payload))) {
          queue->rate_timer = 0;
          state_.mark(*queue);
        }
        break;
      case TimerKind::workers_are_back:
        take_back_unclaimed(now);
        break;
      case TimerKind::queue_company:
        if (Queue* queue = state_.find_queue(QueueId(payload))) {
          queue->company_timer = 0;
          state_.mark(*queue);
        }
        break;
      case TimerKind::queue_expires:
        if (Queue* queue = state_.find_queue(QueueId(payload))) {
          queue->expiry_timer = 0;
          expire_queue(now, *queue);
        }
        break;
      case TimerKind::workflow_expires:
        forget_workflow(payload);
        break;
      case TimerKind::schedule_due:
        on_schedule_due(now, payload);
        break;
      case TimerKind::group_rate:
        on_group_rate(payload);
        break;
    }
  }
  return state_.wheel.next() <= now;
}

void Engine::on_message_due(Time now, std::uint32_t slot) {
  Message& message = state_.messages[slot];
  if (message.state == MessageState::leased) {
    state_.leases[message.link].timer = 0;
    Queue& queue = state_.queue_at(message.queue);
    ++queue.counters.returned;
    return lose(now, slot, ReturnReason::lease_expired,
                company_of(now, state_.leases[message.link]));
  }
  CHECK(message.state == MessageState::scheduled);
  message.link = 0;
  if (message.dying) return bury(now, slot, state_.extras[message.extra].dying, {});
  Queue& queue = state_.queue_at(message.queue);
  state_.make_ready(slot);
  changed(now, queue);
}

void Engine::on_message_expires(Time now, std::uint32_t slot) {
  Message& message = state_.messages[slot];
  state_.extras[message.extra].expiry_timer = 0;
  // Somebody is working on it; when it comes back unfinished it expires then.
  if (message.state == MessageState::leased) return;
  expire(now, slot);
}

bool Engine::has_expired(Time now, const Message& message) const {
  const auto* extra = state_.find_extra(message);
  return extra != nullptr && extra->expires_at != Time{} && extra->expires_at <= now;
}

void Engine::expire(Time now, std::uint32_t slot) {
  Queue& queue = state_.queue_at(state_.messages[slot].queue);
  ++queue.counters.expired;
  const bool kept = !queue.options.dead_letter.empty() && queue.options.dead_letter != "-";
  if (kept || !queue.options.dead_letter_exchange.empty())
    return bury(now, slot, MoveReason::expired, {"expired"});
  end_message(now, slot, SettleReason::expired, "expired before it was done");
}

}  // namespace penstock::engine
