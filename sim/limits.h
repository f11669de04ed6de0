// Unique, debounced and throttled messages in a simulated life, and the laws that they obey:
//
//   unique     one of a key at a time: who comes in finds that all before it have ended or started,
//              or that their time is over, to the microsecond
//   debounce   of those that come within a delay of each other only the last one is delivered
//   throttle   no more than so many in any period, and no refusal while there are fewer
//
// Naive on purpose: a list of all that was asked for, in the order in which it was decided. What
// was not answered before a crash has happened or has not, and proves nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/inbox.h"
#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

class Limits {
 public:
  Limits(std::uint64_t seed, SimClock& clock, Trace& trace);
  // To a broker that just opened.
  void connect(broker::Broker& broker);
  void declare_queue();
  // One command.
  void act();
  // Reads all replies that came, and checks them.
  void hear();
  // The broker is gone, with all that was asked and not answered.
  void crashed();
  // Takes and settles everything there is, and checks that it is what should be there.
  void drain();

 private:
  struct One {
    std::string key;
    engine::KeyLimit limit;
    Time at{};                   // of the decision
    std::uint64_t order = 0;     // among all commands
    MessageId id{};              // none: nobody told
    bool came_in = false;        // for certain
    bool may_be_in = false;      // nobody knows
    std::uint64_t ended = 0;     // the command that ended it for certain; 0 = none
    std::uint64_t may_have = 0;  // the first that may have
    std::uint64_t started = 0, may_have_started = 0;
  };
  struct Asked {
    enum class Kind : std::uint8_t { publish, take, settle } kind = Kind::take;
    std::string body;  // of a publish or a settle
    std::uint64_t order = 0;
    Time at{};
    bool ends = false;  // a settle that does
  };

  void publish();
  void take(std::uint32_t max);
  void settle();
  void hear_publish(const Asked& asked, const Answer& answer);
  void hear_take(const Asked& asked, const Answer& answer);
  void check_unique(const One& one) const;
  void check_throttle(const One& one) const;
  void check_refused(const Asked& asked, const One& one) const;
  void check_delivered(const std::string& body, const One& one, const Asked& take) const;
  // Whether it had its key no more, for all that is known, when `next` was decided.
  [[nodiscard]] static bool may_be_free(const One& one, const One& next);
  // Of a key that is unique for a time: whatever became of it.
  [[nodiscard]] static bool time_is_over(const One& one, const One& next);
  [[nodiscard]] bool same_key(const One& one, const One& other) const;

  SimRandom random_;
  SimClock& clock_;
  Trace& trace_;
  broker::Broker* broker_ = nullptr;
  std::unique_ptr<Inbox> inbox_;
  SessionId session_;
  std::map<std::string, One> all_;  // by body
  std::map<broker::Tag, Asked> asked_;
  std::vector<std::pair<std::string, engine::LeaseToken>> held_;
  broker::Tag tag_ = 0;
};

}  // namespace penstock::sim
