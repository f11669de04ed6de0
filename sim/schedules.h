// Schedules in a simulated life, and the law that they obey: every time that is due fires, once.
//
// Naive on purpose: the times are counted up by one step, from what was put. All that is missed is
// to be made up for, so whatever dies meanwhile, at the end each time is there, in order, once.
#pragma once

#include <string>
#include <vector>

#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

class Schedules {
 public:
  Schedules(std::uint64_t seed, SimClock& clock, Trace& trace);
  // To a broker that just opened.
  void connect(broker::Broker& broker);
  void put_all();
  // Now and then puts one again as it is, which must change nothing.
  void act();
  // Lets everything fire that is due, takes it all, and compares; then removes them.
  void drain();

 private:
  struct Plan {
    std::string name, queue, when;
    Duration step{0};
    Time first{};
  };
  class Sink final : public broker::ReplySink {
   public:
    void on_reply(broker::Tag tag, const broker::Reply& reply) override;
    struct Taken {
      std::string due;
      engine::LeaseToken lease;
    };
    std::vector<Taken> taken;
    std::string error;  // the last one
  };

  void put(const Plan& plan);
  void fire_all(const Plan& plan);
  void compare(const Plan& plan);

  SimRandom random_;
  SimClock& clock_;
  Trace& trace_;
  std::vector<Plan> plans_;
  Sink sink_;
  broker::Broker* broker_ = nullptr;
  SessionId session_;
  broker::Tag tag_ = 0;
};

}  // namespace penstock::sim
