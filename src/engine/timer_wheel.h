// A hierarchical timer wheel: any number of timers, set and cancelled in constant time, 24 bytes
// each.
//
// A tick is one millisecond; five levels of 256 slots reach 34 years. A timer further off than that
// waits in the last slot and is set again when it comes round. Timers never fire early; they fire
// in the order of their ticks, and within one tick in the order in which they were set: what was
// published first expires first.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"
#include "engine/slab.h"

namespace penstock::engine {

enum class TimerKind : std::uint8_t {
  none,
  message_due,       // a scheduled message, or the end of a lease: payload = message slot
  message_expires,   // payload = message slot
  result_expires,    // payload = result slot
  dedup_expires,     // payload = dedup slot
  take_expires,      // a waiting take: payload = take slot
  watch_expires,     // a wait for a task: payload = watch slot
  queue_rate,        // tokens are back: payload = queue number
  queue_expires,     // it may have been unused for too long: payload = queue number
  workflow_expires,  // it ended long ago: payload = its number
  schedule_due,      // payload = schedule slot
  group_rate,        // a group has a token again: payload = group slot
  workers_are_back,  // those that outlived the server have said by now what they hold
  queue_company,     // a suspect has waited, or run, alone for long enough: payload = queue number
};

class TimerWheel {
 public:
  explicit TimerWheel(Time start);

  [[nodiscard]] std::uint32_t set(Time when, TimerKind kind, std::uint32_t payload);
  void cancel(std::uint32_t timer);
  [[nodiscard]] Time when(std::uint32_t timer) const;

  struct Fired {
    TimerKind kind = TimerKind::none;
    std::uint32_t payload = 0;
  };
  // The next timer due at `now`, taken out of the wheel; kind none when there is none (any more).
  [[nodiscard]] Fired pop(Time now);
  // No timer is due before this; exact within the coming quarter of a second, else a time to look
  // again.
  [[nodiscard]] Time next() const;

  // As Slab::tidy().
  void tidy() { nodes_.tidy(); }
  [[nodiscard]] std::uint32_t size() const { return nodes_.size(); }
  [[nodiscard]] std::uint64_t bytes() const { return nodes_.bytes() + sizeof(*this); }

 private:
  static constexpr unsigned kLevels = 5;
  static constexpr unsigned kSlotBits = 8;
  static constexpr std::uint32_t kSlots = 1u << kSlotBits;
  static constexpr std::uint64_t kSlotMask = kSlots - 1;
  // One slot of the top level short of a whole turn, so that a far timer never lands in the present
  // slot.
  static constexpr std::uint64_t kReach =
      (1ull << (kLevels * kSlotBits)) - (1ull << ((kLevels - 1) * kSlotBits));

  struct Node {
    std::uint64_t tick = 0;
    std::uint32_t payload = 0;
    std::uint32_t next = 0;  // 0: last of its slot
    std::uint32_t prev = 0;  // 0: first of its slot
    std::uint16_t slot = 0;  // level * 256 + slot
    TimerKind kind = TimerKind::none;
  };
  static_assert(sizeof(Node) == 24);

  void link(std::uint32_t index);
  void unlink(std::uint32_t index);
  // Brings the timers of the slots that start now down to finer levels.
  void cascade();
  // The first tick after the present one at which a slot of some level has something; nothing if
  // none.
  [[nodiscard]] std::uint64_t next_tick() const;
  [[nodiscard]] int next_used(unsigned level, std::uint32_t from) const;

  // A slot's timers, in the order in which they were set. A coarser slot is brought down before
  // anything is set in the finer ones that it covers: the order holds across levels.
  struct Slot {
    std::uint32_t first = 0, last = 0;
  };

  Slab<Node> nodes_;
  std::array<Slot, kLevels * kSlots> slots_{};
  std::array<std::array<std::uint64_t, kSlots / 64>, kLevels> used_{};
  std::uint64_t tick_;  // everything before it has fired
};

}  // namespace penstock::engine
