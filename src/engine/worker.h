// Workers: programs that run tasks, as they tell of themselves, and what they are told to do.
//
// A worker announces itself on its session and then beats; when the session ends it is gone, and
// nothing of it is kept. Orders are kept, so that they hold for workers that come later, too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace penstock::engine {

inline constexpr std::uint32_t kWorkersMax = 4096;
inline constexpr std::size_t kWorkerQueuesMax = 64;
inline constexpr std::size_t kWorkerTasksMax = 2000;
inline constexpr std::size_t kWorkerBytesMax = 64 << 10;  // of its names
inline constexpr std::size_t kWorkerRunningMax = 256;     // told of one by one; all are counted
// A worker beats so often.
inline constexpr Duration kWorkerBeat = std::chrono::seconds(1);

enum class WorkerState : std::uint8_t { working, quiet, stopping };
[[nodiscard]] std::string_view name_of(WorkerState state);
[[nodiscard]] Result<WorkerState> parse_worker_state(std::string_view text);

struct RunningTask {
  MessageId id;
  std::string name;
  Time since{};
};

// What a worker is; said once on a session.
struct WorkerSpec {
  std::uint64_t id = 0;  // a random number that it chose when it started; never 0
  std::string name, host, program, library;  // the last two: versions
  std::uint32_t pid = 0;
  Time started_at{};
  std::vector<std::string> queues;
  std::vector<std::string> tasks;  // the names that it knows
  bool any_task = false;           // it runs whatever comes
};

// What a worker is doing; said again and again.
struct WorkerBeat {
  WorkerState state = WorkerState::working;
  std::uint32_t slots = 0;  // how many tasks it runs at once, at most
  std::uint64_t memory_bytes = 0;
  std::uint64_t done = 0, failed = 0, declined = 0;
  std::uint64_t running_count = 0;
  std::vector<RunningTask> running;  // the first of them
};

struct Worker {
  WorkerSpec spec;
  WorkerBeat beat;
  SessionId session;
  Time announced_at{}, beat_at{};

  [[nodiscard]] bool knows(std::string_view task) const;
  [[nodiscard]] bool serves(std::string_view queue) const;
};

enum class OrderKind : std::uint8_t { quiet, resume, stop, resize };
[[nodiscard]] std::string_view name_of(OrderKind kind);
[[nodiscard]] Result<OrderKind> parse_order_kind(std::string_view text);

// Who is meant: patterns with * and ?, of which an empty one fits everybody.
struct WorkerSelector {
  std::string name, queue, version;  // one of its queues; of the program or the library
  [[nodiscard]] bool fits(const WorkerSpec& worker) const;
  [[nodiscard]] bool fits_all() const { return name.empty() && queue.empty() && version.empty(); }
  bool operator==(const WorkerSelector&) const = default;
};

struct WorkerOrderSpec {
  OrderKind kind = OrderKind::quiet;
  std::uint32_t slots = 0;  // of a resize
  WorkerSelector who;
};

struct WorkerOrder {
  std::uint64_t number = 0;
  OrderKind kind = OrderKind::quiet;
  std::uint32_t slots = 0;
  WorkerSelector who;
  Time at{};
  std::vector<std::uint64_t> targets;  // of a stop: the ids of those that were there
};

// What all orders together say to one worker, and of what it said that it runs, what it should
// stop.
struct WorkerTold {
  bool quiet = false, stop = false;
  std::uint32_t slots = 0;  // 0: as it likes
  std::vector<MessageId> cancelled{};
  bool operator==(const WorkerTold&) const = default;
};

struct WorkersOrdered {
  std::uint64_t number = 0;   // of the order; 0: it had nobody to go to, and is not kept
  std::uint32_t workers = 0;  // that are there, and meant
};

// `*` fits any run of characters, `?` one of them. In the time of their product at most.
[[nodiscard]] bool fits_pattern(std::string_view pattern, std::string_view text);

}  // namespace penstock::engine
