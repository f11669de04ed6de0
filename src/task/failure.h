// Errors between their three forms: base/result.h's value, the public exceptions, and the text
// "<type>: <message>" that a failed task leaves behind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "penstock/error.hpp"

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
  std::string text;                 // "<type>: <message>", at most kErrorBytesMax
  bool retry = true;                // false: Permanent, or arguments that do not fit
  std::optional<Duration> delay{};  // RetryAfter
};
inline constexpr std::size_t kErrorBytesMax = 4096;

// Only inside of a catch block. A thread's forced end (pthread_cancel) goes on.
[[nodiscard]] AttemptFailure describe_current_exception();

// Throws what the task threw: the standard library's own types as such, all others as TaskError.
[[noreturn]] void rethrow_task_error(std::string_view text, std::uint32_t attempts);

}  // namespace penstock::detail
