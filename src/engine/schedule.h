// Schedules: what is published, when, and what became of it. The part of the state that
// schedules.cc decides about.
//
//   since ────●────●────●────●────▶      due times, from flow/cron.h
//                  ▲    ▲    ▲
//             cursor    │    next_due    those up to the cursor are done with: fired, missed,
//             skipped
//                       waiting          one whose predecessor's run has not ended (overlap=queue)
//
// Threads: one. Lifetime: a Schedule stays where it is until it is removed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cursor.h"
#include "base/ids.h"
#include "engine/command.h"
#include "flow/cron.h"

namespace penstock::engine {

// All of one schedule is in the head of one record, and heads are kept in memory.
inline constexpr std::size_t kScheduleBytesMax = 60 << 10;
inline constexpr std::uint64_t kSchedulesBytesMax = 64ull << 20;
inline constexpr std::uint32_t kMadeUpForMax = 1000;  // missed fires, of one time away
// What is later than this was missed.
inline constexpr Duration kPunctual = std::chrono::minutes(1);

// Which of the fires are made up for that were missed while nobody was there to fire them.
enum class Missed : std::uint8_t { skip, once, all };
// What a fire does while the run of the one before has not ended. queue: one waits for it.
enum class Overlap : std::uint8_t { allow, skip, queue };
[[nodiscard]] std::string_view name_of(Missed missed);
[[nodiscard]] std::string_view name_of(Overlap overlap);
[[nodiscard]] Result<Missed> parse_missed(std::string_view text);
[[nodiscard]] Result<Overlap> parse_overlap(std::string_view text);

struct ScheduleSpec {
  std::string_view name;  // scoped (names.h)
  std::string_view when;  // flow/cron.h
  std::string_view zone = "UTC";
  std::string_view queue;  // scoped, of the same virtual host
  ByteView body;
  ByteView headers;  // as HeaderWriter makes them
  std::uint8_t priority = 0;
  bool task = false;
  std::string_view key, group;
  Policy policy;
  Missed missed = Missed::once;
  Overlap overlap = Overlap::allow;
  std::optional<bool> paused;  // nothing: as it is
};

struct ScheduleSetEvent;
struct ScheduleFiredEvent;

struct Schedule {
  std::string name, when, zone, queue, body, headers, key, group;
  std::uint8_t priority = 0;
  bool task = false, paused = false;
  Policy policy;
  Missed missed_policy = Missed::once;
  Overlap overlap = Overlap::allow;

  Time since{}, cursor{}, waiting{};
  Time last_due{}, last_fired_at{};
  MessageId last_message;
  std::uint64_t fired = 0, missed = 0, skipped = 0;

  // ---- follows from the above, or is forgotten at a restart
  flow::CronLine line;
  flow::Zone rules;
  std::string problem;  // why it cannot fire: a zone that this machine does not know
  std::optional<Time> next_due;
  Time judged_until{};  // due times up to here are fired, whatever is missed
  std::uint64_t refused = 0;
  std::uint32_t attempts = 0;  // refused in a row
  Time retry_at{};             // the next try of one that was refused
  std::string last_error;
  std::uint32_t slot = 0, timer = 0;
  // Counts what is due, a bounded number of steps a turn; then leaves out what is missed.
  struct Walk {
    Time at{}, until{};
    std::uint64_t due = 0, left_out = 0, to_leave_out = 0;
    bool counted = false;
    Time latest{};
  } walk;

  [[nodiscard]] ScheduleSpec spec() const;
  [[nodiscard]] std::optional<Time> due_after(Time after) const {
    return line.next(after, rules, since);
  }
};

class Schedules {
 public:
  // ---- changes; what is not there (any more) is left alone
  void set(const ScheduleSetEvent& event);
  void remove(std::string_view name);
  void pause(std::string_view name, bool paused, Time at);
  void note_fired(const ScheduleFiredEvent& event);

  // ---- looking
  using ByName = std::map<std::string, std::unique_ptr<Schedule>, std::less<>>;
  [[nodiscard]] const ByName& all() const { return all_; }
  [[nodiscard]] Schedule* find(std::string_view name) const;
  [[nodiscard]] Schedule* at(std::uint32_t slot) const {
    return slot < slots_.size() ? slots_[slot] : nullptr;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] static std::uint64_t bytes_of(const ScheduleSpec& spec);

  // ---- one that waits for the end of a message; 0: none does
  [[nodiscard]] bool any_waiting() const { return !waiting_.empty(); }
  [[nodiscard]] std::uint32_t waiting_for(MessageId id) const;
  // Such messages do not outlive the process that numbered them.
  void forget_messages_from(std::uint64_t first);

  // ---- those that were refused for want of room in a queue; not journalled
  void block(QueueId queue, std::uint32_t slot) { blocked_.emplace(queue.value, slot); }
  void unblock(QueueId queue, std::uint32_t slot) { blocked_.erase({queue.value, slot}); }
  [[nodiscard]] std::uint32_t first_blocked(QueueId queue) const;

  // ---- checkpoint
  void encode(Encoder& out) const;
  // False for what encode() cannot have written.
  [[nodiscard]] bool restore(Cursor& in);
  // All of them are in these virtual hosts.
  [[nodiscard]] bool fit(const std::set<std::string, std::less<>>& hosts) const;
  void check() const;

 private:
  void forget_waiting(const Schedule& schedule);
  void note_waiting(const Schedule& schedule);

  ByName all_;
  std::vector<Schedule*> slots_{nullptr};  // slot 0 is never used
  std::vector<std::uint32_t> free_slots_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> waiting_;  // message waited for, and slot
  std::set<std::pair<std::uint32_t, std::uint32_t>> blocked_;  // queue and slot
  std::uint64_t bytes_ = 0;
};

}  // namespace penstock::engine
