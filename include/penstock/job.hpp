// A task on its way: its state, and in the end its result.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "penstock/json.hpp"
#include "penstock/options.hpp"

namespace penstock {

enum class JobState : std::uint8_t {
  unknown,    // never was, or is forgotten
  scheduled,  // waits for its time
  queued,
  running,
  retrying,  // failed, and waits for its next attempt
  waiting,   // for the steps before it in its workflow
  done,
  failed,
  cancelled,
  expired,
};
[[nodiscard]] std::string_view name_of(JobState state);
[[nodiscard]] constexpr bool is_final(JobState state) {
  return state == JobState::unknown || state >= JobState::done;
}

// One attempt that did not end well.
struct Failure {
  std::uint32_t attempt = 0;
  TimePoint at{};
  std::string cause;   // "raised", "timed_out", "worker_lost", "killed", "out_of_memory"; or empty
  std::string reason;  // what became of it: "nacked", "lease_expired", ... (docs/protocols/http.md)
  std::string type;    // of the exception: "billing::CardDeclined"; empty when there was none
  std::string message;  // its what()
};

struct JobStatus {
  std::uint64_t id = 0;
  JobState state = JobState::unknown;
  std::string name, queue;
  std::uint32_t attempts = 0;
  std::optional<TimePoint> enqueued_at, started_at, finished_at, next_attempt_at;
  std::string result;   // JSON, when done
  std::string error;    // "<type>: <message>" of the last attempt that failed
  std::string history;  // JSON: [{"attempt","at","cause","reason","error"}]
  double progress = 0, progress_total = 0;
  std::string progress_text;
  bool cancel_requested = false;
  // Of one that waits although workers are there: how often one of them could not run it since its
  // last attempt, and why: they do not know the task, or it takes other arguments there.
  std::uint32_t declined_count = 0;
  std::string declined;

  // The history, taken apart; oldest first.
  [[nodiscard]] std::vector<Failure> failures() const;
};

// A line that a task said with Context::log().
struct LogLine {
  std::uint64_t number = 0;  // of all that the task said, from 1
  std::uint32_t attempt = 0;
  TimePoint at{};
  std::string text;
};

// Kept in memory only: of each task the last 500 lines and 64 KiB.
struct JobLog {
  std::vector<LogLine> lines;
  bool ended = false;  // the task has, and says no more
};

namespace detail {

class Core;

// Throw Closed, StorageError.
[[nodiscard]] JobStatus job_status(Core& core, std::uint64_t id, Duration wait);
[[nodiscard]] bool cancel_job(Core& core, std::uint64_t id);
[[nodiscard]] JobLog job_log(Core& core, std::uint64_t id, std::uint64_t after, Duration wait);
// The JSON of a job that is done; throws as Job::get says.
[[nodiscard]] std::string job_result(Core& core, std::uint64_t id, Duration timeout);

}  // namespace detail

// Copies are cheap and mean the same task. It may outlive the App, but can then only throw Closed.
// Threads: any.
template <class R>
class Job {
 public:
  using Result = R;

  Job() = default;
  Job(std::shared_ptr<detail::Core> core, std::uint64_t id) : core_(std::move(core)), id_(id) {}

  // For ever the same; app.job<R>(id) makes a Job of it again, in any process.
  [[nodiscard]] std::uint64_t id() const { return id_; }

  // Waits for the end, also through a restart of the server that takes less than half a minute.
  // Throws the task's error once it has failed for good: the usual exceptions of
  // the standard library (runtime_error, logic_error and what derives from them there, bad_alloc)
  // with their own type and message, others as TaskError. Also Timeout (the task goes on),
  // Cancelled, Expired, NotFound (no such task, or its result is forgotten), Closed; InvalidInput
  // when the result is not an R.
  R get(Duration timeout = Duration::max()) const {
    const std::string json = detail::job_result(*core_, id_, timeout);
    if constexpr (!std::is_void_v<R>) return from_json<R>(json, "result");
  }

  // Waits for the end, whatever it is; false when the time was up before.
  bool wait(Duration timeout = Duration::max()) const {
    return is_final(detail::job_status(*core_, id_, timeout).state);
  }
  [[nodiscard]] JobState state() const { return status().state; }
  [[nodiscard]] JobStatus status() const { return detail::job_status(*core_, id_, Duration(0)); }

  // What it said behind line number `after`. With a wait it comes when there is something new, when
  // the task has ended, or then at the latest. Throws NotFound.
  [[nodiscard]] JobLog log(std::uint64_t after = 0, Duration wait = Duration(0)) const {
    return detail::job_log(*core_, id_, after, wait);
  }

  // A task that waits never starts; one that runs has its stop token set. False when it had
  // ended, or there is none.
  bool cancel() const { return detail::cancel_job(*core_, id_); }

 private:
  std::shared_ptr<detail::Core> core_;
  std::uint64_t id_ = 0;
};

}  // namespace penstock
