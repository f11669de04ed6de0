// What tasks, jobs, queues and workers may be told. All of these are aggregates, to be written with
// designated initialisers; a field that is left out keeps its default, or the queue's own setting
// where the type is an optional.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "penstock/error.hpp"
#include "penstock/retry.hpp"

namespace penstock {

using TimePoint = std::chrono::system_clock::time_point;
using Headers = std::vector<std::pair<std::string, std::string>>;

// Where a task runs: on one of the workers' threads, or in a process of its own, which may crash,
// run out of memory or have to be killed without taking anything else with it.
enum class Isolation : std::uint8_t { thread, process };

// Of one attempt in a process of its own.
struct ProcessLimits {
  std::uint64_t memory_bytes =
      0;                 // of address space, beyond what the process begins with; 0 = none
  Duration cpu_time{0};  // counted in seconds; 0 = none
  // From its stop token to SIGKILL.
  Duration grace = std::chrono::seconds(5);
};

struct TaskOptions {
  std::string queue = "default";
  std::optional<std::uint32_t> max_attempts = {};  // 0 = no limit
  std::optional<Backoff> backoff = {};
  // By the type of what the task throws; the first that fits, else `backoff`.
  std::vector<RetryRule> retry = {};
  // How long a worker may be silent before the task is given to another. Workers extend it while
  // the task runs, so it bounds how late the death of a worker is noticed, not how long a task may
  // run.
  std::optional<Duration> lease = {};
  std::optional<Duration> result_ttl = {};  // how long the result is kept; 0 = keep none
  std::uint8_t priority = 0;                // 0..9, higher first
  // Of one attempt; 0 = none. Then its stop token is set, and if it throws, that is a time-out.
  Duration timeout{0};
  // Of one attempt; 0 = none. Then a process is killed. A thread cannot be: it runs on, but the
  // attempt has failed, and what the task still does or returns is nobody's.
  Duration hard_timeout{0};
  Isolation isolation = Isolation::thread;
  ProcessLimits limits = {};  // of Isolation::process
};

// Of what comes in with a key that is taken. docs/concepts/control.md has all of it.
enum class OnConflict : std::uint8_t {
  reject,        // Duplicate is thrown; of a throttle, the queue refuses
  return_known,  // the job that is there
  replace,       // it ends as cancelled, and the new one has its key; not while it runs
  delay          // of a throttle: until its time comes
};

// One of this key at a time.
struct Unique {
  std::string key;
  enum class Until : std::uint8_t { start, done } until = Until::done;
  Duration time{0};  // more than 0: for so long, whatever becomes of it
  OnConflict on_conflict = OnConflict::reject;
};

// The last of those of this key that come within `delay` of each other.
struct Debounce {
  std::string key;
  Duration delay{0};
  Duration max_wait{0};  // since the first of them; 0 = as long as more come
};

// At most so many of this key in any period.
struct Throttle {
  std::string key;
  std::uint32_t most = 1;
  Duration period{0};
  OnConflict on_conflict = OnConflict::reject;
};

// For one enqueue, over what the task says.
struct EnqueueOptions {
  std::string queue = {};  // empty = the task's own
  Duration delay{0};
  std::optional<TimePoint> at = {};  // not before; `delay` is not looked at then
  // Idempotency key: a repeat within the queue's dedup window gives the first one's job.
  std::string key = {};
  // Tasks of a group run in order, as many at a time as the queue's group_limit says.
  std::string group = {};
  std::optional<std::uint8_t> priority = {};
  // Not started by then: never. What a task enqueues expires with the task itself, if not before.
  std::optional<Duration> expires = {};
  Headers headers = {};
  // How long enqueue() keeps trying while the queue refuses, or the server is away (up to 30 s; a
  // call that may have come in before its connection broke is repeated only with a key, else it
  // throws Closed). try_enqueue() does not look at it.
  Duration patience = std::chrono::seconds(30);
  // One of the three at most.
  std::optional<Unique> unique = {};
  std::optional<Debounce> debounce = {};
  std::optional<Throttle> throttle = {};
  // Of this task's attempts, instead of the task's own.
  std::optional<Duration> timeout = {}, hard_timeout = {};
};

// For plain messages.
struct SendOptions {
  Duration delay{0};
  std::optional<TimePoint> at = {};
  std::string key = {};
  std::string group = {};
  std::uint8_t priority = 0;
  std::optional<Duration> expires = {};
  Headers headers = {};
  Duration patience = std::chrono::seconds(30);
  // One of the three at most.
  std::optional<Unique> unique = {};
  std::optional<Debounce> debounce = {};
  std::optional<Throttle> throttle = {};
};

struct ReceiveOptions {
  std::uint32_t max = 1;
  Duration wait{0};   // for the first message
  Duration lease{0};  // 0 = the message's or the queue's own
};

enum class Overflow : std::uint8_t { reject, block, drop_oldest, dead_letter };

// declare() changes what is given and leaves the rest as it is.
struct QueueOptions {
  std::optional<std::uint64_t> max_length = {};
  std::optional<std::uint64_t> max_bytes = {};
  std::optional<Duration> max_wait = {};  // bound on the predicted wait; 0 = none
  std::optional<Overflow> overflow = {};
  std::optional<Duration> ttl = {};
  std::optional<std::uint32_t> max_attempts = {};
  // Of those, how many may end of one cause; 0 = as many as there are.
  std::optional<std::uint32_t> max_raised = {}, max_timed_out = {}, max_worker_lost = {},
                               max_killed = {}, max_out_of_memory = {};
  std::optional<Backoff> backoff = {};
  std::optional<std::string> dead_letter = {};
  std::optional<Duration> dedup_window = {};
  std::optional<Duration> lease = {};
  std::optional<double> rate = {};  // deliveries per second; 0 = no limit
  std::optional<std::uint32_t> group_limit = {};
  std::optional<double> group_rate = {};  // deliveries per second and group; 0 = no limit
  std::optional<bool> paused = {};
};

// What a queue tells about itself. Little's law: in_system = arrival_rate * mean_time.
struct QueueStatistics {
  std::string name;
  std::uint64_t ready = 0, leased = 0, scheduled = 0, bytes = 0;
  double in_system = 0;
  double arrival_rate = 0;  // per second
  double service_rate = 0;  // what the workers can do per second; 0 while unknown
  Duration mean_time{0};    // from publish to settle
  Duration predicted_wait{0};
  Duration oldest_age{0};
  Duration max_wait{0};
  bool paused = false;
  std::uint64_t published = 0, delivered = 0, acked = 0, nacked = 0, rejected = 0, returned = 0;
  std::uint64_t expired = 0, dead_lettered = 0, refused = 0;
  // Attempts that failed, by cause.
  std::uint64_t raised = 0, timed_out = 0, worker_lost = 0, killed = 0, out_of_memory = 0;
};

// What one group of a queue has of its own. set_group() changes what is given and leaves the rest;
// where nothing is set, the queue's own options apply.
struct GroupOptions {
  std::optional<std::uint32_t> weight = {};  // deliveries each time that its turn comes: 1 to 1000
  std::optional<double> rate = {};           // deliveries per second; 0 = no limit
  std::optional<std::uint32_t> limit = {};   // at once; 0 = no limit
  bool operator==(const GroupOptions&) const = default;
};

struct GroupStatus {
  std::string name;
  GroupOptions options;
  std::uint64_t ready = 0;
  std::uint64_t held = 0;  // with workers, or waiting for another attempt
};

// Which dead letters are to be tried again; all, where nothing is given.
struct RedriveOptions {
  std::string error = {};  // a part of the text of the last failure
  std::string task = {};   // a name
  std::uint32_t max = 0;   // 0 = no limit
};

// A task that waits and that this program could not run.
struct UnfitTask {
  std::uint64_t id = 0;
  std::string task;  // its name; empty: a plain message
  std::string why;
};
struct TaskCheck {
  std::uint64_t waiting = 0;    // in the queue
  std::uint64_t looked_at = 0;  // of those, from the front
  std::vector<UnfitTask> unfit;
};

// As many as are needed, and no fewer or more than this.
struct Threads {
  std::uint32_t min = 1;
  std::uint32_t max = 1;
  bool operator==(const Threads&) const = default;
};

// Of the processes that isolated tasks run in.
struct IsolationOptions {
  // A process is replaced after so many tasks, or when it holds so much more memory than after its
  // first one.
  std::uint32_t recycle_after = 1000;
  std::uint64_t recycle_growth_bytes = 256ull << 20;
};

struct WorkerOptions {
  std::vector<std::string> queues = {"default"};  // the first that has work is served first
  Threads threads = {};
  Duration grace = std::chrono::seconds(30);  // given to running tasks by stop() and the destructor
  std::uint32_t prefetch_max =
      4096;  // tasks held and not yet started; few of them when they are long
  IsolationOptions isolation = {};
  // How they are listed (App::workers()), and chosen by orders. Empty: the host's name and the
  // process's number.
  std::string name = {};
  std::string version = {};  // of your program
};

struct EmbeddedOptions {
  std::uint64_t max_message_bytes = 16ull << 20;
  std::uint64_t max_results = 1'000'000;  // the oldest goes first
  Duration result_ttl = std::chrono::hours(1);
};

struct ConnectOptions {
  std::string name = {};                        // shown in the server's list of clients
  Duration timeout = std::chrono::seconds(10);  // to connect, and for an answer that need not wait
};

}  // namespace penstock
