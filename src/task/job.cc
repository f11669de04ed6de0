#include "penstock/job.hpp"

#include <fmt/format.h>

#include "task/core.h"
#include "task/failure.h"

namespace penstock {

JobState detail::to_job_state(engine::TaskState state) {
  switch (state) {
    case engine::TaskState::unknown:
      return JobState::unknown;
    case engine::TaskState::scheduled:
      return JobState::scheduled;
    case engine::TaskState::queued:
      return JobState::queued;
    case engine::TaskState::running:
      return JobState::running;
    case engine::TaskState::retrying:
      return JobState::retrying;
    case engine::TaskState::done:
      return JobState::done;
    case engine::TaskState::failed:
      return JobState::failed;
    case engine::TaskState::cancelled:
      return JobState::cancelled;
    case engine::TaskState::expired:
      return JobState::expired;
    case engine::TaskState::waiting:
      return JobState::waiting;
  }
  return JobState::unknown;
}

namespace {

// The error of the newest entry; empty when there is none.
std::string last_error(std::string_view history) {
  if (history.empty()) return {};
  boost::json::error_code problem;
  const auto entries = boost::json::parse({history.data(), history.size()}, problem);
  if (problem || !entries.is_array() || entries.get_array().empty()) return {};
  const auto& newest = entries.get_array().back();
  if (!newest.is_object()) return {};
  const auto* error = newest.get_object().if_contains("error");
  return error != nullptr && error->is_string() ? std::string(error->get_string().c_str())
                                                : std::string();
}

}  // namespace

std::string_view name_of(JobState state) {
  switch (state) {
    case JobState::unknown:
      return "unknown";
    case JobState::scheduled:
      return "scheduled";
    case JobState::queued:
      return "queued";
    case JobState::running:
      return "running";
    case JobState::retrying:
      return "retrying";
    case JobState::waiting:
      return "waiting";
    case JobState::done:
      return "done";
    case JobState::failed:
      return "failed";
    case JobState::cancelled:
      return "cancelled";
    case JobState::expired:
      return "expired";
  }
  return "unknown";
}

std::vector<Failure> JobStatus::failures() const {
  std::vector<Failure> found;
  boost::json::error_code problem;
  const auto entries = boost::json::parse({history.data(), history.size()}, problem);
  if (problem || !entries.is_array()) return found;
  for (const auto& item : entries.get_array()) {
    const auto* entry = item.if_object();
    if (entry == nullptr) continue;
    const auto text = [&](const char* key) -> std::string_view {
      const auto* value = entry->if_contains(key);
      if (value == nullptr || !value->is_string()) return {};
      return {value->get_string().data(), value->get_string().size()};
    };
    const auto number = [&](const char* key) -> std::int64_t {
      const auto* value = entry->if_contains(key);
      return value == nullptr || !value->is_int64() ? 0 : value->get_int64();
    };
    const auto [type, message] = detail::split_error(text("error"));
    found.push_back({.attempt = static_cast<std::uint32_t>(number("attempt")),
                     .at = TimePoint(std::chrono::milliseconds(number("at"))),
                     .cause = std::string(text("cause")),
                     .reason = std::string(text("reason")),
                     .type = std::string(type),
                     .message = std::string(message)});
  }
  return found;
}

namespace detail {

JobStatus job_status(Core& core, std::uint64_t id, Duration wait) {
  const OwnedStatus owned = value_or_throw(core.backend().task(MessageId(id), wait));
  const broker::TaskStatus& status = owned.status;
  JobStatus job;
  job.id = id;
  job.state = to_job_state(status.state);
  job.name = owned.name;
  job.queue = owned.queue;
  job.attempts = status.attempts;
  job.enqueued_at = detail::moment(status.enqueued_at);
  job.started_at = detail::moment(status.started_at);
  job.finished_at = detail::moment(status.finished_at);
  job.next_attempt_at = detail::moment(status.next_attempt_at);
  job.result = owned.result;
  job.history = owned.history;
  job.error = owned.error.empty() ? last_error(owned.history) : owned.error;
  job.progress = status.progress.value;
  job.progress_total = status.progress.total;
  job.progress_text = status.progress.text;
  job.cancel_requested = status.cancel_requested;
  job.declined_count = status.declined_count;
  job.declined = owned.declined;
  return job;
}

bool cancel_job(Core& core, std::uint64_t id) {
  const auto cancelled = core.backend().cancel(MessageId(id));
  if (!cancelled && (cancelled.error().code == ErrorCode::not_found ||
                     cancelled.error().code == ErrorCode::conflict))
    return false;
  if (!value_or_throw(cancelled)) return false;
  core.cancel_running(MessageId(id));
  return true;
}

JobLog job_log(Core& core, std::uint64_t id, std::uint64_t after, Duration wait) {
  OwnedLog owned = value_or_throw(core.backend().log(MessageId(id), after, wait));
  JobLog log{.lines = {}, .ended = owned.ended};
  for (auto& line : owned.lines)
    log.lines.push_back({line.number, line.attempt, to_time_point(line.at), std::move(line.text)});
  return log;
}

std::string job_result(Core& core, std::uint64_t id, Duration timeout) {
  JobStatus job = job_status(core, id, timeout);
  switch (job.state) {
    case JobState::done:
      return job.result.empty() ? "null" : std::move(job.result);
    case JobState::failed:
      rethrow_task_error(job.error, job.attempts);
    case JobState::cancelled:
      throw Cancelled(job.error.starts_with("cancelled")
                          ? fmt::format("task {} was {}", id, job.error)
                          : fmt::format("task {} was cancelled{}{}", id,
                                        job.error.empty() ? "" : ": ", job.error));
    case JobState::expired:
      throw Expired(fmt::format("task {} expired before a worker took it", id));
    case JobState::unknown:
      throw NotFound(fmt::format("there is no task {}, or its result is forgotten", id),
                     "results are kept for TaskOptions::result_ttl");
    case JobState::scheduled:
    case JobState::queued:
    case JobState::running:
    case JobState::retrying:
    case JobState::waiting:
      break;
  }
  throw Timeout(fmt::format("task {} is still {}", id, name_of(job.state)),
                !job.declined.empty() ? "its workers cannot run it: " + job.declined
                : !job.error.empty()  ? "its last attempt failed: " + job.error
                                      : std::string());
}

}  // namespace detail
}  // namespace penstock
