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
};

struct OwnedTask {
  TaskStatus status;
  std::string name, queue, result, error, history;
};

struct OwnedQueues {
  std::vector<engine::QueueStatistics> queues;
};

using PendingReply =
    std::variant<OwnedPublished, Refused, Error, engine::TakeAnswer, Settled, OwnedBrowse,
                 OwnedTask, OwnedQueues, Done, engine::Happened, engine::SessionEnded>;

struct Pending {
  LogPosition after;  // everything before this position must be durable first
  SessionId session;
  Tag tag = 0;
  PendingReply reply;
};

}  // namespace penstock::broker
