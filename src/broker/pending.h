// Replies on their way out: made when the engine decided, released when that is durable.
#pragma once

#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "broker/reply.h"
#include "engine/effect.h"

namespace penstock::broker {

// Replies that own what they tell, for as long as they wait.
struct OwnedPublished {
  MessageId first;             // of a single message
  std::vector<MessageId> ids;  // of several
  std::uint32_t duplicates = 0;
};

struct OwnedBrowse {
  struct Entry {
    engine::Leased message;
    std::string queue;
    std::string_view state;
    Time not_before{};
    std::string headers, body, history;
  };
  std::vector<Entry> entries;
  std::uint64_t bytes = 0;  // of them, about
};

struct OwnedTask {
  TaskStatus status;
  std::string name, queue, result, error, history, workflow, declined;
  [[nodiscard]] std::uint64_t bytes() const {
    return result.size() + error.size() + history.size() + workflow.size() + declined.size();
  }
  // What it tells, in views of this.
  [[nodiscard]] TaskStatus view() const {
    TaskStatus told = status;
    told.name = name;
    told.queue = queue;
    told.result = result;
    told.error = error;
    told.history = history;
    told.workflow = workflow;
    told.declined = declined;
    return told;
  }
};

struct OwnedTasks {
  std::vector<OwnedTask> tasks;
};

struct OwnedTaskLog {
  MessageId id;
  std::vector<engine::LogLine> lines;
  bool ended = false;
  std::uint64_t bytes = 0;  // of them, about
};

struct OwnedQueues {
  std::vector<engine::QueueStatistics> queues;
};

// Not answered yet: the answer will own copies of bodies, and waits until there is room for them.
struct AskedBrowse {
  std::string queue;
  std::uint32_t limit = 0;
};
struct AskedTask {
  MessageId id;
};
struct AskedLog {
  MessageId id;
  std::uint64_t after = 0;
};

using PendingReply =
    std::variant<OwnedPublished, Refused, Error, engine::TakeAnswer, Settled, OwnedBrowse,
                 OwnedTask, OwnedTasks, OwnedQueues, Done, OwnedTaskLog, engine::WorkerTold,
                 engine::WorkersOrdered, engine::Redriven, engine::Happened, engine::SessionEnded,
                 AskedBrowse, AskedTask, AskedLog>;

// Of bodies, in what a reply owns.
[[nodiscard]] std::uint64_t copied_bytes(const PendingReply& reply);

struct Pending {
  LogPosition after;  // everything before this position must be durable first
  SessionId session;
  Tag tag = 0;
  PendingReply reply;
};

}  // namespace penstock::broker
