// What the clients know for certain, written down as they learn it, and compared with what the
// server does: the test's own truth.
//
// Every message has a number, and its body is made from the number alone: so a body that was never
// sent, or was damaged, is seen at once. A Ledger entry is what the client side was told about it.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::crash {

using SteadyTime = std::chrono::steady_clock::time_point;

// What a client learned about something it asked for.
enum class Outcome : std::uint8_t {
  open,     // not answered yet
  yes,      // answered: it is done, for good
  no,       // answered: it is not done
  unknown,  // the connection broke before the answer
};

[[nodiscard]] std::string body_of(std::uint64_t number);

struct Totals {
  std::uint64_t accepted = 0, unknown = 0, refused = 0, delivered = 0, redelivered = 0;
  std::uint64_t settled = 0, settle_unknown = 0, repeated = 0, batches = 0;
};

class Ledger {
 public:
  // A moment that orders what the clients do: asked before, or after, another thing was known.
  [[nodiscard]] std::uint64_t moment();

  // `count` messages are about to be sent, all or none; their numbers are consecutive from the one
  // returned. `not_before`: when they may be delivered at the earliest.
  [[nodiscard]] std::uint64_t open(std::uint64_t count, bool task, bool keyed,
                                   SteadyTime not_before);
  void published(std::uint64_t first, Outcome outcome, const std::vector<std::uint64_t>& ids);
  // `asked_at`: the moment() before the take. Returns the number; 0 for a body never sent.
  [[nodiscard]] std::uint64_t delivered(std::string_view body, std::uint64_t id,
                                        std::uint64_t asked_at);
  // Before a settle is sent: from now on the message may be gone.
  void settle_asked(std::uint64_t number);
  void settle_confirmed(std::uint64_t number);

  // What must never be; the first ones are kept word for word.
  void violation(std::string what);
  [[nodiscard]] std::vector<std::string> violations() const;
  // Waits for this long, or until the first violation: true when there is one.
  bool wait_for_violation(std::chrono::milliseconds time);
  // Waits for this long, or until something more is settled.
  void wait_for_progress(std::chrono::milliseconds time);

  // When everything was drained: judges every message. Adds to violations().
  void judge();
  [[nodiscard]] Totals totals() const;
  // Ids and numbers of the tasks whose end was confirmed, the `most` that were confirmed last.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> finished_tasks(
      std::size_t most) const;

 private:
  struct Entry {
    std::uint64_t first = 0;  // number of the first message of its batch
    std::uint64_t count = 0;  // messages of its batch
    std::uint64_t id = 0;     // as the server called it; 0 = not known
    std::uint64_t confirmed_at = 0;
    SteadyTime not_before{};
    std::uint32_t deliveries = 0;
    Outcome outcome = Outcome::open;
    bool task = false, keyed = false, settle_asked = false;
  };

  [[nodiscard]] Entry& entry(std::uint64_t number) { return entries_[number - 1]; }
  [[nodiscard]] std::string described(std::uint64_t number);
  void add_violation(std::string what);
  // Every message has one id for ever, however often it is published or delivered.
  void check_id(std::uint64_t number, std::uint64_t id, std::string_view where);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t moment_ = 0, repeated_ = 0;
  std::deque<Entry> entries_;
  std::vector<std::string> violations_;
  std::uint64_t violation_count_ = 0;
};

}  // namespace penstock::crash
