// Errors are values that gather context on the way up and read as a path:
// "open journal: segment 42: read: Input/output error".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.h"

namespace penstock {

enum class ErrorCode : unsigned char {
  invalid,      // the caller's input breaks a documented rule
  not_found,    // no such queue, message, lease, task, file
  conflict,     // exists with other properties, or in a state that forbids this
  too_large,    // over a limit of base/limits.h
  busy,         // refused for now: come back later
  denied,       // not allowed
  locked,       // in use by somebody else who has it for themselves
  duplicate,    // another one has its unique key; Error::id names it
  closed,       // the other side or the object is closed
  timeout,      // the deadline passed
  io,           // the operating system said no
  full,         // no space left on the device
  corrupt,      // a checksum or a law of a format does not hold
  unsupported,  // a newer format, or a feature that is not there
};

[[nodiscard]] std::string_view name_of(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::invalid;
  std::string message;
  std::string hint{};  // what to do next; empty when the message says it
  MessageId id{};      // of a duplicate: the one that is there

  // The same error, one step up: "<context>: <message>".
  [[nodiscard]] Error at(std::string_view context) && {
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  [[nodiscard]] Error at(std::string_view context) const& { return Error(*this).at(context); }
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message,
                                                 std::string hint = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(hint)});
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

}  // namespace penstock
