// What is kept in memory of a message, a lease, a group and a result. Bodies stay in the journal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "engine/command.h"
#include "engine/event.h"

namespace penstock::engine {

enum class MessageState : std::uint8_t { none, ready, leased, scheduled };

// For each message, waiting or not. One cache line: with many groups it lies anywhere in memory.
struct alignas(64) Message {
  MessageId id;
  LogPosition position;  // of its publish record
  std::uint64_t enqueued_us : 52 = 0;
  std::uint64_t priority : 4 = 0;
  MessageState state : 3 = MessageState::none;
  std::uint64_t task : 1 = 0;
  std::uint64_t cancelled : 1 = 0;  // a running task that was asked to stop
  std::uint64_t dying : 1 = 0;      // scheduled only to try the dead letters again
  std::uint64_t holds_group : 1 =
      0;  // leased, or waiting for a retry: counts against the group's limit
  std::uint32_t next = 0, prev = 0;  // in its ready list or its group's; unused else
  std::uint32_t bytes = 0;           // headers and body, as the journal holds them
  std::uint32_t queue = 0;           // queue slot
  std::uint32_t extra = 0;           // Extra slot, or 0
  std::uint32_t link = 0;            // leased: Lease slot; scheduled: timer
  std::uint32_t group = 0;           // Group slot, or 0
  std::uint16_t deliveries = 0;      // names the present lease
  std::uint16_t policy = 0;
  std::uint32_t page = 0;  // of the index: where its id is

  [[nodiscard]] Time enqueued_at() const {
    return time_from_micros(static_cast<std::int64_t>(enqueued_us));
  }
};
static_assert(sizeof(Message) == 64);

// Of a task that a worker could not run. While the process lives only: its history has the first.
struct Declined {
  static constexpr std::size_t kDeclinersMax = 32;

  std::uint32_t count = 0, waits = 0;  // how often it was, and had to wait then
  std::vector<SessionId> by;           // who did, as many as are kept
  std::string task;                    // its name
  std::string why;                     // what that one said
  Time kept_until{};  // for one that waited for it, or came and knows it: `by` have to wait so long

  [[nodiscard]] bool is_by(SessionId session) const {
    return std::ranges::find(by, session) != by.end();
  }
};

// What few messages need.
struct Extra {
  Time expires_at{};
  std::uint32_t expiry_timer = 0;
  LogPosition history{};  // of the newest record that carries its history
  std::uint32_t history_bytes = 0;
  std::uint16_t uncounted = 0;  // deliveries that are no attempts
  std::uint8_t spared = 0;      // losses with a worker that were not charged to it
  CauseCounts causes;           // of its attempts
  QueueId origin{};             // of a dead letter: where it came from
  std::uint32_t key = 0;        // the dedup entry that ends with it, or at its start
  bool moved = false;           // its queue is not the one it was published to
  bool suspect = false;         // it was lost with its worker, which may have been its doing
  MoveReason dying = MoveReason::none;  // of a dying one: of what
  std::unique_ptr<Progress> progress;
  std::unique_ptr<Declined> declined;
};

struct Lease {
  static constexpr unsigned kNamedBits = 61;

  Time since{};
  Time deadline{};    // zero: none
  SessionId owner{};  // none after a restart
  std::uint32_t message = 0;
  std::uint32_t timer = 0;
  std::uint32_t next = 0, prev = 0;  // the owner's leases
  std::uint64_t connection_bound : 1 = 0;
  std::uint64_t of_worker : 1 = 0;       // who has it says so soon after a restart
  std::uint64_t suspect : 1 = 0;         // of a suspect: see suspects.cc
  std::uint64_t named : kNamedBits = 0;  // by which settle it was named last
};
static_assert(sizeof(Lease) == 48);

// A run of slots, linked through their `next` and `prev`. The first one's `prev` says nothing: so
// the first of a list goes without a look at the second, which lies anywhere in memory.
struct List {
  std::uint32_t head = 0, tail = 0, count = 0;
};

// A session that holds leases.
struct Owner {
  List leases;
  std::uint32_t suspects = 0;  // leases of those
  std::uint32_t slots = 0;     // how much it does at once, as it said last; 0: not told
  std::uint32_t watched = 0;   // a lease of one that was given alone
  Time watched_until{};        // it gets nothing more before, and that one answers for its end
  bool refused = false;        // it was, something that it may have when it holds less
};

// What the end of each message of a group touches comes first, in one cache line; who comes or goes
// out needs the name, too.
struct alignas(64) Group {
  static constexpr std::uint8_t kNoRing = 255;

  List waiting;                 // ready messages, in order
  std::uint32_t members = 0;    // messages in any state; none: kept for its rate's sake
  std::uint32_t held = 0;       // of those, leased or kept in their place for a retry
  std::uint8_t ring = kNoRing;  // the priority whose ring it is in
  std::uint8_t priority = 0;    // of all that wait, unless they are mixed
  bool mixed = false;           // not all that wait have the same priority
  std::uint32_t served = 0;     // of its weight, since its turn came
  // What was set for it, or else its queue's.
  std::uint32_t weight = 1;
  std::uint32_t limit = 0;  // 0: none
  double rate = 0;          // 0: none
  std::uint32_t queue = 0;  // queue slot
  std::uint32_t timer = 0;  // when its rate has a token again; 0: it has one
  Time full_at{};           // all tokens of its rate are back

  std::string name;
};
static_assert(offsetof(Group, name) == 64);

// Where each group stands in its queue's ring of those that may deliver, or among those without
// messages: apart from the groups, so that one can walk ahead in a ring without touching them.
class GroupLinks {
 public:
  struct Link {
    std::uint32_t next = 0, prev = 0;
  };
  Link& operator[](std::uint32_t group) { return links_[group]; }
  const Link& operator[](std::uint32_t group) const { return links_[group]; }
  // Groups are numbered below `end`.
  void reach(std::uint32_t end) {
    if (links_.size() < end) links_.resize(end);
  }
  [[nodiscard]] std::uint64_t bytes() const { return links_.capacity() * sizeof(Link); }

 private:
  std::vector<Link> links_;
};

struct StoredResult {
  MessageId id;
  LogPosition position;
  Time at{}, enqueued_at{}, started_at{};
  std::uint32_t bytes = 0;
  std::uint32_t timer = 0;
  std::uint32_t next = 0, prev = 0;  // oldest first
  std::uint32_t attempts = 0;
  QueueId queue;
  TaskState state = TaskState::done;
  bool pinned = false;  // a workflow needs it; then it has no timer and no age
};

// A key that was taken: an idempotency key (rule none), or that of a KeyLimit.
struct DedupEntry {
  KeyHash key;
  MessageId id;  // who has it; of a throttle: who came last
  QueueId queue;
  std::uint32_t timer = 0;
  Time until{};  // zero: until its message is taken or ends
  KeyRule rule = KeyRule::none;
  struct Pace {
    Time first{};               // of a debounce: when the first of those came
    std::vector<Time> moments;  // of a throttle: the last ones that came in, in order
  };
  std::unique_ptr<Pace> pace;

  // It ends with a message, not at a time.
  [[nodiscard]] bool is_held() const {
    return rule == KeyRule::unique_start || rule == KeyRule::unique_done;
  }
  // How much it counts against the bound of keys.
  [[nodiscard]] std::uint32_t weight() const {
    return pace && pace->moments.size() > 1 ? static_cast<std::uint32_t>(pace->moments.size()) : 1;
  }
};

// Linked-list work on any slab whose objects have `next` and `prev`.
template <class Slab>
void push_back(Slab& slab, List& list, std::uint32_t slot) {
  slab[slot].prev = list.tail;
  slab[slot].next = 0;
  (list.tail != 0 ? slab[list.tail].next : list.head) = slot;
  list.tail = slot;
  ++list.count;
}
template <class Slab>
void insert_before(Slab& slab, List& list, std::uint32_t slot, std::uint32_t before) {
  if (before == 0) return push_back(slab, list, slot);
  const bool first = list.head == before;
  const auto prev = first ? 0 : slab[before].prev;
  slab[slot].prev = prev;
  slab[slot].next = before;
  slab[before].prev = slot;
  (first ? list.head : slab[prev].next) = slot;
  ++list.count;
}
// The first becomes the last.
template <class Slab>
void rotate(Slab& slab, List& list) {
  const auto first = list.head;
  if (first == list.tail) return;
  list.head = slab[first].next;
  slab[list.tail].next = first;
  slab[first].prev = list.tail;
  slab[first].next = 0;
  list.tail = first;
}
template <class Slab>
void unlink(Slab& slab, List& list, std::uint32_t slot) {
  const auto next = slab[slot].next;
  if (list.head == slot) {
    list.head = next;
    if (next == 0) list.tail = 0;
  } else {
    const auto prev = slab[slot].prev;
    slab[prev].next = next;
    (next != 0 ? slab[next].prev : list.tail) = prev;
  }
  slab[slot].next = slab[slot].prev = 0;
  --list.count;
}

}  // namespace penstock::engine
