// What may be asked of the engine. Views are read during the call only.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "engine/key_limit.h"
#include "engine/options.h"

namespace penstock::engine {

// What one message decides for itself, over its queue's options.
struct Policy {
  std::optional<std::uint32_t> max_attempts;  // 0 = no limit
  std::optional<flow::Backoff> backoff;
  std::optional<Duration> lease;
  std::optional<Duration> result_ttl;  // of a task's result; 0 = keep none

  bool operator==(const Policy&) const = default;
  [[nodiscard]] bool empty() const { return *this == Policy{}; }
};

struct MessageInput {
  ByteView body;
  ByteView headers;           // as HeaderWriter makes them
  std::uint8_t priority = 0;  // 0..kPriorityMax, higher first; more than the queue has is its most
  bool task = false;          // its end stores a result
  Time not_before{};          // zero = at once
  Time expires_at{};          // zero = as the queue's ttl says
  bool soonest_expiry = false;  // of expires_at and the queue's ttl; else expires_at decides
  std::string_view key;         // idempotency key; empty = none
  std::string_view group;       // empty = none
  KeyLimit limit;               // unique, debounced or throttled by a key
  Policy policy;
};

// All messages or none. The queue is created with the defaults when it is not there.
struct Publish {
  std::string_view queue;
  std::span<const MessageInput> messages;
};

// One message to wherever an exchange sends it: to all of those queues, or to none.
struct RoutedPublish {
  std::string_view exchange;               // scoped (names.h)
  std::span<const std::string_view> keys;  // the routing key, then those of CC and BCC
  MessageInput message;
  bool dead_letter = false;  // of the engine's own
};

struct Take {
  std::vector<std::string> queues;  // in this order of preference
  std::uint32_t max = 1;
  Duration lease{0};             // 0 = the message's or the queue's own
  Time wait_until{};             // answer empty-handed then; zero = at once
  bool connection_bound = true;  // leases come back at once when the session ends
  bool unlimited = false;        // leases last until they are settled or the session ends
  std::uint32_t slots = 0;       // how much the session's worker does at once; 0: not told
};

// Where reading a stream begins.
struct StreamStart {
  enum class Kind : std::uint8_t { first, last, next, offset, time };
  Kind kind = Kind::next;
  std::uint64_t offset = 0;
  Time at{};  // the first message that came then or later
};

// Messages are sent as they come, as long as there is credit. Leases last until they are settled
// or the session ends.
struct Consume {
  std::string_view queue;
  std::int64_t credit = 0;  // messages that may be sent before more is given
  std::int64_t bytes = 0;   // and bytes; the message that uses them up is sent
  std::uint64_t pool = 0;   // credit that several consumers of the session share; 0 = none
  std::int32_t priority = 0;
  bool exclusive = false;  // fails while there are others; others fail while it is there
  StreamStart start;       // of a stream
};

// Names one lease: which message, and which of its deliveries. `seal` proves that the engine gave
// it. `place` is where the engine had the message then: who brings it back spares the search; it
// proves nothing, and is checked.
struct LeaseToken {
  MessageId id;
  std::uint32_t delivery = 0;
  std::uint64_t seal = 0;
  std::uint32_t place = 0;  // 0: not known
};

enum class Outcome : std::uint8_t {
  ack,        // done
  nack,       // try again, after `delay` or the backoff
  reject,     // never again: to the dead letters
  give_back,  // not tried at all: ready again at once, the attempt does not count
  requeue,    // ready again at once, in its place; the attempt counts
  decline     // a task that this worker cannot run: later, for another; the attempt does not count
};

// Which of a queue's dead letters go back.
struct Redrive {
  std::uint32_t max = 0;        // 0: all
  std::string_view error = {};  // in the text of the last failure; empty: any
  std::string_view task = {};   // its name; empty: any, and plain messages
  MessageId after = {};         // those beyond it only
};

// What that came to: those beyond `next` were not looked at yet; none: that was all.
struct Redriven {
  std::uint64_t moved = 0;
  MessageId next{};
};

// A queue is removed only if that is so.
struct RemoveIf {
  bool unused = false, empty = false;
};

struct WorkflowInput;  // workflow.h

struct Settle {
  std::span<const LeaseToken> leases;
  Outcome outcome = Outcome::ack;
  std::optional<Duration> delay;   // of a nack; nothing = the backoff
  std::string_view error;          // of a nack or reject: kept in the history
  Cause cause = Cause::none;       // of a nack or reject: kept with it; none = raised
  ByteView result;                 // of an acked task: its value, as JSON
  std::span<const Publish> sends;  // committed with the settle, or not at all
  // Of one acked task: a workflow in its place, whose value is the task's result.
  const WorkflowInput* replacement = nullptr;
};

enum class TaskState : std::uint8_t {
  unknown,
  scheduled,
  queued,
  running,
  retrying,
  done,
  failed,
  cancelled,
  expired,
  waiting  // for the steps before it in its workflow
};
[[nodiscard]] std::string_view name_of(TaskState state);
[[nodiscard]] constexpr bool is_final(TaskState state) {
  return state >= TaskState::done && state <= TaskState::expired;
}

struct Progress {
  double value = 0;
  double total = 0;
  std::string text;
};

}  // namespace penstock::engine
