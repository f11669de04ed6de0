// One attempt of one task on one thread: what penstock::Context tells and asks, and what the keeper
// of leases needs to know. A worker thread has one of these and uses it again for every task.
//
// Threads: begin() and end() by the worker thread; the rest by any thread between the two.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "penstock/context.hpp"
#include "task/backend.h"
#include "task/log_lines.h"

namespace penstock::detail {

// The keeper looks after an attempt at least this often: so late is a cancel from elsewhere
// noticed.
inline constexpr Duration kHeartbeat = std::chrono::seconds(1);
inline constexpr Duration kProgressEvery = std::chrono::milliseconds(50);
inline constexpr Duration kLogEvery = std::chrono::milliseconds(50);

enum class StopReason : std::uint8_t { none, cancelled, timeout, lease_lost, shutdown };

// What an attempt needs of the pool that it runs in.
class AttemptHost {
 public:
  virtual ~AttemptHost() = default;
  [[nodiscard]] virtual Time now() = 0;
  // The keeper should look by then.
  virtual void look_by(Time when) = 0;
  [[nodiscard]] virtual Result<void> extend_now(Extension& extension) = 0;
  // Calls request_stop() on a thread where the user's callbacks hold up nobody.
  virtual void deliver_stop(std::stop_source source) = 0;
  // The new task's id. Throws as App::enqueue() does.
  [[nodiscard]] virtual std::uint64_t enqueue(const TaskDefinition& task,
                                              const EnqueueOptions& options,
                                              std::string payload) = 0;
};

// Of one attempt; 0 = none.
struct Timeouts {
  Duration soft{0};    // its stop token is set
  Duration hard{0};    // it has failed
  bool kills = false;  // whoever runs it ends it at the hard one, and says how it ended
};

class Attempt {
 public:
  explicit Attempt(AttemptHost& host) : host_(host) {}

  // ---- the worker thread
  void begin(const broker::Delivery& delivery, std::string_view name, const Timeouts& timeouts,
             Time now);
  StopReason end();
  // Of the attempt that has ended: what it said that the keeper has not heard.
  struct LastWords {
    std::vector<std::string> lines{};
    bool spoke = false;         // then the keeper may still be telling what it said before
    std::uint64_t dropped = 0;  // lines for which there was no room
  };
  [[nodiscard]] LastWords last_words();

  // ---- Context
  [[nodiscard]] const broker::Delivery& delivery() const { return *delivery_; }
  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] Time deadline() const;
  [[nodiscard]] std::stop_token stop_token();
  [[nodiscard]] bool stop_requested() const { return stop_reason() != StopReason::none; }
  [[nodiscard]] StopReason stop_reason() const;
  [[nodiscard]] Time hard_deadline() const { return hard_at_; }
  [[nodiscard]] Duration hard_timeout() const { return hard_at_ - started_at_; }
  [[nodiscard]] std::uint64_t enqueue(const TaskDefinition& task, const EnqueueOptions& options,
                                      std::string payload) {
    return host_.enqueue(task, options, std::move(payload));
  }
  bool progress(engine::Progress progress);
  void log(std::string_view text);
  void count_dropped(std::uint64_t lines);
  [[nodiscard]] Result<Extension> extend(Duration time);
  void replace_with(std::shared_ptr<const FlowNode> part) { replacement_ = std::move(part); }
  [[nodiscard]] std::shared_ptr<const FlowNode> take_replacement() {
    return std::exchange(replacement_, {});
  }

  // ---- the keeper
  // What it has to say for itself now, if anything; `*due` becomes the time of its next word, if
  // that is sooner. `serial` names the attempt that the answer is for.
  struct Word {
    std::uint64_t serial = 0;
    bool extends = false;
    bool given_up = false;  // its time is over: it has failed, whatever it still does
    bool hard = false;      // and that was its hard time-out
    Duration lease{0};
    std::optional<engine::Progress> progress{};
    std::vector<std::string> log{};
    engine::LeaseToken token{};

    // Of one that is given up: its error.
    [[nodiscard]] std::string_view failure() const {
      return hard
                 ? "penstock::Timeout: its hard time-out was over"
                 : "penstock::Timeout: its time-out was over, and a lease later it had not stopped";
    }
  };
  [[nodiscard]] std::optional<Word> word(Time now, Time* due);
  void answered(std::uint64_t serial, const Extension& extension);

  void stop(StopReason reason);
  void stop_if(MessageId id, StopReason reason);
  // When the running task began; nothing while none runs.
  [[nodiscard]] std::optional<Time> running_since() const;
  [[nodiscard]] std::optional<engine::RunningTask> running() const;

 private:
  void request_stop(StopReason reason);  // under mutex_
  [[nodiscard]] Time next_due() const;   // under mutex_

  AttemptHost& host_;
  // Written by begin() before any other thread can look, and by end().
  const broker::Delivery* delivery_ = nullptr;
  std::string_view name_;
  std::shared_ptr<const FlowNode> replacement_;  // the worker thread's

  mutable std::mutex mutex_;  // of what follows
  std::uint64_t serial_ = 0;
  bool running_ = false;
  engine::LeaseToken token_;
  Duration lease_{0};
  Time hard_at_ = Time::max(), give_up_at_ = Time::max();
  bool given_up_ = false;
  Time started_at_{}, deadline_{}, extended_until_{}, heartbeat_at_{}, timeout_at_{},
      progress_at_{};
  std::optional<engine::Progress> progress_;
  LogLines log_;
  Time log_at_{};
  bool spoke_ = false;
  std::optional<std::stop_source> stop_source_;  // made when first asked for
  StopReason stop_reason_ = StopReason::none;
};

}  // namespace penstock::detail
