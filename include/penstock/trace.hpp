// Where in a distributed trace a task is: W3C Trace Context.
#pragma once

#include <string>

#include "penstock/options.hpp"

namespace penstock {

struct Trace {
  std::string trace_id;   // 32 hexadecimal digits: of the whole trace
  std::string parent_id;  // 16: whoever enqueued the task
  std::string span_id;    // 16: this attempt; the same whenever it is asked for
  bool sampled = false;
  std::string state;  // tracestate; may be empty

  // To pass on: with this attempt as the parent.
  [[nodiscard]] std::string traceparent() const;
  // traceparent, and tracestate if there is one: for a request, or for EnqueueOptions::headers of
  // an enqueue from a thread that the task started itself.
  [[nodiscard]] Headers headers() const;
};

}  // namespace penstock
