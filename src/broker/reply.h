// What comes back from the broker. Nothing here reaches a session before the records that justify
// it are durable. Views and spans live until the call that hands the reply over returns.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "engine/command.h"
#include "engine/effect.h"
#include "engine/statistics.h"
#include "engine/task_log.h"
#include "engine/worker.h"

namespace penstock::broker {

using Tag = std::uint64_t;  // chosen by the session, given back with the reply

// A publish came in; one without ids went nowhere, for no queue is bound for it. Ids are in the
// order of the messages; a repeated idempotency key gives the id of the first message that carried
// it.
struct Published {
  std::span<const MessageId> ids;
  std::uint32_t duplicates = 0;
};

// Not now. Every refusal says when to come back.
struct Refused {
  std::string queue;
  std::string reason;   // "max_length", "max_bytes", "max_wait", "dedup_window", "disk", "memory"
  std::string message;  // for a person
  Duration retry_after{0};
};

struct Delivery {
  MessageId id;
  engine::LeaseToken lease;
  std::string_view queue;
  std::uint32_t attempts = 0;  // this one included
  std::uint32_t bytes = 0;     // as they are kept
  bool redelivered = false;    // somebody had it before
  std::uint8_t priority = 0;
  bool task = false;
  Time enqueued_at;
  Time deadline;    // of the lease
  Time expires_at;  // zero = never
  std::string_view group;
  std::uint64_t offset = engine::kNoOffset;  // in a stream; then there is no lease
  ByteView headers;
  ByteView body;
};

// The answer to a take: what it got; nothing when the wait ran out. Or what a consumer gets.
struct Delivered {
  std::span<const Delivery> messages;
  std::uint64_t left = 0;  // ready in the queue, behind them
};

// The answer to a settle or extend. A lease that ran out, or was never given, is lost: its message
// belongs to someone else now.
struct Settled {
  std::uint32_t settled = 0;
  std::uint32_t lost = 0;
  bool cancelled = false;  // of an extend or progress: the task was cancelled, stop
  Time deadline{};         // of an extend
};

// One message without taking it; `history` is JSON: [{"attempt","at","cause","reason","error"}];
// `cause` is not there where an attempt did not fail. A message whose record does not hold is
// "damaged", and shown without headers and body.
struct BrowsedMessage {
  Delivery message;
  std::string_view state;  // "ready", "leased", "scheduled", "damaged"
  Time not_before{};
  std::string_view history;
};
struct Browsed {
  std::span<const BrowsedMessage> messages;
};

struct TaskStatus {
  MessageId id;
  engine::TaskState state = engine::TaskState::unknown;  // unknown: never was, or forgotten
  std::string_view name;
  std::string_view queue;
  std::uint32_t attempts = 0;
  Time enqueued_at{}, started_at{}, finished_at{}, next_attempt_at{};
  std::string_view result;   // JSON, when done
  std::string_view error;    // the last error
  std::string_view history;  // JSON, as in BrowsedMessage
  engine::Progress progress;
  bool cancel_requested = false;
  // Why it waits longer than it would have to: what the worker said that could not run it.
  std::string_view declined;
  std::uint32_t declined_count = 0;
  // Of a workflow: JSON {"state","on_failure","steps","done","failed","active","tree"}; `result` is
  // its value, or of one that failed the error of the step that did.
  std::string_view workflow;
};

// Of a list: without trees and results.
struct Tasks {
  std::span<const TaskStatus> tasks;
};

// What is set for one group of a queue, and how it stands.
struct GroupStatus {
  std::string_view name;
  engine::GroupSetting setting;
  std::uint64_t ready = 0, held = 0;  // held: leased, or waiting for another attempt
};

// What a task said, behind the line that was asked for.
struct TaskLog {
  MessageId id;
  std::span<const engine::LogLine> lines;
  bool ended = false;  // the task has, and says no more
};

struct Queues {
  std::span<const engine::QueueStatistics> queues;
};

// Of declare, set, delete, pause, resume, purge, redrive, cancel: how many things it touched.
struct Done {
  std::uint64_t count = 0;
  bool created = false;
  bool changed = false;  // of a schedule that was put
};

using Reply =
    std::variant<Published, Refused, Error, Delivered, Settled, Browsed, TaskStatus, Tasks, Queues,
                 Done, TaskLog, engine::WorkerTold, engine::WorkersOrdered, engine::Redriven>;

}  // namespace penstock::broker
