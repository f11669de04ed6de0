// Schedules whose runs last, which are paused, or whose times are missed, in a simulated life:
//
//   counts     each time up to the last that was dealt with fired, waits, was left out or missed
//   one run    with overlap=skip or queue there are never two of a schedule
//   left out   only a time at which a run lasted; with queue only one behind the time that waits
//   pauses     what was confirmed holds; nothing fires for a time in a pause, all others do
//   missed     of what passed while nobody was there, skip makes up for what is a minute late at
//              most, once for the last, all for each; and each is counted
//
// Naive on purpose: the times are counted up by one step, and at the end compared with what came.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/inbox.h"
#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

class Runs {
 public:
  Runs(std::uint64_t seed, SimClock& clock, Trace& trace);
  // To a broker that just opened.
  void connect(broker::Broker& broker);
  void put_all();
  // One command.
  void act();
  // Reads all replies that came, and checks them.
  void hear();
  // The broker is gone, with all that was asked and not answered.
  void crashed();
  // Lets everything fire that is due, takes it all, and compares; then removes them.
  void drain();

 private:
  struct Run {
    Time ended{};  // decided then, and confirmed; or nobody knows
    bool asked_to_end = false, known_to_end = false;
  };
  // While it was paused, or ran; or nobody knows.
  struct Span {
    enum class Kind : std::uint8_t { running, paused, unknown } kind = Kind::running;
    Time from{}, until{};
  };
  struct Plan {
    std::string name;
    Duration step{0};
    engine::Overlap overlap = engine::Overlap::allow;
    engine::Missed missed = engine::Missed::all;
    Time first{};
    std::map<std::string, Run> runs{};  // by the time that was due
    std::vector<Span> spans{};          // the last one goes on
    broker::Tag unsure = 0;             // the last pause or resume, as long as it was not answered
    std::size_t sure_spans = 0;         // before the first such
  };
  struct Asked {
    enum class Kind : std::uint8_t { take, settle, look, pause } kind = Kind::take;
    std::size_t plan = 0;
    std::string due;
    Time at{};
  };

  void put(Plan& plan);
  void take(std::size_t plan);
  void settle(std::size_t held);
  void pause(std::size_t plan);
  void look(std::size_t plan);
  void check_counts(const Plan& plan) const;
  void hear_one(const Asked& asked, const Answer& answer, broker::Tag tag);
  void hear_take(const Asked& asked, const Answer& answer);
  void empty();
  void compare(const Plan& plan) const;
  void check_left_out(const Plan& plan, const std::vector<Time>& fired) const;
  void check_pauses(const Plan& plan, const std::vector<Time>& fired) const;
  void miss_some(const Plan& plan);
  void end(std::size_t count);
  [[nodiscard]] const engine::Schedule& schedule(const Plan& plan) const;
  // Turns until all that is due was dealt with; false: something stands in the way.
  bool come_to(const Plan& plan);

  SimRandom random_;
  SimClock& clock_;
  Trace& trace_;
  broker::Broker* broker_ = nullptr;
  std::unique_ptr<Inbox> inbox_;
  SessionId session_;
  std::vector<Plan> plans_;
  std::map<broker::Tag, Asked> asked_;
  struct Held {
    std::size_t plan = 0;
    std::string due;
    engine::LeaseToken lease;
  };
  std::vector<Held> held_;
  broker::Tag tag_ = 0;
};

}  // namespace penstock::sim
