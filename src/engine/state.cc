#include "engine/state.h"

#include <algorithm>
#include <utility>

#include "base/canary.h"

namespace penstock::engine {

void State::attach(Storage* storage) {
  storage_ = storage;
  if (storage == nullptr) return;
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot) {
    const Message& message = messages[slot];
    if (message.state == MessageState::none) continue;
    storage->retain(message.position, message.bytes);
    if (const auto* extra = find_extra(message); extra != nullptr && extra->history)
      storage->retain(extra->history, extra->history_bytes);
  }
  for (std::uint32_t slot = 1; slot < results.end(); ++slot)
    if (results[slot].id) storage->retain(results[slot].position, results[slot].bytes);
}

// ---- queues

Queue* State::find_queue(std::string_view name) {
  const auto found = queue_names_.find(name);
  return found == queue_names_.end() ? nullptr : queues[found->second].get();
}

Queue* State::find_queue(QueueId id) {
  const auto slot = queue_slot(id);
  return slot == 0 ? nullptr : queues[slot].get();
}

std::uint32_t State::queue_slot(QueueId id) const {
  const auto found = queue_ids_.find(id.value);
  return found == queue_ids_.end() ? 0 : found->second;
}

void State::apply(const GenesisEvent& event) {
  std::copy_n(event.secret, 4, secret);
}

void State::apply(const QueueSetEvent& event) {
  if (Queue* known = find_queue(event.id)) {
    const bool regroup = known->options.group_limit != event.options.group_limit ||
                         known->options.group_rate != event.options.group_rate;
    known->options = event.options;
    mark(*known);
    if (regroup) review_groups(*known);
    return;
  }
  std::uint32_t slot;
  if (!free_queues_.empty()) {
    slot = free_queues_.back();
    free_queues_.pop_back();
  } else {
    if (queues.empty()) queues.emplace_back();  // slot 0
    slot = static_cast<std::uint32_t>(queues.size());
    queues.emplace_back();
  }
  queues[slot] = std::make_unique<Queue>();
  Queue& queue = *queues[slot];
  queue.id = event.id;
  queue.slot = slot;
  queue.groups = GroupIndex({secret[0], secret[3]});
  queue.name = event.name;
  queue.options = event.options;
  queue_names_[queue.name] = slot;
  queue_ids_[event.id.value] = slot;
  auto& next = queue.transient() ? next_transient_queue : next_queue;
  next = std::max(next, event.id.value + 1);
}

void State::apply(const QueueGoneEvent& event) {
  const auto slot = queue_slot(event.id);
  if (slot == 0) return;
  for (const auto message : messages_of(*queues[slot], true)) remove(message);
  for (std::uint32_t k = 1; queues[slot]->dedup_keys > 0 && k < keys.end(); ++k)
    if (keys[k].key && keys[k].queue == event.id) forget_key(k);
  topology.forget_queue(queues[slot]->name);
  queue_names_.erase(queues[slot]->name);
  queue_ids_.erase(event.id.value);
  for (const auto timer : {queues[slot]->rate_timer, queues[slot]->expiry_timer})
    if (timer != 0) wheel.cancel(timer);
  forget_groups(*queues[slot]);
  queues[slot].reset();
  free_queues_.push_back(slot);
}

void State::apply(const PolicyEvent& event) {
  if (policies.size() <= event.number) policies.resize(event.number + 1u);
  policies[event.number] = event.policy;
}

// ---- messages come

std::uint32_t State::apply(const PublishEvent& event, LogPosition position,
                           std::uint32_t body_bytes) {
  const auto slot = insert(event, position, body_bytes);
  if (slot == 0) return 0;
  Queue& queue = queue_at(messages[slot].queue);
  if (event.key) add_key(event.key, event.id, queue, event.dedup_until);
  if (event.hold.rule != KeyRule::none) take_key(event.hold, slot);
  if (event.held) {
    hold(slot);
    if (storage_ == nullptr) held_in_replay_.push_back(event.id);
  } else {
    place(slot, event.at, event.not_before, false);
  }
  return slot;
}

std::uint32_t State::insert(const PublishEvent& event, LogPosition position,
                            std::uint32_t body_bytes) {
  auto& next = event.id.value >= kTransientMessage ? next_transient_message : next_message;
  next = std::max(next, event.id.value + 1);
  const auto queue_slot_number = queue_slot(event.queue);
  if (queue_slot_number == 0 || index.find(event.id) != 0) return 0;
  const auto slot = messages.take();
  Message& message = messages[slot];
  message.id = event.id;
  message.position = position;
  message.enqueued_us = static_cast<std::uint64_t>(micros(event.at)) & ((1ull << 52) - 1);
  message.priority = event.priority & 15u;
  message.task = event.task;
  message.bytes = body_bytes;
  message.queue = queue_slot_number;
  message.policy = event.policy < policies.size() ? event.policy : std::uint16_t{0};
  message.page = index.insert(event.id, slot);
  queue_at(queue_slot_number).bytes += body_bytes;
  if (storage_ != nullptr) storage_->retain(position, body_bytes);
  if (!event.group.empty()) join_group(slot, event.group);
  if (event.expires_at != Time{}) arm_expiry(slot, event.expires_at);
  return slot;
}

void State::relocate(const PublishEvent& event, LogPosition position, std::uint32_t body_bytes) {
  const auto slot = index.find(event.id);
  if (slot == 0) return;  // it ended before the copy, and the checkpoint knows
  Message& message = messages[slot];
  if (storage_ != nullptr) {
    storage_->release(message.position, message.bytes);
    storage_->retain(position, body_bytes);
  }
  message.position = position;
  ++relocations;
}

void State::place(std::uint32_t slot, Time now, Time due, bool original_place) {
  if (due <= now) return put_ready(slot, original_place);
  Message& message = messages[slot];
  message.state = MessageState::scheduled;
  message.link = wheel.set(due, TimerKind::message_due, slot);
  ++queue_at(message.queue).scheduled_count;
}

void State::put_ready(std::uint32_t slot, bool original_place) {
  Message& message = messages[slot];
  Queue& queue = queue_at(message.queue);
  message.state = MessageState::ready;
  ++queue.ready_count;
  mark(queue);
  const auto group = message.group;
  if (group != 0) mix_priority(groups[group], message);
  List& list = group != 0 ? groups[group].waiting : queue.ready[message.priority];
  if (!original_place) {
    push_back(messages, list, slot);
  } else {
    // Those put back one after the other stand together near the head: start from the last of them.
    auto before = list.head;
    const auto hint = queue.hint[message.priority];
    if (group == 0 && hint != 0 && messages[hint].state == MessageState::ready &&
        messages[hint].queue == message.queue && messages[hint].priority == message.priority &&
        messages[hint].group == 0 && messages[hint].id < message.id)
      before = messages[hint].next;
    while (before != 0 && messages[before].id < message.id) before = messages[before].next;
    insert_before(messages, list, slot, before);
    if (group == 0) queue.hint[message.priority] = slot;
  }
  if (group == 0) return review_priority(queue, static_cast<unsigned>(message.priority));
  if (list.head == slot) note_first(queue, group);
  review_group(queue, group);
}

void State::make_ready(std::uint32_t slot) {
  Message& message = messages[slot];
  CHECK(message.state == MessageState::scheduled);
  const bool first_time = message.deliveries == 0;
  detach(slot);
  put_ready(slot, !first_time && message.group != 0);
}

// ---- leases

namespace {

// It came back because whoever had it was gone, whether that counts or not.
bool is_loss(const GiveBackEvent& event) {
  const bool is_gone = event.reason == ReturnReason::connection_closed ||
                       event.reason == ReturnReason::lease_expired;
  return is_gone && (event.uncounted || event.cause == Cause::worker_lost);
}

}  // namespace

void State::lease(std::uint32_t slot, Time at, Time deadline, bool connection_bound,
                  bool of_worker) {
  detach(slot);
  Message& message = messages[slot];
  Queue& queue = queue_at(message.queue);
  message.state = MessageState::leased;
  if (++message.deliveries == 0) message.deliveries = 1;  // 0 is that of who had none
  ++queue.leased_count;
  message.link = leases.take();
  Lease& lease = leases[message.link];
  lease.since = at;
  lease.deadline = deadline;
  lease.message = slot;
  lease.connection_bound = connection_bound;
  lease.of_worker = of_worker;
  if (deadline != Time{}) lease.timer = wheel.set(deadline, TimerKind::message_due, slot);
  hold_group(slot, true);
  if (message.extra != 0 && extras[message.extra].key != 0 &&
      keys[extras[message.extra].key].rule == KeyRule::unique_start)
    release_key(slot);
}

void State::apply(const LeaseEvent& event) {
  for (const auto id : event.ids)
    if (const auto slot = index.find(id); slot != 0)
      lease(slot, event.at, event.deadline, event.connection_bound, event.of_worker);
}

void State::extend(std::uint32_t slot, Time deadline) {
  Lease& lease = leases[messages[slot].link];
  if (lease.timer != 0) wheel.cancel(lease.timer);
  lease.deadline = deadline;
  lease.timer = wheel.set(deadline, TimerKind::message_due, slot);
}

void State::apply(const ExtendEvent& event) {
  for (const auto id : event.ids)
    if (const auto slot = index.find(id); slot != 0 && messages[slot].state == MessageState::leased)
      extend(slot, event.deadline);
}

void State::apply(const GiveBackEvent& event, LogPosition position, std::uint32_t body_bytes) {
  for (const auto id : event.ids) {
    const auto slot = index.find(id);
    if (slot == 0) continue;
    const bool was_leased = messages[slot].state == MessageState::leased;
    detach(slot);
    Message& message = messages[slot];
    if (event.uncounted && was_leased) ++extra_of(slot).uncounted;
    if (event.cause != Cause::none && was_leased) extra_of(slot).causes.count(event.cause);
    if (was_leased && is_loss(event)) note_loss(slot, event.uncounted);
    if (body_bytes != 0) set_history(slot, position, body_bytes);
    message.dying = event.dying != MoveReason::none;
    if (message.dying) extra_of(slot).dying = event.dying;
    // While it waits for its next attempt it keeps its place in its group: order survives retries.
    if (event.due > event.at) hold_group(slot, true);
    place(slot, event.at, event.due, true);
  }
}

void State::note_loss(std::uint32_t slot, bool was_spared) {
  Extra& extra = extra_of(slot);
  if (was_spared && extra.spared < 255) ++extra.spared;
  note_suspect(slot);
}

// A message that nobody has: what a lease is of is fixed when it is given.
void State::note_suspect(std::uint32_t slot) {
  extra_of(slot).suspect = true;
  queue_at(messages[slot].queue).had_suspects = true;
}

Owner& State::own(std::uint32_t slot, SessionId owner) {
  Lease& lease = leases[messages[slot].link];
  Owner& of = owners[owner];
  lease.owner = owner;
  lease.suspect = messages[slot].extra != 0 && extras[messages[slot].extra].suspect;
  push_back(leases, of.leases, messages[slot].link);
  of.suspects += lease.suspect;
  suspects_out += lease.suspect;
  return of;
}

void State::disown(std::uint32_t number) {
  Lease& lease = leases[number];
  Owner& owner = owners[lease.owner];
  unlink(leases, owner.leases, number);
  owner.suspects -= lease.suspect;
  suspects_out -= lease.suspect;
  if (owner.watched == number) owner.watched = 0, owner.watched_until = {};
  if (owner.refused) {
    owner.refused = false;
    eased.push_back(lease.owner);
  }
  lease.owner = {};
  lease.suspect = 0;
}

void State::disown(SessionId owner) {
  const auto found = owners.find(owner);
  if (found == owners.end()) return;
  while (found->second.leases.head != 0) disown(found->second.leases.head);
  owners.erase(found);
}

void State::mark(Queue& queue) {
  if (queue.dirty) return;
  queue.dirty = true;
  dirty.push_back(queue.slot);
}

// ---- messages end

void State::apply(const SettleEvent& event, std::span<const std::uint32_t> likely) {
  for (std::size_t n = 0; n < event.ids.size(); ++n)
    if (const auto slot = find(event.ids[n], likely.empty() ? 0 : likely[n]); slot != 0)
      remove(slot);
}

void State::apply(const FinishEvent& event, LogPosition position, std::uint32_t body_bytes,
                  std::uint32_t likely) {
  const auto slot = find(event.id, likely);
  const auto step = workflows.find_step(event.id);
  // Cleaning writes a result anew; its step ended when that was first told.
  const bool ends_step = step != 0 && (workflows.may_end(step) || CANARY(end_step_twice));
  if (slot != 0 && !event.keeps_message) remove(slot);
  if (slot != 0 && event.keeps_message && ends_step) hold_step(slot);
  if (event.expires_at == Time{}) return;
  StoredResult result;
  result.id = event.id;
  result.position = position;
  result.at = event.at;
  result.enqueued_at = event.enqueued_at;
  result.started_at = event.started_at;
  result.bytes = body_bytes;
  result.attempts = event.attempts;
  result.queue = event.queue;
  result.state = event.state;
  result.pinned = step != 0;
  add_result(result, event.expires_at);
  if (ends_step) finish_step(step, event.state == TaskState::done, event.at);
}

std::uint32_t State::add_result(const StoredResult& result, Time expires_at) {
  std::uint32_t before = 0;
  if (const auto old = result_index.find(result.id); old != 0) {
    // Cleaning writes a result anew; that makes it no younger than those that came after it.
    if (results[old].at == result.at) before = results[old].next;
    forget_result(old);
  }
  while (!result.pinned && results_by_age.count >= limits_.max_results) {
    if (before == results_by_age.head) before = results[before].next;
    forget_result(results_by_age.head);
  }
  const auto slot = results.take();
  results[slot] = result;
  if (!result.pinned) {
    results[slot].timer = wheel.set(expires_at, TimerKind::result_expires, slot);
    insert_before(results, results_by_age, slot, before);
  }
  result_index.insert(result.id, slot);
  if (storage_ != nullptr) storage_->retain(result.position, result.bytes);
  return slot;
}

void State::forget_result(std::uint32_t slot) {
  StoredResult& result = results[slot];
  if (storage_ != nullptr) storage_->release(result.position, result.bytes);
  if (result.timer != 0) wheel.cancel(result.timer);
  if (!result.pinned) unlink(results, results_by_age, slot);
  result_index.erase(result.id);
  result = {};
  results.give_back(slot);
}

void State::apply(const MoveEvent& event, LogPosition position, std::uint32_t body_bytes) {
  const auto slot = index.find(event.id);
  const auto target = queue_slot(event.to);
  if (slot == 0 || target == 0) return;
  detach(slot);
  Message& message = messages[slot];
  Queue& from = queue_at(message.queue);
  Extra& extra = extra_of(slot);
  const std::string group = message.group == 0 ? std::string() : groups[message.group].name;
  leave_group(slot);
  release_key(slot);
  if (extra.expiry_timer != 0) wheel.cancel(extra.expiry_timer);
  extra.expiry_timer = 0;
  extra.expires_at = {};
  extra.moved = true;
  extra.origin = event.reason == MoveReason::redriven ? QueueId{} : from.id;
  extra.uncounted = message.deliveries;  // attempts are counted anew in the new place
  extra.causes = {};
  extra.suspect = false;
  extra.spared = 0;
  extra.progress.reset();
  message.dying = message.cancelled = 0;
  // It has not failed any more, and is about to be tried anew.
  if (const auto result = find_result(event.id);
      result != 0 && event.reason == MoveReason::redriven)
    forget_result(result);
  if (body_bytes != 0) set_history(slot, position, body_bytes);
  from.bytes -= message.bytes;
  message.queue = target;
  queue_at(target).bytes += message.bytes;
  if (!group.empty()) join_group(slot, group);
  put_ready(slot, false);
  wake_waiting(event.id);
}

void State::apply(const PurgeEvent& event) {
  const Queue* queue = find_queue(event.queue);
  if (queue == nullptr) return;
  for (const auto slot : messages_of(*queue, false)) remove(slot);
}

// All messages are looked at only where some are in no list of the queue's.
std::vector<std::uint32_t> State::messages_of(const Queue& queue, bool leased_too) const {
  std::vector<std::uint32_t> found;
  const auto walk = [&](const List& list) {
    for (auto slot = list.head; slot != 0; slot = messages[slot].next) found.push_back(slot);
  };
  for (const auto& list : queue.ready) walk(list);
  queue.groups.for_each([&](std::uint32_t group) { walk(groups[group].waiting); });
  auto unlisted = queue.scheduled_count + (leased_too ? queue.leased_count : 0);
  for (std::uint32_t slot = 1; unlisted > 0 && slot < messages.end(); ++slot) {
    const Message& message = messages[slot];
    if (message.queue != queue.slot) continue;
    if (message.state != MessageState::scheduled &&
        !(leased_too && message.state == MessageState::leased))
      continue;
    found.push_back(slot);
    --unlisted;
  }
  return found;
}

void State::apply(const CancelEvent& event) {
  if (const auto slot = index.find(event.id); slot != 0) messages[slot].cancelled = true;
}

void State::apply(const HistoryEvent& event, LogPosition position, std::uint32_t body_bytes) {
  if (const auto slot = index.find(event.id); slot != 0) set_history(slot, position, body_bytes);
}

void State::remove(std::uint32_t slot) {
  detach(slot);
  Message& message = messages[slot];
  // A stream's messages go from its beginning only.
  if (queue_at(message.queue).options.stream) ++queue_at(message.queue).first_offset;
  queue_at(message.queue).bytes -= message.bytes;
  leave_group(slot);
  if (message.extra != 0) {
    release_key(slot);
    Extra& extra = extras[message.extra];
    if (extra.expiry_timer != 0) wheel.cancel(extra.expiry_timer);
    if (extra.history && storage_ != nullptr) storage_->release(extra.history, extra.history_bytes);
    extra = {};
    extras.give_back(message.extra);
  }
  if (storage_ != nullptr) storage_->release(message.position, message.bytes);
  wake_waiting(message.id);
  index.erase(message.id, message.page);
  message = Message{};
  messages.give_back(slot);
}

void State::detach(std::uint32_t slot) {
  Message& message = messages[slot];
  Queue& queue = queue_at(message.queue);
  const auto group = message.group;
  switch (message.state) {
    case MessageState::none:
      break;
    case MessageState::ready: {
      --queue.ready_count;
      List& list = group != 0 ? groups[group].waiting : queue.ready[message.priority];
      const bool first = list.head == slot;
      unlink(messages, list, slot);
      if (group != 0 && first) note_first(queue, group);
      if (queue.hint[message.priority] == slot) queue.hint[message.priority] = 0;
      if (group != 0)
        review_group(queue, group);
      else
        review_priority(queue, static_cast<unsigned>(message.priority));
      break;
    }
    case MessageState::leased: {
      --queue.leased_count;
      Lease& lease = leases[message.link];
      if (lease.timer != 0) wheel.cancel(lease.timer);
      if (lease.owner) disown(message.link);
      lease = {};
      leases.give_back(message.link);
      break;
    }
    case MessageState::scheduled:
      --queue.scheduled_count;
      if (message.link != 0) wheel.cancel(message.link);
      break;
  }
  message.link = 0;
  message.state = MessageState::none;
  hold_group(slot, false);
}

// ---- odds and ends

void State::hasten(std::uint32_t slot, Time when) {
  Message& message = messages[slot];
  if (message.state != MessageState::scheduled || message.link == 0) return;
  if (wheel.when(message.link) <= when) return;
  wheel.cancel(message.link);
  message.link = wheel.set(when, TimerKind::message_due, slot);
}

Extra& State::extra_of(std::uint32_t slot) {
  Message& message = messages[slot];
  if (message.extra == 0) message.extra = extras.take();
  return extras[message.extra];
}

std::uint32_t State::attempts_of(const Message& message) const {
  const auto uncounted = message.extra == 0 ? 0u : extras[message.extra].uncounted;
  return static_cast<std::uint16_t>(message.deliveries - uncounted);
}

void State::arm_expiry(std::uint32_t slot, Time when) {
  Extra& extra = extra_of(slot);
  extra.expires_at = when;
  extra.expiry_timer = wheel.set(when, TimerKind::message_expires, slot);
}

void State::set_history(std::uint32_t slot, LogPosition position, std::uint32_t bytes) {
  Extra& extra = extra_of(slot);
  if (storage_ != nullptr) {
    if (extra.history) storage_->release(extra.history, extra.history_bytes);
    storage_->retain(position, bytes);
  }
  extra.history = position;
  extra.history_bytes = bytes;
}

void State::tidy() {
  messages.tidy(), extras.tidy(), leases.tidy(), groups.tidy();
  index.tidy(), result_index.tidy(), wheel.tidy();
  results.tidy(), keys.tidy();
}

std::uint64_t State::bytes() const {
  return messages.bytes() + extras.bytes() + leases.bytes() + groups.bytes() + group_links.bytes() +
         index.bytes() + wheel.bytes() + results.bytes() + result_index.bytes() + keys.bytes() +
         key_index_.size() * 56 + group_settings * 128ull + workflows.bytes() + schedules.bytes();
}

}  // namespace penstock::engine
