// Every command of the native protocol as a function that makes its Request. Nothing is sent here:
// client::Client does that (client/client.h, included).
//
// Bodies, results and arguments are bytes in std::string_view and are copied into the request.
// Options left as they are made are not sent: the queue's own apply.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "client/client.h"
#include "client/request.h"
#include "flow/backoff.h"

namespace penstock::client {

using Header = std::pair<std::string, std::string>;

// ---- publishing

struct SendOptions {
  Duration delay{0};
  Time at{};  // zero = at once; says the same as `delay`, give one of them
  std::optional<std::uint8_t> priority{};  // 0..9, higher first
  std::string key{};                       // idempotency key: makes a repeat harmless
  std::uint64_t key_from = 0;              // of many: the number of the first one's key
  std::string group{};
  Duration expires{0};  // from now; 0 = as the queue says
  std::vector<Header> headers{};
  Duration wait{0};  // how long a full queue may hold the publish back
  // One key of the three at most, and what is said of it; docs/concepts/control.md.
  std::string unique{}, until{};  // "start", "done" (when empty) or a duration
  std::string debounce{};
  Duration debounce_delay{0}, max_wait{0};
  std::string throttle{}, throttle_rate{};  // "10/1m"
  std::string on_conflict{};                // "reject", "return", "replace", "delay"
};

[[nodiscard]] Request<MessageId> send(std::string_view queue, std::string_view body,
                                      const SendOptions& options = {});
// All or none; the ids in the order of the bodies. A key k gives them the keys k/0, k/1 ..., or
// from `key_from` on: parts of one batch go on where the part before ended.
[[nodiscard]] Request<std::vector<MessageId>> send_many(std::string_view queue,
                                                        std::span<const std::string_view> bodies,
                                                        const SendOptions& options = {});

// ---- taking and settling

struct TakeOptions {
  std::uint32_t max = 1;
  Duration wait{0};         // 0 = answer at once; otherwise use Client::call_waiting
  Duration lease{0};        // 0 = the message's or the queue's own
  std::uint32_t slots = 0;  // how many the taker works on at once; 0 = it does not say
};

struct Message {
  MessageId id;
  std::string lease;
  std::string queue;
  std::string body;
  std::vector<Header> headers;
  std::uint32_t attempts = 0;  // this one included
  std::uint32_t priority = 0;
  Time enqueued_at{};
  Time deadline{};    // of the lease
  Time expires_at{};  // zero = never
  std::string group;
};

[[nodiscard]] Request<std::vector<Message>> receive(std::span<const std::string> queues,
                                                    const TakeOptions& options = {});
[[nodiscard]] Request<std::vector<Message>> receive(std::string_view queue,
                                                    const TakeOptions& options = {});

// The same as rows of wire/resp/packed.h.
[[nodiscard]] Request<std::string> receive_packed(std::span<const std::string> queues,
                                                  const TakeOptions& options = {});

// How many were settled; fewer than given = the others' leases are lost.
[[nodiscard]] Request<std::uint64_t> ack(std::span<const std::string_view> leases);
[[nodiscard]] Request<std::uint64_t> give_back(std::span<const std::string_view> leases);
// Of one lease; a lost one is ErrorCode::conflict.
[[nodiscard]] Request<std::uint64_t> ack(std::string_view lease);
[[nodiscard]] Request<std::uint64_t> give_back(std::string_view lease);
// Without a delay the queue's backoff decides.
// A cause is one of raised, timed_out, worker_lost, killed, out_of_memory; none = raised.
[[nodiscard]] Request<std::uint64_t> nack(std::string_view lease,
                                          std::optional<Duration> delay = {},
                                          std::string_view error = {}, std::string_view cause = {});
[[nodiscard]] Request<std::uint64_t> reject(std::string_view lease, std::string_view error = {},
                                            std::string_view cause = {});

struct Extended {
  Time deadline{};
  bool cancelled = false;  // the task was cancelled: stop working on it
};
[[nodiscard]] Request<Extended> extend(std::string_view lease, Duration duration);

// ---- tasks

struct TaskOptions : SendOptions {
  std::string queue{};                          // empty = "default"
  std::optional<std::uint32_t> max_attempts{};  // 0 = no limit
  std::optional<flow::Backoff> backoff{};
  Duration lease{0};
  std::optional<Duration> result_ttl{};  // 0 = keep none
};

// `args` is a JSON array, `kwargs` a JSON object or empty.
[[nodiscard]] Request<MessageId> submit(std::string_view name, std::string_view args,
                                        std::string_view kwargs = {},
                                        const TaskOptions& options = {});
// The same task many times, each with its own JSON array; all or none; keys as in send_many().
// Keyword arguments are the same for all.
[[nodiscard]] Request<std::vector<MessageId>> submit_many(std::string_view name,
                                                          std::span<const std::string_view> args,
                                                          const TaskOptions& options = {},
                                                          std::string_view kwargs = {});

struct TakenTask {
  MessageId id;
  std::string lease;
  std::string queue;
  std::string name;
  std::string payload;  // {"args":[...],"kwargs":{...}}
  std::vector<Header> headers;
  std::uint32_t attempts = 0;
  Time enqueued_at{};
  Time deadline{};
  Time expires_at{};  // zero = never
};
[[nodiscard]] Request<std::vector<TakenTask>> take_tasks(std::span<const std::string> queues,
                                                         const TakeOptions& options = {});

struct Finished {
  std::string_view lease;
  std::string_view result;  // JSON; empty = null
};
[[nodiscard]] Request<std::uint64_t> done(std::string_view lease, std::string_view result = {});
[[nodiscard]] Request<std::uint64_t> done_many(std::span<const Finished> tasks);
// Rows of wire/resp/packed.h.
[[nodiscard]] Request<std::uint64_t> done_packed(std::string_view rows);
[[nodiscard]] Request<std::uint64_t> fail_task(std::string_view lease, std::string_view error,
                                               bool retry = true,
                                               std::optional<Duration> delay = {},
                                               std::string_view cause = {});
// False when the task was cancelled: stop.
[[nodiscard]] Request<bool> progress(std::string_view lease, double value, double total,
                                     std::string_view text = {});

struct TaskStatus {
  MessageId id;
  std::string state;  // "unknown", "scheduled", "waiting", "queued", "running", "retrying", "done",
                      // "failed", "cancelled", "expired"
  std::string name;
  std::string queue;
  std::uint32_t attempts = 0;
  Time enqueued_at{}, started_at{}, finished_at{}, next_attempt_at{};
  std::string result;   // JSON, when done
  std::string error;    // "<type>: <message>", the last one
  std::string history;  // JSON array
  double progress_value = 0, progress_total = 0;
  std::string progress_text;
  bool cancel_requested = false;
  std::string workflow;  // of a workflow: JSON, its counts and its tree
  std::string declined;  // what the worker said that could not run it
  std::uint32_t declined_count = 0;

  [[nodiscard]] bool ended() const {
    return state == "done" || state == "failed" || state == "cancelled" || state == "expired";
  }
};
// With a wait the answer comes when the task ended, or then; use Client::call_waiting.
[[nodiscard]] Request<TaskStatus> task(MessageId id, Duration wait = Duration(0));
[[nodiscard]] Request<std::uint64_t> cancel_task(MessageId id);

// This worker cannot run it; another may.
[[nodiscard]] Request<std::uint64_t> decline_task(std::string_view lease, std::string_view why);
// What it says; false when the task was cancelled: stop.
[[nodiscard]] Request<bool> log_task(std::string_view lease, std::span<const std::string> lines);
struct LogLine {
  std::uint64_t number = 0;
  std::uint32_t attempt = 0;
  Time at{};
  std::string text;
};
struct TaskLog {
  std::vector<LogLine> lines;
  bool ended = false;  // the task has
};
// Lines behind number `after`; with a wait, as task().
[[nodiscard]] Request<TaskLog> task_log(MessageId id, std::uint64_t after = 0,
                                        Duration wait = Duration(0));
// A task that failed for good is tried anew.
[[nodiscard]] Request<std::uint64_t> retry_task(MessageId id);
struct RedriveOptions {
  std::string error{}, task{};  // a part of its last error; its name
  std::uint32_t max = 0;        // 0 = all
  MessageId after{};
};
struct Redriven {
  std::uint64_t moved = 0;
  MessageId next{};  // AFTER which to go on; none: that was all
};
[[nodiscard]] Request<Redriven> redrive_some(std::string_view queue, const RedriveOptions& options);

// ---- workers: JSON as docs/concepts/workers.md has it

struct WorkerTold {
  bool quiet = false, stop = false;
  std::uint32_t slots = 0;             // 0: as it likes
  std::vector<MessageId> cancelled{};  // of what it said that it runs
};
[[nodiscard]] Request<WorkerTold> announce_worker(std::string_view json);
[[nodiscard]] Request<WorkerTold> beat_worker(std::string_view json);
[[nodiscard]] Request<std::string> workers();        // JSON
[[nodiscard]] Request<std::string> worker_orders();  // JSON
struct WorkerOrder {
  std::string order;        // "quiet", "resume", "stop", "resize"
  std::uint32_t slots = 0;  // of a resize
  std::string name{}, queue{}, version{};
};
struct WorkersOrdered {
  std::uint64_t number = 0;  // 0: a stop that nobody was there for
  std::uint64_t workers = 0;
};
[[nodiscard]] Request<WorkersOrdered> order_workers(const WorkerOrder& order);
[[nodiscard]] Request<std::uint64_t> forget_worker_order(std::uint64_t number);

// ---- workflows: JSON as docs/concepts/workflows.md has it. task() and cancel_task() take their
// ids.
[[nodiscard]] Request<MessageId> submit_workflow(std::string_view json, std::string_view key = {});
[[nodiscard]] Request<std::uint64_t> resume_workflow(MessageId id);
[[nodiscard]] Request<std::vector<TaskStatus>> workflows(MessageId after, std::uint32_t limit);
// The task is done, with a workflow in its place. 0: its lease was lost.
[[nodiscard]] Request<std::uint64_t> replace_task(std::string_view lease, std::string_view json);

// ---- schedules

// What it publishes, as with submit(); delay, at, expires and wait have no meaning here.
struct ScheduleOptions : TaskOptions {
  std::string zone{};  // empty = UTC
  std::string task{};  // empty: a plain message, `body`
  std::string args{};  // of the task, a JSON array
  std::string body{};
  std::string missed{};   // "skip", "once", "all"; empty = once
  std::string overlap{};  // "allow", "skip", "queue"; empty = allow
  std::optional<bool> paused{};
};
// True: it is new. `when` is a cron line, "@every 90s" or "@at 2026-12-24T18:00".
[[nodiscard]] Request<bool> put_schedule(std::string_view name, std::string_view when,
                                         const ScheduleOptions& options = {});
[[nodiscard]] Request<bool> remove_schedule(std::string_view name);
[[nodiscard]] Request<bool> pause_schedule(std::string_view name);
[[nodiscard]] Request<bool> resume_schedule(std::string_view name);
// What it published.
[[nodiscard]] Request<MessageId> trigger_schedule(std::string_view name);

struct Schedule {
  std::string name, when, zone, queue, task;
  std::string missed, overlap;  // as in ScheduleOptions
  bool paused = false;
  Time next_at{}, last_fired_at{};  // zero = none
  MessageId last_id;
  std::uint64_t fired = 0, passed_by = 0, skipped = 0, refused = 0;
  std::string error;
};
[[nodiscard]] Request<std::vector<Schedule>> schedules();

// ---- queues

using OptionText = std::pair<std::string, std::string>;  // name, value

struct QueueStatistics {
  std::string name;
  bool paused = false;
  std::uint64_t ready = 0, leased = 0, scheduled = 0, bytes = 0;
  double in_system = 0;     // L
  double arrival_rate = 0;  // lambda, per second
  double service_rate = 0;  // mu, per second; 0 while unknown
  bool service_rate_known = false;
  Duration mean_time{0};  // W
  Duration predicted_wait{0};
  Duration oldest_age{0};
  std::uint64_t consumers = 0;
  std::uint64_t refused = 0;
  std::vector<std::pair<std::string, std::uint64_t>> counters;  // published, delivered, acked ...
  std::vector<OptionText> options;
};

// Creates the queue, or changes it live.
[[nodiscard]] Request<bool> declare(std::string_view queue,
                                    std::span<const OptionText> options = {});
// How many messages it touched.
[[nodiscard]] Request<std::uint64_t> remove_queue(std::string_view queue);
[[nodiscard]] Request<std::uint64_t> purge(std::string_view queue);
[[nodiscard]] Request<std::uint64_t> redrive(std::string_view queue,
                                             std::uint32_t max = 0);  // 0 = all
[[nodiscard]] Request<bool> pause(std::string_view queue);
[[nodiscard]] Request<bool> resume(std::string_view queue);
[[nodiscard]] Request<QueueStatistics> queue_statistics(std::string_view queue);
[[nodiscard]] Request<std::vector<QueueStatistics>> all_queue_statistics();
[[nodiscard]] Request<std::vector<std::string>> queue_names();

// What is set for one group of a queue, and how it stands; a setting that is none is "default".
struct GroupStatus {
  std::string name, rate, limit;
  std::uint64_t weight = 1, ready = 0, held = 0;
};
// "weight", "rate" and "limit", as far as they are named.
[[nodiscard]] Request<std::uint64_t> set_group(std::string_view queue, std::string_view group,
                                               std::span<const OptionText> settings);
[[nodiscard]] Request<bool> reset_group(std::string_view queue, std::string_view group);
[[nodiscard]] Request<std::vector<GroupStatus>> groups(std::string_view queue);

struct Browsed {
  Message message;    // without a lease
  std::string state;  // "ready", "leased", "scheduled"
  Time not_before{};
  std::string history;  // JSON array
};
[[nodiscard]] Request<std::vector<Browsed>> browse(std::string_view queue,
                                                   std::uint32_t limit = 20);

// ---- the server

// Names and figures, in the server's order.
[[nodiscard]] Request<std::vector<OptionText>> server_status();
[[nodiscard]] Request<std::string> ping();

}  // namespace penstock::client
