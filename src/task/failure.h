// Errors between their three forms: base/result.h's value, the public exceptions, and the text
// "<type>: <message>" that a failed task leaves behind.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "engine/cause.h"
#include "flow/backoff.h"
#include "penstock/error.hpp"
#include "penstock/retry.hpp"

namespace penstock::detail {

// The public exception for an error of the layers below.
[[noreturn]] void throw_error(const Error& error);
template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw_error(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// What became of an attempt that threw.
struct AttemptFailure {
  std::string text;       // "<type>: <message>", UTF-8, at most kErrorBytesMax
  bool retry = true;      // false: Permanent, or never<>()
  bool declined = false;  // its arguments do not fit here: no failure, another worker may run it
  engine::Cause cause = engine::Cause::raised;
  std::optional<Duration> delay{};  // RetryAfter, or as a rule says; else the engine's backoff
};
inline constexpr std::size_t kErrorBytesMax = 4096;

// Only inside of a catch block. A thread's forced end (pthread_cancel) goes on. `random` is of the
// jitter.
[[nodiscard]] AttemptFailure describe_current_exception(
    std::span<const RetryRule> rules, std::uint32_t attempt,
    const std::function<std::uint64_t()>& random);
// What a task's error is whose result the server does not take: too large, too deep. For good: the
// next attempt would return the same.
[[nodiscard]] std::string refusal_of_result(const Error& error);
// "<type>: <message>" taken apart; a text without a type has an empty one.
[[nodiscard]] std::pair<std::string_view, std::string_view> split_error(std::string_view text);
[[nodiscard]] flow::Backoff to_backoff(const Backoff& backoff);

// Throws what the task threw: the standard library's own types as such, all others as TaskError.
[[noreturn]] void rethrow_task_error(std::string_view text, std::uint32_t attempts);

}  // namespace penstock::detail
