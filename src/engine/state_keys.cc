// Keys that were taken: idempotency keys, and those of unique, debounced and throttled messages.
//
// One table. An entry ends when its time is over; that of a unique message when the message is
// first taken, or ends, whichever its rule says.
#include <algorithm>

#include "engine/state.h"

namespace penstock::engine {

std::uint32_t State::find_key(const KeyHash& key) const {
  const auto found = key_index_.find(key);
  return found == key_index_.end() ? 0 : found->second;
}

std::uint32_t State::add_key(const KeyHash& key, MessageId id, Queue& queue, Time until) {
  if (const auto old = find_key(key); old != 0) forget_key(old);
  const auto slot = keys.take();
  DedupEntry& entry = keys[slot];
  entry.key = key;
  entry.id = id;
  entry.queue = queue.id;
  entry.until = until;
  if (until != Time{}) entry.timer = wheel.set(until, TimerKind::dedup_expires, slot);
  key_index_[key] = slot;
  count_keys(&queue, 1);
  return slot;
}

void State::count_keys(Queue* queue, std::int64_t by) {
  if (queue != nullptr) queue->dedup_keys += static_cast<std::uint32_t>(by);
  key_weight += static_cast<std::uint64_t>(by);
}

void State::take_key(const KeyHold& hold, std::uint32_t message) {
  const auto id = messages[message].id;
  Queue& queue = queue_at(messages[message].queue);
  std::unique_ptr<DedupEntry::Pace> pace;
  auto until = hold.until;
  if (hold.rule == KeyRule::debounce || hold.rule == KeyRule::throttle) {
    const auto known = find_key(hold.key);
    if (known != 0 && keys[known].rule == hold.rule && keys[known].queue == queue.id) {
      count_keys(&queue, 1 - std::int64_t{keys[known].weight()});  // its moments move
      until = std::max(until, hold.rule == KeyRule::throttle ? keys[known].until : Time{});
      pace = std::move(keys[known].pace);
    }
    if (!pace) pace = std::make_unique<DedupEntry::Pace>();
    note_pace(*pace, hold);
  }
  const auto slot = add_key(hold.key, id, queue, until);
  DedupEntry& entry = keys[slot];
  entry.rule = hold.rule;
  entry.pace = std::move(pace);
  count_keys(&queue, std::int64_t{entry.weight()} - 1);
  if (entry.is_held()) extra_of(message).key = slot;
}

void State::note_pace(DedupEntry::Pace& pace, const KeyHold& hold) {
  if (hold.rule == KeyRule::debounce) {
    pace.first = hold.since;
    return;
  }
  auto& moments = pace.moments;
  moments.insert(std::ranges::upper_bound(moments, hold.since), hold.since);
  if (moments.size() > hold.most)
    moments.erase(moments.begin(),
                  moments.end() - static_cast<std::ptrdiff_t>(std::size_t{hold.most}));
}

void State::forget_key(std::uint32_t slot) {
  DedupEntry& entry = keys[slot];
  count_keys(find_queue(entry.queue), -std::int64_t{entry.weight()});
  if (entry.timer != 0) wheel.cancel(entry.timer);
  if (entry.is_held())
    if (const auto message = index.find(entry.id); message != 0) extra_of(message).key = 0;
  key_index_.erase(entry.key);
  entry = {};
  keys.give_back(slot);
}

// The message has its unique key no longer.
void State::release_key(std::uint32_t message) {
  const auto extra = messages[message].extra;
  if (extra != 0 && extras[extra].key != 0) forget_key(extras[extra].key);
}

// After a checkpoint: its messages are there now. False: one of them is not.
bool State::link_keys() {
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) {
    if (!keys[slot].key || !keys[slot].is_held()) continue;
    const auto message = index.find(keys[slot].id);
    if (message == 0 || messages[message].queue != queue_slot(keys[slot].queue)) return false;
    Extra& extra = extra_of(message);
    const bool taken = messages[message].deliveries != 0;
    if (extra.key != 0 || (taken && keys[slot].rule == KeyRule::unique_start)) return false;
    extra.key = slot;
  }
  return true;
}

void State::check_keys() const {
  CHECK(key_index_.size() == keys.size());
  std::vector<std::uint64_t> weights(queues.size());
  std::uint64_t all = 0;
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) {
    const DedupEntry& entry = keys[slot];
    if (!entry.key) continue;
    CHECK(find_key(entry.key) == slot && (entry.until == Time{}) == entry.is_held());
    CHECK(entry.is_held() || entry.timer != 0);
    CHECK((entry.pace != nullptr) ==
          (entry.rule == KeyRule::debounce || entry.rule == KeyRule::throttle));
    all += entry.weight();
    if (const auto queue = queue_slot(entry.queue); queue != 0) weights[queue] += entry.weight();
    if (!entry.is_held()) continue;
    const auto message = index.find(entry.id);
    CHECK(message != 0 && extras[messages[message].extra].key == slot);
    CHECK(entry.rule == KeyRule::unique_done || messages[message].deliveries == 0);
  }
  for (std::size_t slot = 0; slot < queues.size(); ++slot)
    CHECK(!queues[slot] || queues[slot]->dedup_keys == weights[slot]);
  CHECK(key_weight == all);
}

}  // namespace penstock::engine
