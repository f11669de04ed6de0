// What clients know of their messages, and so what a broker may and may not do with them.
//
// Naive on purpose: one record per message, by its body, with what was asked, what was confirmed
// and what may have happened unseen. It never predicts what the broker decides; it says whether
// what the broker told can be true. A broken law is thrown as Violation.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/inbox.h"

namespace penstock::sim {

struct Violation {
  std::string law, what;
};

[[noreturn]] void violated(const char* law, std::string what);

struct Sent {
  std::string queue;  // it was sent to
  std::string group, key;
  std::uint8_t priority = 0;
  bool task = false;
  Time not_before{}, expires_at{};
  std::uint64_t bundle = 0;  // messages of one command: all or none
  MessageId id{};

  enum class Publish : std::uint8_t { asked, confirmed, unknown } publish = Publish::asked;
  bool gone = false;         // its end was confirmed
  bool may_be_gone = false;  // its end was asked for, or came by itself, and nobody saw it
  bool may_move = false;     // to the dead letters, or back
  bool returned = false;     // was leased before, or may have been: its place is its own
  bool seen = false;         // delivered at least once
  std::uint32_t ends_asked = 0, extends_asked = 0;  // on their way
  broker::Tag unheard_extend = 0;                   // the last one whose answer never comes

  // The newest lease that was seen.
  engine::LeaseToken lease{};
  std::string lease_queue;
  Time live_until{};     // nobody else may get it before
  SessionId holder{};    // whose end ends the lease
  SessionId taker{};     // who has it, as long as this server lives
  bool suspect = false;  // it was lost with a session, for certain, as long as this server lives
  bool orphan = false;   // it had one before a restart: whoever extends it is the next
  // For certain.
  [[nodiscard]] bool is_held(Time now) const {
    return live_until > now && ends_asked == 0 && !gone && !may_be_gone;
  }
  std::set<std::string> leases_seen;
  std::map<engine::Cause, std::uint32_t> failed;  // attempts that are known to have ended so
  std::uint32_t given_back = 0;                   // that are known to count for nothing
};

// What an acknowledgement and its sends have to do with each other, while nobody knows.
struct Bond {
  std::string settled;
  std::uint64_t bundle = 0;
  bool refuted = false;  // what was to be settled came back
};

class Ledger {
 public:
  struct QueueRules {
    std::uint64_t max_length = 0;
    std::uint32_t max_attempts = 0, group_limit = 1;
    Duration ttl{0}, lease{0};
    std::uint32_t cause_limit = 0;  // of attempts that end of one cause; 0 = none

    [[nodiscard]] bool gives_up() const { return max_attempts != 0 || cause_limit != 0; }
  };
  std::map<std::string, QueueRules> queues;

  // ---- what clients ask for
  std::uint64_t new_bundle() { return ++bundles_; }
  Sent& sent(const std::string& body);
  [[nodiscard]] Sent& at(const std::string& body) { return messages_.at(body); }
  void refused(const std::vector<std::string>& bodies);
  void confirmed(const std::vector<std::string>& bodies, const Answer& answer);
  // Everything that was asked for and not answered: it happened, or it did not.
  void crashed(const std::vector<std::string>& publishes, const std::vector<Bond>& bonds);

  // ---- what the broker says
  // `lease` is what the take asked for, or 0: then it is the queue's. It was decided that much
  // before its deadline. `to`: the session that it is bound to, if it is; `by`: who took it.
  void delivered(const Message& message, Duration lease, SessionId to, SessionId by);
  // `cause`: of an attempt that failed.
  void settled(const std::string& body, const engine::LeaseToken& lease, engine::Outcome outcome,
               bool final, engine::Cause cause);
  // A session says that it is a worker.
  void worker_came(SessionId session, std::uint32_t slots) { slots_[session] = slots; }
  void session_closed(SessionId session, Time now);
  // The server's end is that of all sessions; leases outlive it.
  void server_gone(Time now);
  // Asked for with this lease.
  void extended(const std::string& body, const engine::LeaseToken& lease, SessionId by);

  // The least and the most messages that a queue may hold now.
  struct Bounds {
    std::uint64_t least = 0, most = 0;
  };
  [[nodiscard]] Bounds bounds(const std::string& queue, Time now) const;
  // The message that this key stands for, if that is known for certain.
  [[nodiscard]] const Sent* by_key(const std::string& queue, const std::string& key) const;

  // At the very end, when every queue was emptied: `drained` is what came then.
  void check_all_accounted_for(const std::set<std::string>& drained) const;
  [[nodiscard]] std::map<std::string, Sent>& messages() { return messages_; }

 private:
  void check_given_up(const std::string& body, const Sent& message, std::uint64_t attempts) const;
  void check_company(const std::string& body, const Sent& message, SessionId by,
                     Time decided) const;
  void check_order(const std::string& body, const Sent& message, Time decided);

  std::map<std::string, Sent> messages_;
  std::vector<Bond> bonds_;
  std::map<SessionId, std::uint32_t> slots_;  // of workers
  std::uint64_t bundles_ = 0;
  std::map<std::pair<std::string, unsigned>, MessageId> newest_fresh_;
};

}  // namespace penstock::sim
