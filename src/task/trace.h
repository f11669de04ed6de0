// The trace that a running task belongs to, and what it enqueues with it.
#pragma once

#include <optional>

#include "penstock/trace.hpp"
#include "task/attempt.h"

namespace penstock::detail {

// Of a delivery; nothing when it came without one, or with one that the grammar does not allow.
[[nodiscard]] std::optional<Trace> trace_of(const broker::Delivery& delivery);

// While it lives, what this thread sends belongs to the attempt's trace.
class TraceScope {
 public:
  explicit TraceScope(const broker::Delivery& delivery);
  ~TraceScope();
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  const broker::Delivery* outer_;
};

// The time to live of what this thread enqueues: `own` (0 = none), but not longer than that of the
// task that runs on it.
[[nodiscard]] Duration expires_with_task(Duration own, Time now);

// Headers as they are sent: with the trace of the task that runs on this thread, if there is one
// and they name none themselves; and with time-outs. What is given outlives it.
class SentHeaders {
 public:
  explicit SentHeaders(const Headers& given);
  explicit SentHeaders(const EnqueueOptions& given);
  [[nodiscard]] std::span<const std::pair<std::string, std::string>> view() const {
    return own_ ? *own_ : given_;
  }

 private:
  const Headers& given_;
  std::optional<Headers> own_;
};

}  // namespace penstock::detail
