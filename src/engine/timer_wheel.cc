#include "engine/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace penstock::engine {
namespace {

constexpr std::uint64_t kNever = ~0ull;

std::uint64_t tick_at_or_after(Time when) {
  const auto us = std::max<std::int64_t>(micros(when), 0);
  return static_cast<std::uint64_t>(us / 1000 + (us % 1000 != 0));
}
std::uint64_t tick_before(Time now) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(micros(now), 0) / 1000);
}

// A time at the end of all times was rounded up to a tick beyond it.
Time time_of(std::uint64_t tick) {
  constexpr std::uint64_t kLast = std::numeric_limits<std::int64_t>::max() / 1000;
  return time_from_micros(static_cast<std::int64_t>(std::min(tick, kLast)) * 1000);
}

}  // namespace

TimerWheel::TimerWheel(Time start) : tick_(tick_before(start)) {}

std::uint32_t TimerWheel::set(Time when, TimerKind kind, std::uint32_t payload) {
  const auto index = nodes_.take();
  Node& node = nodes_[index];
  node.tick = tick_at_or_after(when);
  node.kind = kind;
  node.payload = payload;
  link(index);
  return index;
}

void TimerWheel::cancel(std::uint32_t timer) {
  unlink(timer);
  nodes_.give_back(timer);
}

Time TimerWheel::when(std::uint32_t timer) const {
  return time_of(nodes_[timer].tick);
}

void TimerWheel::link(std::uint32_t index) {
  Node& node = nodes_[index];
  const auto tick = std::clamp(node.tick, tick_, tick_ + kReach);
  // The level is that of the highest digit in which the timer's tick differs from the present one.
  const auto differs = tick ^ tick_;
  unsigned level =
      differs == 0 ? 0 : static_cast<unsigned>(63 - std::countl_zero(differs)) / kSlotBits;
  auto digit = tick >> (std::min(level, kLevels - 1) * kSlotBits) & kSlotMask;
  if (level >=
      kLevels) {  // the top digit wraps: the slot just behind the present one comes round last
    level = kLevels - 1;
    digit = tick >> (level * kSlotBits) & kSlotMask;
  }
  node.slot = static_cast<std::uint16_t>(level * kSlots + digit);
  Slot& slot = slots_[node.slot];
  node.next = 0;
  node.prev = slot.last;
  (node.prev != 0 ? nodes_[node.prev].next : slot.first) = index;
  slot.last = index;
  used_[level][digit / 64] |= 1ull << digit % 64;
}

void TimerWheel::unlink(std::uint32_t index) {
  const Node& node = nodes_[index];
  Slot& slot = slots_[node.slot];
  CHECK(node.prev != 0 || slot.first == index);
  (node.prev != 0 ? nodes_[node.prev].next : slot.first) = node.next;
  (node.next != 0 ? nodes_[node.next].prev : slot.last) = node.prev;
  if (slot.first == 0) {
    const auto digit = node.slot & kSlotMask;
    used_[node.slot / kSlots][digit / 64] &= ~(1ull << digit % 64);
  }
}

TimerWheel::Fired TimerWheel::pop(Time now) {
  const auto limit = tick_before(now);
  for (;;) {
    if (const auto index = slots_[tick_ & kSlotMask].first; index != 0 && tick_ <= limit) {
      const Fired fired{nodes_[index].kind, nodes_[index].payload};
      cancel(index);
      return fired;
    }
    const auto next = std::min(next_tick(), limit + 1);
    if (next <= tick_) return {};  // nothing is due; tick_ stays the first that has not fired
    if (next > limit) {
      // Stop at the limit itself, so that a timer set for this very tick still fires in it.
      if (tick_ < limit) tick_ = limit, cascade();
      if (slots_[tick_ & kSlotMask].first == 0) return {};
      continue;
    }
    tick_ = next;
    cascade();
  }
}

void TimerWheel::cascade() {
  for (unsigned level = kLevels - 1; level > 0; --level) {
    const auto slot = level * kSlots + (tick_ >> (level * kSlotBits) & kSlotMask);
    // A timer beyond the wheel's reach is linked again, as far off as the wheel goes.
    auto index = slots_[slot].first;
    while (index != 0) {
      const auto next = nodes_[index].next;
      unlink(index);
      link(index);
      index = next;
    }
  }
}

int TimerWheel::next_used(unsigned level, std::uint32_t from) const {
  if (from >= kSlots) return -1;
  auto word = from / 64;
  auto bits = used_[level][word] & (~0ull << from % 64);
  for (;;) {
    if (bits != 0)
      return static_cast<int>(word * 64 + static_cast<unsigned>(std::countr_zero(bits)));
    if (++word == kSlots / 64) return -1;
    bits = used_[level][word];
  }
}

std::uint64_t TimerWheel::next_tick() const {
  for (unsigned level = 0; level < kLevels; ++level) {
    const auto shift = level * kSlotBits;
    const auto present = static_cast<std::uint32_t>(tick_ >> shift & kSlotMask);
    if (const int digit = next_used(level, present + 1); digit >= 0) {
      const auto base = tick_ >> shift & ~kSlotMask;
      return (base | static_cast<std::uint64_t>(digit)) << shift;
    }
  }
  // Only wrapped slots of the top level are left, if anything is.
  constexpr auto shift = (kLevels - 1) * kSlotBits;
  const auto present = static_cast<std::uint32_t>(tick_ >> shift & kSlotMask);
  const int digit = next_used(kLevels - 1, 0);
  if (digit < 0 || static_cast<std::uint32_t>(digit) > present) return kNever;
  const auto turn = (tick_ >> shift & ~kSlotMask) + kSlots;
  return (turn | static_cast<std::uint64_t>(digit)) << shift;
}

Time TimerWheel::next() const {
  if (slots_[tick_ & kSlotMask].first != 0) return time_of(tick_);
  const auto tick = next_tick();
  if (tick == kNever) return Time::max();
  return time_of(tick);
}

}  // namespace penstock::engine
