// What may go wrong, as exceptions. Every function of the library says which of these it throws;
// all of them derive from penstock::Exception, which is a std::runtime_error.
//
//   Exception
//     InvalidInput   a name, an option or a value breaks a documented rule (also: too large)
//     NotFound       no such queue, task or message; or its result is forgotten
//     Conflict       the data directory is in use, or a name means two things
//       Duplicate    another task has its unique key; id() names it
//     Refused        a queue is full; says when to come back
//     Timeout        the time given is up; the task goes on
//     LeaseLost      the message belongs to someone else now
//     TaskError      the task failed for good; type() and what() are those of its exception
//     Cancelled      the task was cancelled
//     Expired        the task expired before a worker took it
//     Stopped        within a task: there is no point in going on
//     Closed         the App is closed, or the server is gone
//     StorageError   the disk said no, or the data is damaged or of a newer format
//
// A task throws Permanent or RetryAfter to say what shall become of it, and anything else to be
// tried again as TaskOptions::retry says of its type, or else with the backoff.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

namespace penstock {

using Duration = std::chrono::microseconds;

namespace detail {
// As a person writes it: "billing::CardDeclined".
[[nodiscard]] std::string type_name(const std::type_info& type);
}  // namespace detail

// Not now: which bound of which queue said so, and when to come back.
struct Refusal {
  std::string reason{};  // "max_length", "max_bytes", "max_wait", "disk", "memory", ...
  std::string queue{};
  Duration retry_after{};
  std::string message{};  // for a person
};

class Exception : public std::runtime_error {
 public:
  explicit Exception(const std::string& message, std::string hint = {})
      : std::runtime_error(message), hint_(std::move(hint)) {}
  // What to do next; empty when the message says it.
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }

 private:
  std::string hint_;
};

class InvalidInput : public Exception {
 public:
  using Exception::Exception;
};
class NotFound : public Exception {
 public:
  using Exception::Exception;
};
class Conflict : public Exception {
 public:
  using Exception::Exception;
};
class Duplicate : public Conflict {
 public:
  Duplicate(const std::string& message, std::uint64_t id) : Conflict(message), id_(id) {}
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  std::uint64_t id_;
};
class Timeout : public Exception {
 public:
  using Exception::Exception;
};
class LeaseLost : public Exception {
 public:
  using Exception::Exception;
};
class Cancelled : public Exception {
 public:
  using Exception::Exception;
};
class Expired : public Exception {
 public:
  using Exception::Exception;
};
class Closed : public Exception {
 public:
  using Exception::Exception;
};
// Why a running task is to stop.
enum class Stop : std::uint8_t { none, cancelled, timed_out, lease_lost, shutdown };
// Context::check() throws it.
class Stopped : public Exception {
 public:
  explicit Stopped(Stop why);
  [[nodiscard]] Stop why() const noexcept { return why_; }

 private:
  Stop why_;
};
class StorageError : public Exception {
 public:
  using Exception::Exception;
};

// Thrown when a queue still refused at the end of the time that the caller wanted to wait.
class Refused : public Exception {
 public:
  explicit Refused(Refusal refusal, std::size_t accepted = 0)
      : Exception(refusal.message), refusal_(std::move(refusal)), accepted_(accepted) {}
  [[nodiscard]] const Refusal& refusal() const noexcept { return refusal_; }
  // Of an enqueue_many: how many came in before; they stay in.
  [[nodiscard]] std::size_t accepted() const noexcept { return accepted_; }

 private:
  Refusal refusal_;
  std::size_t accepted_;
};

// The task's own exception, when its type is not one that the library can throw again: what() is
// the message, type() the name of its type ("billing::CardDeclined", "ValueError").
//
//   catch (const TaskError& error) { if (error.is<billing::CardDeclined>()) ... }
class TaskError : public Exception {
 public:
  TaskError(std::string type, const std::string& message, std::uint32_t attempts)
      : Exception(message), type_(std::move(type)), attempts_(attempts) {}
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  // Exactly an E; what derives from E is not known here.
  template <class E>
  [[nodiscard]] bool is() const {
    return type_ == detail::type_name(typeid(E));
  }
  [[nodiscard]] std::uint32_t attempts() const noexcept { return attempts_; }

 private:
  std::string type_;
  std::uint32_t attempts_;
};

// ---- for tasks to throw

// Trying again is of no use: straight to the dead letters.
class Permanent : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Try again, but not before `delay`; the backoff is not asked.
class RetryAfter : public std::runtime_error {
 public:
  explicit RetryAfter(Duration delay, const std::string& why = "asked to be tried again later")
      : std::runtime_error(why), delay_(delay) {}
  [[nodiscard]] Duration delay() const noexcept { return delay_; }

 private:
  Duration delay_;
};

}  // namespace penstock
