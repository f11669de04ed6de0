// Runs one task that is not C++: as a program, or as a web hook.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "engine/cause.h"

namespace penstock::cli {

// One attempt of a task, or a plain message (which has no name, and any bytes as its payload).
struct Work {
  std::string id;
  std::string queue;
  std::string name;
  std::uint32_t attempt = 1;  // this one included
  std::string payload;        // of a task: {"args":[...],"kwargs":{...}}
  // W3C Trace Context, as the task was enqueued with; empty when it was not, or wrongly.
  std::string traceparent{}, tracestate{};
  Time expires_at{};    // what it enqueues need not start later; zero = never
  Duration timeout{0};  // of this attempt, as whoever enqueued it says; 0 = they do not
  // Says a line to whoever follows the task, from the thread that runs it; blocks nobody. May be
  // empty: nobody hears.
  std::function<void(std::string_view)> say{};

  // The worker's own limit stands above what the task asks for; 0 = none.
  [[nodiscard]] Duration timeout_within(Duration limit) const {
    if (timeout.count() <= 0) return limit;
    return limit.count() > 0 ? std::min(limit, timeout) : timeout;
  }
};

// What became of an attempt.
struct Ending {
  enum class Kind : std::uint8_t {
    done,      // `result` is its value, as JSON
    failed,    // `error` is "<type>: <message>"
    stopped,   // it was told to stop, and nothing is known about it
    declined,  // this worker cannot run it; another may. `error` says why
  };
  Kind kind = Kind::done;
  std::string result{};
  std::string error{};
  bool retry = true;                            // of a failure: false = never again
  std::optional<Duration> delay{};              // of a retry; nothing = the backoff decides
  engine::Cause cause = engine::Cause::raised;  // of a failure

  [[nodiscard]] static Ending done(std::string json) { return {Kind::done, std::move(json)}; }
  [[nodiscard]] static Ending failed(std::string error,
                                     engine::Cause cause = engine::Cause::raised) {
    return {.kind = Kind::failed, .error = std::move(error), .cause = cause};
  }
  // Trying again cannot help.
  [[nodiscard]] static Ending hopeless(std::string error) {
    return {Kind::failed, {}, std::move(error), false};
  }
  [[nodiscard]] static Ending declined(std::string why) {
    return {Kind::declined, {}, std::move(why)};
  }
  [[nodiscard]] static Ending stopped() { return {Kind::stopped}; }
};

class Executor {
 public:
  virtual ~Executor() = default;
  // Returns when the attempt is over. `stop` is set when nobody wants it any more: the lease is
  // lost, the task was cancelled, or the worker's time to finish is up; then run() ends what it
  // started and returns soon. Threads: any number at once.
  [[nodiscard]] virtual Ending run(const Work& work, std::stop_token stop) = 0;
};

}  // namespace penstock::cli
