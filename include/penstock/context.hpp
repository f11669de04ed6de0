// What a task may know of the attempt that it is, and say about it. A task gets it by taking
// `penstock::Context&` as its first parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include "penstock/options.hpp"
#include "penstock/trace.hpp"

namespace penstock {

template <class Signature>
class Task;
template <class Signature>
struct Call;

namespace detail {
class Attempt;
struct FlowNode;
struct TaskDefinition;
}  // namespace detail

// Threads:  may be used from any thread.
// Lifetime: ends with the task's return; what it gives as a view, too.
class Context {
 public:
  explicit Context(detail::Attempt& attempt) : attempt_(attempt) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] std::uint64_t id() const;
  [[nodiscard]] std::string_view name() const;
  [[nodiscard]] std::string_view queue() const;
  [[nodiscard]] std::uint32_t attempt() const;  // from 1
  [[nodiscard]] Headers headers() const;
  [[nodiscard]] std::optional<std::string> header(std::string_view name) const;

  // The distributed trace that it belongs to, if there is one: that of the HTTP request, or of the
  // task, that enqueued it. What the task enqueues on its own thread belongs to it, too.
  [[nodiscard]] std::optional<Trace> trace() const;

  // When the worker will lose the task if nobody extends its lease, which the library does by
  // itself; or the end of the task's `timeout`, when that is sooner.
  [[nodiscard]] TimePoint deadline() const;
  // Set when there is no point in going on: the task was cancelled, its timeout is over, its lease
  // was lost, or the workers stop and the grace time is over. The task says so by throwing, or it
  // finishes.
  [[nodiscard]] std::stop_token stop_token() const;
  [[nodiscard]] bool stop_requested() const;
  // Why; Stop::none while it is not.
  [[nodiscard]] Stop stop_reason() const;
  // Throws Stopped when the task is to stop.
  void check() const;

  // Told to whoever asks for the job's status. Cheap, and never waits: of several in a row the last
  // one is sent. False when the task should stop.
  bool progress(double value, double total = 0, std::string_view text = {});
  // Says a line, or several, that anybody can read and follow: Job::log(), `penstock task logs`.
  // Cheap, and never waits: it is sent within 50 ms, and with the task's end at the latest. What
  // cannot be sent is dropped (WorkerStatistics::log_lines_dropped).
  void log(std::string_view text);
  // Keeps the lease for at least `time` from now, with no further word from this worker. Waits for
  // the answer. Throws LeaseLost when the task belongs to someone else now.
  void extend(Duration time);

  // As App::enqueue() with the worker's own App, also from a process of its own; the new task's id.
  // It belongs to this task's trace, and expires with it.
  template <class R, class... Args, class... Given>
  std::uint64_t enqueue(const Task<R(Args...)>& task, Given&&... given) {
    return enqueue(Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
  }
  template <class R, class... Args, class... Given>
  std::uint64_t enqueue(const Call<R(Args...)>& call, Given&&... given) {
    std::string payload;
    Task<R(Args...)>::write_payload(payload, std::forward<Given>(given)...);
    return enqueue_payload(*call.task.definition(), call.options, std::move(payload));
  }

  // For tasks that return a Flow.
  void replace_with(std::shared_ptr<const detail::FlowNode> part);

 private:
  std::uint64_t enqueue_payload(const detail::TaskDefinition& task, const EnqueueOptions& options,
                                std::string payload);

  detail::Attempt& attempt_;
};

}  // namespace penstock
