// What a checkpoint tells of limits by key: who has which key, and what was set for groups.
#include <algorithm>

#include "base/canary.h"
#include "engine/state.h"

namespace penstock::engine {
namespace {

void put(Encoder& out, Time time) {
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
}

bool is_kept(const DedupEntry& entry) {
  return entry.key && entry.rule != KeyRule::none && entry.queue.value < kTransientQueue &&
         !CANARY(lose_unique_key);
}

}  // namespace

void State::encode_limits(Encoder& out) const {
  std::uint64_t count = 0;
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) count += is_kept(keys[slot]);
  out.varint(count);
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) {
    const DedupEntry& entry = keys[slot];
    if (!is_kept(entry)) continue;
    out.integer(static_cast<std::uint8_t>(entry.rule))
        .integer(entry.key.low)
        .integer(entry.key.high)
        .varint(entry.id.value)
        .varint(entry.queue.value);
    const bool stretched = CANARY(stretch_unique_time) && entry.rule == KeyRule::unique_for;
    if (!entry.is_held()) put(out, entry.until + std::chrono::seconds(stretched ? 5 : 0));
    if (entry.rule == KeyRule::debounce) put(out, entry.pace->first);
    if (entry.rule != KeyRule::throttle) continue;
    out.varint(entry.pace->moments.size());
    for (const auto moment : entry.pace->moments) put(out, moment);
  }
  std::uint64_t groups_set = 0;
  for (const auto& queue : queues)
    if (queue && !queue->transient() && !CANARY(forget_group_setting))
      groups_set += queue->group_settings.size();
  out.varint(groups_set);
  for (const auto& queue : queues) {
    if (!queue || queue->transient() || CANARY(forget_group_setting)) continue;
    for (const auto& [name, setting] : queue->group_settings) {
      out.varint(queue->id.value).text(name);
      encode_group_setting(out, setting);
    }
  }
}

bool State::restore_limits(Cursor& in) {
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_limit(in)) return false;
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_group(in)) return false;
  return in.ok();
}

bool State::restore_limit(Cursor& in) {
  const auto rule = in.integer<std::uint8_t>();
  KeyHash key;
  key.low = in.integer<std::uint64_t>();
  key.high = in.integer<std::uint64_t>();
  const MessageId id(in.varint());
  Queue* queue = find_queue(QueueId(in.varint_of<std::uint32_t>()));
  if (!in.ok() || rule < static_cast<std::uint8_t>(KeyRule::unique_start) ||
      rule > static_cast<std::uint8_t>(KeyRule::throttle) || !key || find_key(key) != 0 || !id ||
      id.value >= next_message || queue == nullptr)
    return false;
  DedupEntry told;
  told.rule = static_cast<KeyRule>(rule);
  if (!told.is_held()) told.until = time(in);
  if (told.rule == KeyRule::debounce || told.rule == KeyRule::throttle)
    told.pace = std::make_unique<DedupEntry::Pace>();
  if (told.rule == KeyRule::debounce) told.pace->first = time(in);
  if (told.rule == KeyRule::throttle) {
    auto& moments = told.pace->moments;
    const auto count = in.varint();
    if (count == 0 || count > kThrottleMost) return false;
    for (std::uint64_t n = 0; n < count; ++n) moments.push_back(time(in));
    if (!std::ranges::is_sorted(moments)) return false;
  }
  if (!in.ok() || (told.until == Time{}) != told.is_held()) return false;
  const auto slot = add_key(key, id, *queue, told.until);
  keys[slot].rule = told.rule;
  keys[slot].pace = std::move(told.pace);
  count_keys(queue, std::int64_t{keys[slot].weight()} - 1);
  return true;
}

bool State::restore_group(Cursor& in) {
  GroupSetEvent event;
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.name = in.text();
  if (!decode_group_setting(in, event.setting) || event.name.empty()) return false;
  const Queue* queue = find_queue(event.queue);
  if (queue == nullptr || queue->group_settings.contains(event.name)) return false;
  apply(event);
  return true;
}

}  // namespace penstock::engine
