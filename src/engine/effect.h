// What the engine wants told to the outside, once everything decided so far is durable.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/command.h"

namespace penstock::engine {

// A publish that may not come in now.
struct Refusal {
  std::string queue;
  std::string_view reason;  // "max_length", "max_bytes", "max_wait", "dedup_window"
  std::string message;
  Duration retry_after{0};
  bool may_block = false;  // the queue's overflow policy is to hold the publish until there is room
};

inline constexpr std::uint64_t kNoOffset = ~0ull;

// One message on its way to a consumer, as it was when it was leased. A stream's message has an
// offset, and no lease.
struct Leased {
  MessageId id;
  LogPosition position;
  std::uint32_t slot = 0;  // where it was; it may have gone since
  LeaseToken lease;
  QueueId queue;
  std::uint32_t attempts = 0;
  std::uint32_t bytes = 0;  // headers and body, as they are kept
  std::uint8_t priority = 0;
  bool task = false;
  bool step = false;         // of a workflow
  bool redelivered = false;  // somebody had it before
  Time enqueued_at, deadline, expires_at;
  std::string group;
  std::uint64_t offset = kNoOffset;
};

// The answer to a take, or what a consumer gets.
struct TakeAnswer {
  SessionId session;
  std::uint64_t tag = 0;
  std::vector<Leased> messages;
  std::uint64_t left = 0;         // ready in the queue behind them
  std::uint64_t relocations = 0;  // the state's, when their positions were right
};

// A consumer's queue is gone, and the consumer with it.
struct ConsumerEnded {
  SessionId session;
  std::uint64_t tag = 0;
};

// Its user lost something that it had: the session holds nothing any more, and may ask nothing.
struct SessionEnded {
  SessionId session;
  std::string reason;
};

// A task that somebody waits for has ended, or the wait has; or it said something more.
struct WatchAnswer {
  SessionId session;
  std::uint64_t tag = 0;
  MessageId id;
  std::optional<std::uint64_t> log_after{};  // who waits wants its log, behind that line
};

// Room was made in a queue for which publishes are held back.
struct RoomMade {
  QueueId queue;
};

// For those who watch.
struct Happened {
  std::string_view kind;
  std::string queue;
  MessageId id;
  std::string detail;
  Time at;
};

using Effect =
    std::variant<TakeAnswer, ConsumerEnded, SessionEnded, WatchAnswer, RoomMade, Happened>;

}  // namespace penstock::engine
