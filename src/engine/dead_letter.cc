// What can no longer be delivered: to the dead letters of its queue, through an exchange, or
// nowhere.
#include <algorithm>
#include <utility>

#include "base/headers.h"
#include "engine/deaths.h"
#include "engine/engine.h"
#include "engine/names.h"
#include "engine/route_header.h"
#include "flow/admission.h"

namespace penstock::engine {
namespace {

constexpr Duration kDeadLetterRetry = std::chrono::seconds(5);
constexpr std::uint64_t kCopyOverhead = 2048;  // more than a head, and what is added to the headers

bool has_room(const Queue& queue, std::uint64_t bytes) {
  flow::Bounds bounds;
  bounds.max_length = queue.options.max_length;
  bounds.length = queue.length();
  bounds.max_bytes = queue.options.max_bytes;
  bounds.bytes = queue.bytes;
  return flow::broken_bound(bounds, 1, bytes, false) == flow::Bound::none;
}

bool makes_room(const Queue& queue) {
  return queue.options.overflow == Overflow::drop_oldest ||
         queue.options.overflow == Overflow::dead_letter;
}

// The headers of `message`, with this death and, where it goes another way, its new route.
Bytes headers_of_copy(ByteView headers, const Deaths& deaths, std::string_view exchange,
                      std::span<const std::string_view> keys) {
  HeaderWriter copy;
  for_each_header(headers, [&](std::string_view name, std::string_view value) {
    if (name != kDeathsHeader && name != kRouteHeader) copy.add(name, value);
  });
  Bytes value;
  encode_route(value, exchange, keys);
  copy.add(kRouteHeader, as_text(value));
  value.clear();
  encode(value, deaths);
  copy.add(kDeathsHeader, as_text(value));
  return {copy.view().begin(), copy.view().end()};
}

}  // namespace

void Engine::bury(Time now, std::uint32_t slot, MoveReason reason, const Failure& failure) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  if (state_.workflows.find_step(message.id) != 0)
    return fail_step(now, slot,
                     reason == MoveReason::expired ? TaskState::expired : TaskState::failed,
                     name_of(reason), failure);
  if (!queue.options.dead_letter_exchange.empty() && !message.task)
    return bury_by_exchange(now, slot, reason, failure);
  const auto target_name = dead_letter_name(queue.name, queue.options);
  Queue* target = nullptr;
  if (!target_name.empty() && target_name != queue.name)
    if (auto found = queue_for(now, target_name)) target = *found;
  if (target == nullptr) return end_message(now, slot, SettleReason::discarded, failure.error);
  // The dead letters are bounded like everything else; what finds no room there waits, and is not
  // lost.
  if (!has_room(*target, message.bytes)) return keep_dying(now, slot, reason, failure);
  if (queue.transient() || target->transient())
    return bury_copy(now, slot, *target, reason, failure);
  const auto id = message.id;
  const bool task = message.task;
  const auto history =
      message.dying ? ByteView{} : history_with(now, message, name_of(reason), failure);
  if (message.state == MessageState::leased) note_settled(now, queue, message, 1);
  const MoveEvent event{id, target->id, reason, now};
  if (task) {
    // The result names the last error; the message itself stays for a redrive. Both in one commit.
    const Bytes keep(history.begin(), history.end());
    const auto state = reason == MoveReason::expired ? TaskState::expired : TaskState::failed;
    finish_task(now, slot, state, {}, failure.error, true, keep);
    state_.apply(event, write(event, keep), static_cast<std::uint32_t>(keep.size()));
  } else {
    state_.apply(event, write(event, history), static_cast<std::uint32_t>(history.size()));
  }
  note_buried(now, queue, id, reason);
  changed(now, *target);
}

void Engine::note_buried(Time now, Queue& queue, MessageId id, MoveReason reason) {
  ++queue.counters.dead_lettered;
  changed(now, queue);
  happened(now, "dead_lettered", queue, id, name_of(reason));
}

// It stays where it is, and is tried again later.
void Engine::keep_dying(Time now, std::uint32_t slot, MoveReason reason, const Failure& failure) {
  if (reason == MoveReason::overflow) return;
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  ++queue.counters.dead_letter_refused;
  const auto history =
      message.dying ? ByteView{} : history_with(now, message, name_of(reason), failure);
  const MessageId one[]{message.id};
  GiveBackEvent event{.reason = ReturnReason::rejected, .at = now, .ids = one};
  event.due = now + kDeadLetterRetry;
  event.dying = reason;
  state_.apply(event, write(queue, event, history), static_cast<std::uint32_t>(history.size()));
  changed(now, queue);
}

// Between a queue on disk and one in memory a message cannot move: a copy goes.
void Engine::bury_copy(Time now, std::uint32_t slot, Queue& target, MoveReason reason,
                       const Failure& failure) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  auto record = storage_->read_body(message.position);
  if (!record || !storage_->has_room(record->size() + kCopyOverhead, 2))
    return keep_dying(now, slot, reason, failure);
  const Bytes kept(record->begin(), record->end());
  Cursor in(kept);
  MessageInput input;
  input.headers = in.prefixed();
  input.body = in.rest();
  input.priority = static_cast<std::uint8_t>(message.priority);
  input.task = message.task;
  input.policy = state_.policies[message.policy];
  (void)write_message(now, target, input, {});
  const auto id = message.id;
  end_message(now, slot, SettleReason::discarded, failure.error);
  note_buried(now, queue, id, reason);
  changed(now, target);
}

// Published again, to all queues that the exchange has for it, in one commit with its end here.
void Engine::bury_by_exchange(Time now, std::uint32_t slot, MoveReason reason,
                              const Failure& failure) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  auto record = storage_->read_body(message.position);
  if (!record) return keep_dying(now, slot, reason, failure);
  const Bytes kept(record->begin(), record->end());
  Cursor in(kept);
  MessageInput input;
  const auto headers = in.prefixed();
  input.body = in.rest();
  input.priority = static_cast<std::uint8_t>(message.priority);
  input.policy = state_.policies[message.policy];
  const auto id = message.id;
  const bool outermost = !std::exchange(queue.making_room, true);
  const bool published = publish_dead_letter(now, queue, input, headers, reason);
  if (outermost) queue.making_room = false;
  if (!published) return keep_dying(now, slot, reason, failure);
  end_message(now, slot,
              reason == MoveReason::expired ? SettleReason::expired : SettleReason::discarded,
              failure.error);
  note_buried(now, queue, id, reason);
}

// False when a queue or the journal has no room: nothing was published then. What goes nowhere, for
// want of an exchange or a binding, or because it would go round for ever, ends here.
bool Engine::publish_dead_letter(Time now, const Queue& from, MessageInput input, ByteView headers,
                                 MoveReason reason) {
  const auto [host, own_name] = split_name(from.name);
  const auto& options = from.options;
  const auto came = route_of(headers, own_name);
  Deaths deaths;
  if (const auto value = find_header(headers, kDeathsHeader))
    deaths = decode_deaths(as_bytes(*value));
  Death death;
  death.queue = own_name;
  death.reason = reason;
  death.at = now;
  death.exchange = came.exchange;
  death.keys.assign(came.keys.begin(), came.keys.end());
  deaths.add(std::move(death));

  const std::string_view exchange = options.dead_letter_exchange == QueueOptions::kDefaultExchange
                                        ? std::string_view()
                                        : std::string_view(options.dead_letter_exchange);
  const auto scoped = scoped_name(host, exchange);
  std::vector<std::string_view> keys = came.keys;
  if (!options.dead_letter_routing_key.empty()) keys = {options.dead_letter_routing_key};
  const auto copy = headers_of_copy(headers, deaths, exchange, keys);
  input.headers = copy;
  RoutedPublish publish{scoped, keys, input, true};
  const auto routed = route(publish);
  if (!routed) return true;
  std::vector<Queue*> targets;
  for (const auto name : *routed)
    if (!deaths.is_circle(split_name(name).name)) targets.push_back(state_.find_queue(name));
  const auto bytes = copy.size() + input.body.size() + kCopyOverhead;
  // Of a queue that is making room already, in the end for this one, nothing more can be asked.
  // From the queue itself one message goes as one comes.
  const auto takes_it = [&](const Queue* target) {
    return target == &from || has_room(*target, bytes) ||
           (makes_room(*target) && !target->making_room);
  };
  if (!std::ranges::all_of(targets, takes_it)) return false;
  if (!storage_->has_room(bytes * targets.size(), static_cast<std::uint32_t>(targets.size()) + 1))
    return false;
  for (auto* target : targets) {
    if (target != &from) make_room(now, *target, 1, bytes);
    (void)write_message(now, *target, input, {});
    ++target->counters.published;
    target->meter.arrived(now, 1);
    changed(now, *target);
  }
  return true;
}

}  // namespace penstock::engine
