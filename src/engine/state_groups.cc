// Groups: messages of one key, in order, as many at a time and as fast as its limit and rate say;
// and whose turn it is.
#include <array>
#include <utility>

#include "base/canary.h"
#include "engine/state.h"

namespace penstock::engine {

void State::join_group(std::uint32_t slot, std::string_view name) {
  Queue& queue = queue_at(messages[slot].queue);
  auto number = queue.groups.find(groups, name);
  if (number == 0) {
    number = groups.take();
    group_links.reach(groups.end());
    queue.groups.insert(name, number);
    Group& made = groups[number];
    made.name = name;
    made.queue = queue.slot;
    take_terms(queue, made);
  } else if (groups[number].members == 0) {
    unlink(group_links, idle_groups, number);
  }
  messages[slot].group = number;
  ++groups[number].members;
}

void State::leave_group(std::uint32_t slot) {
  const auto number = std::exchange(messages[slot].group, 0);
  if (number == 0) return;
  Group& group = groups[number];
  if (--group.members > 0) return;
  CHECK(group.waiting.count == 0 && group.held == 0 && group.ring == Group::kNoRing);
  group.served = 0;
  push_back(group_links, idle_groups, number);
  if (idle_groups.count > kIdleGroupsMax) forget_group(idle_groups.head);
}

// One without members.
void State::forget_group(std::uint32_t number) {
  Group& group = groups[number];
  CHECK(group.members == 0);
  unlink(group_links, idle_groups, number);
  if (group.timer != 0) wheel.cancel(group.timer);
  queue_at(group.queue).groups.erase(group.name, number);
  group = {};
  groups.give_back(number);
}

// Of a queue that goes, and has no messages any more.
void State::forget_groups(Queue& queue) {
  std::vector<std::uint32_t> numbers;
  queue.groups.for_each([&](std::uint32_t number) { numbers.push_back(number); });
  for (const auto number : numbers) forget_group(number);
  group_settings -= static_cast<std::uint32_t>(queue.group_settings.size());
}

// Before one more of it waits.
void State::mix_priority(Group& group, const Message& message) {
  if (group.waiting.count == 0) {
    group.priority = static_cast<std::uint8_t>(message.priority);
    group.mixed = false;
  } else if (group.priority != message.priority) {
    group.mixed = true;
  }
}

void State::hold_group(std::uint32_t slot, bool hold) {
  Message& message = messages[slot];
  if (message.group == 0 || message.holds_group == hold) return;
  message.holds_group = hold;
  Group& group = groups[message.group];
  group.held += hold ? 1u : ~0u;
  if (group.limit > 0) review_group(queue_at(message.queue), message.group);
}

bool State::may_deliver(const Group& group) {
  auto limit = group.limit;
  if (limit > 0 && CANARY(exceed_group_limit)) ++limit;
  if (limit > 1 && CANARY(waste_group_limit)) --limit;
  return group.waiting.head != 0 && group.timer == 0 && (limit == 0 || group.held < limit);
}

// A group stands in the ring of its first message's priority while it may deliver. One that left it
// in the middle of its turn, because of its limit or its rate, comes back to the head.
void State::review_group(Queue& queue, std::uint32_t number) {
  Group& group = groups[number];
  // Its first message is looked at only where it has to be: it lies anywhere in memory.
  const auto ring = !may_deliver(group) ? Group::kNoRing
                    : !group.mixed
                        ? group.priority
                        : static_cast<std::uint8_t>(messages[group.waiting.head].priority);
  if (ring == group.ring) return;
  if (group.ring != Group::kNoRing) {
    unlink(group_links, queue.rings[group.ring], number);
    review_priority(queue, group.ring);
  }
  group.ring = ring;
  if (ring == Group::kNoRing) return;
  insert_before(group_links, queue.rings[ring], number,
                group.served > 0 ? queue.rings[ring].head : 0);
  review_priority(queue, ring);
  mark(queue);
}

void State::review_groups(Queue& queue) {
  std::vector<std::uint32_t> numbers;
  queue.groups.for_each([&](std::uint32_t number) { numbers.push_back(number); });
  for (const auto number : numbers) begin_anew(queue, number);
}

// With another limit or rate.
void State::begin_anew(Queue& queue, std::uint32_t number) {
  Group& group = groups[number];
  if (group.members == 0) return forget_group(number);
  if (group.timer != 0) wheel.cancel(group.timer);
  group.timer = group.served = 0;
  group.full_at = {};
  take_terms(queue, group);
  review_group(queue, number);
}

void State::take_terms(const Queue& queue, Group& group) {
  const auto found = queue.group_settings.find(group.name);
  const auto setting = found == queue.group_settings.end() ? GroupSetting{} : found->second;
  group.weight = CANARY(ignore_weight) ? 1 : setting.weight;
  group.limit = setting.limit.value_or(queue.options.group_limit);
  group.rate = setting.rate.value_or(queue.options.group_rate);
}

void State::throttle_group(std::uint32_t number, std::uint32_t timer) {
  Group& group = groups[number];
  group.timer = timer;
  review_group(queue_at(group.queue), number);
}

// ---- what was set for them

void State::apply(const GroupSetEvent& event) {
  Queue* queue = find_queue(event.queue);
  if (queue == nullptr) return;
  auto found = queue->group_settings.find(event.name);
  if (found == queue->group_settings.end()) {
    found = queue->group_settings.emplace(std::string(event.name), event.setting).first;
    ++group_settings;
  }
  found->second = event.setting;
  review_setting(*queue, event.name);
}

void State::apply(const GroupGoneEvent& event) {
  Queue* queue = find_queue(event.queue);
  const auto name = std::string(event.name);
  if (queue == nullptr || !queue->group_settings.contains(name)) return;
  queue->group_settings.erase(name);
  --group_settings;
  review_setting(*queue, name);
}

void State::review_setting(Queue& queue, std::string_view name) {
  if (const auto number = queue.groups.find(groups, name); number != 0) begin_anew(queue, number);
}

// ---- whose turn it is

void State::review_priority(Queue& queue, unsigned priority) {
  const auto bit = static_cast<std::uint16_t>(1u << priority);
  if (queue.ready[priority].head != 0 || queue.rings[priority].head != 0)
    queue.takeable = static_cast<std::uint16_t>(queue.takeable | bit);
  else
    queue.takeable = static_cast<std::uint16_t>(queue.takeable & ~bit);
}

std::uint32_t State::next_takeable(Queue& queue) {
  if (queue.takeable == 0) return 0;
  const auto priority = static_cast<unsigned>(31 - __builtin_clz(queue.takeable));
  List& ring = queue.rings[priority];
  const List& ready = queue.ready[priority];
  const bool from_ring = ring.head != 0 && (ready.head == 0 || queue.ring_turn);
  queue.ring_turn = !queue.ring_turn;
  if (!from_ring) return ready.head;
  // Keys take turns, however much each of them has waiting: a group that had as many as it weighs
  // goes to the end of the ring.
  const auto number = ring.head;
  Group& group = groups[number];
  const auto slot = group.waiting.head;
  if (++group.served < group.weight) {
    // Its turn goes on. The next of it was fetched, and the one behind that is now.
    if (group.served + 1 < group.weight) messages.fetch(messages[messages[slot].next].next);
    return slot;
  }
  group.served = 0;
  rotate(group_links, ring);
  return slot;
}

std::uint32_t State::peek_takeable(const Queue& queue) const {
  if (queue.takeable == 0) return 0;
  const auto priority = static_cast<unsigned>(31 - __builtin_clz(queue.takeable));
  const List& ring = queue.rings[priority];
  const List& ready = queue.ready[priority];
  const bool from_ring = ring.head != 0 && (ready.head == 0 || queue.ring_turn);
  return from_ring ? groups[ring.head].waiting.head : ready.head;
}

void State::note_first(Queue& queue, std::uint32_t group) {
  if (!queue.ages.is_kept()) return;
  if (const auto slot = groups[group].waiting.head; slot != 0)
    queue.ages.note(messages[slot].id, group);
}

std::uint32_t State::oldest_ready(Queue& queue) {
  std::uint32_t oldest = 0;
  const auto consider = [&](std::uint32_t slot) {
    if (slot != 0 && (oldest == 0 || messages[slot].id < messages[oldest].id)) oldest = slot;
  };
  for (const auto& list : queue.ready) consider(list.head);
  // A number may be another queue's group by now, or none any more.
  const auto first = [&](std::uint32_t group) {
    return groups.reaches(group) && groups[group].queue == queue.slot
               ? messages[groups[group].waiting.head].id
               : MessageId();
  };
  if (queue.groups.size() > 0)
    if (const auto group = queue.ages.oldest(queue.groups, first); group != 0)
      consider(groups[group].waiting.head);
  return oldest;
}

// ---- ahead of time
// Keys in turn are groups and messages all over memory. What is needed for the next few of them is
// fetched at once, so that the waits for memory are one wait.

void State::fetch_groups(const Queue& queue, std::span<const MessageInput> inputs) const {
  if (queue.groups.size() < kFetched) return;
  std::array<std::size_t, kFetched> homes;
  std::array<std::uint32_t, kFetched> likely;
  for (std::size_t n = 0; n < inputs.size(); ++n) homes[n] = queue.groups.prefetch(inputs[n].group);
  for (std::size_t n = 0; n < inputs.size(); ++n)
    groups.fetch(likely[n] = queue.groups.guess(homes[n]));
  for (std::size_t n = 0; n < inputs.size(); ++n) messages.fetch(groups[likely[n]].waiting.tail);
}

void State::fetch(std::span<const LeaseToken> tokens) const {
  if (groups.size() < kFetched) return;
  for (const auto& token : tokens) messages.fetch(token.place);
}

void State::fetch(std::span<const std::uint32_t> slots) const {
  if (groups.size() < kFetched) return;  // what goes together lies together
  for (const auto slot : slots) messages.fetch(slot);
  for (const auto slot : slots) {
    leases.fetch(messages[slot].link);
    groups.fetch_head(messages[slot].group);
    index.fetch(messages[slot].id, messages[slot].page);
  }
}

void State::fetch_next(const Queue& queue) const {
  if (queue.takeable == 0 || queue.groups.size() < kFetched) return;
  const List& ring = queue.rings[static_cast<unsigned>(31 - __builtin_clz(queue.takeable))];
  // What goes now was fetched the last time, and the groups of what goes then.
  auto number = ring.head;
  const bool weighted = !queue.group_settings.empty();
  for (std::size_t n = 0; n < kFetched && number != 0; ++n, number = group_links[number].next)
    if (weighted && groups[number].weight > 1)
      messages.fetch(messages[groups[number].waiting.head].next);
  for (std::size_t n = 0; n < kFetched && number != 0; ++n, number = group_links[number].next)
    messages.fetch(groups[number].waiting.head);
  for (std::size_t n = 0; n < kFetched && number != 0; ++n, number = group_links[number].next)
    groups.fetch(number);
}

}  // namespace penstock::engine
