// What is asked of a Penstock elsewhere, before it is sent; and what comes back.
//
// A Request is a value: the encoded command, how to read its reply, and how long the server may
// take. The functions of client/api.h make it; client::Client sends it, any number of times.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <type_traits>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::client {

// The server's "not now": nothing was taken; come back after `retry_after`.
struct Refusal {
  Duration retry_after{0};
  std::string reason;  // "max_length", "max_bytes", "max_wait", "dedup_window", "disk", "memory"
  std::string queue;
  std::string message;  // for a person
};

// Why there is no answer. `refusal` is there exactly when `error.code` is ErrorCode::busy and the
// server said when to come back. The other codes that matter to a caller:
//   closed     the connection broke, or cannot be made: it is not known whether the command was
//              carried out. Safe to repeat: everything that only reads, all settles, and a publish
//              with an idempotency key.
//   timeout    no reply by the deadline of this call; as with closed, it may have been carried out.
//   conflict   the lease is lost: it ran out, and its message belongs to someone else now.
//   duplicate  another message has its unique key; error.id names it.
//   not_found  no such queue, task or message.
//   invalid    the server did not understand, and says what.
struct Failure {
  Error error;
  std::optional<Refusal> refusal{};
  bool unsent = false;  // of closed: it was certainly not carried out
};

template <class T>
using Answer = std::expected<T, Failure>;

class Reply;  // client/reply.h: one reply, decoded

template <class T>
struct Request {
  using Value = T;
  std::string command;                  // as it goes over the wire
  Answer<T> (*read)(Reply&) = nullptr;  // takes the reply's texts over
  std::uint64_t largest = 0;            // of its arguments, in bytes
  Duration wait{0};                     // how long the server may hold the answer back on purpose
};

}  // namespace penstock::client
