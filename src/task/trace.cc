#include "task/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/headers.h"
#include "base/siphash.h"
#include "base/text.h"
#include "base/trace_context.h"

namespace penstock {

std::string Trace::traceparent() const {
  return fmt::format("00-{}-{}-{}", trace_id, span_id, sampled ? "01" : "00");
}

Headers Trace::headers() const {
  Headers made{{std::string(kTraceParentHeader), traceparent()}};
  if (!state.empty()) made.emplace_back(kTraceStateHeader, state);
  return made;
}

namespace detail {
namespace {

// Of what this thread runs; null while it runs no task.
thread_local const broker::Delivery* running = nullptr;

// Attempts need no source of randomness for their ids: of one trace, none has another's.
std::string span_of(const broker::Delivery& delivery, std::string_view trace_id) {
  const auto hash = siphash(delivery.id.value, delivery.lease.delivery, as_bytes(trace_id));
  return fmt::format("{:016x}", std::max<std::uint64_t>(hash, 1));
}

}  // namespace

std::optional<Trace> trace_of(const broker::Delivery& delivery) {
  const auto text = find_header(delivery.headers, kTraceParentHeader);
  if (!text) return {};
  const auto parent = parse_traceparent(*text);
  if (!parent) return {};
  Trace trace{.trace_id = std::string(parent->trace_id),
              .parent_id = std::string(parent->parent_id),
              .span_id = span_of(delivery, parent->trace_id),
              .sampled = parent->sampled,
              .state = {}};
  if (const auto state = find_header(delivery.headers, kTraceStateHeader);
      state && is_valid_tracestate(*state))
    trace.state = *state;
  return trace;
}

TraceScope::TraceScope(const broker::Delivery& delivery)
    : outer_(std::exchange(running, &delivery)) {}
TraceScope::~TraceScope() {
  running = outer_;
}

Duration expires_with_task(Duration own, Time now) {
  if (running == nullptr || running->expires_at == Time{}) return own;
  // A millisecond is what is left of a time that is up: it expires, and is not without an end.
  const Duration left = std::max<Duration>(running->expires_at - now, std::chrono::milliseconds(1));
  return own == Duration(0) ? left : std::min(own, left);
}

SentHeaders::SentHeaders(const EnqueueOptions& given) : SentHeaders(given.headers) {
  const auto add = [&](std::string_view name, const std::optional<Duration>& timeout) {
    if (!timeout) return;
    if (*timeout < Duration(0)) throw InvalidInput(std::string(name) + ": it is negative");
    if (!own_) own_ = given_;
    own_->emplace_back(name, format_duration(*timeout));
  };
  add(kTimeoutHeader, given.timeout);
  add(kHardTimeoutHeader, given.hard_timeout);
}

SentHeaders::SentHeaders(const Headers& given) : given_(given) {
  if (running == nullptr) return;
  const auto names_one = [](const auto& header) { return header.first == kTraceParentHeader; };
  if (std::ranges::any_of(given, names_one)) return;
  const auto trace = trace_of(*running);
  if (!trace) return;
  own_ = given;
  for (auto& header : trace->headers()) own_->push_back(std::move(header));
}

}  // namespace detail
}  // namespace penstock
