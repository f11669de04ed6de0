// Orders to workers in a simulated life, and the law that they obey: what was confirmed holds,
// whatever dies meanwhile, and presence does not outlive its connection.
//
// Naive on purpose: a list of what holds after each command. What is found when the broker is back
// is one of those, not before the last one that was confirmed.
#pragma once

#include <string>
#include <vector>

#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

class Workers {
 public:
  Workers(std::uint64_t seed, SimClock& clock, Trace& trace);
  // To a broker that just opened.
  void connect(broker::Broker& broker);
  // Now and then an order, the end of one, or a worker that comes.
  void act();

 private:
  struct Order {
    std::uint64_t number = 0;
    engine::OrderKind kind = engine::OrderKind::quiet;
    std::uint32_t slots = 0;
    std::string name;
    Time at{};
    bool operator==(const Order&) const = default;
  };
  using Orders = std::vector<Order>;
  class Sink final : public broker::ReplySink {
   public:
    void on_reply(broker::Tag tag, const broker::Reply& reply) override;
    broker::Tag confirmed = 0;
    engine::WorkerTold told;
    std::string error;
  };

  void order();
  void remove();
  void announce();
  [[nodiscard]] Orders look() const;
  // After a command: what holds now, and nothing but that or what held before.
  void note(Orders expected);
  [[nodiscard]] Orders living(Orders orders) const;

  SimRandom random_;
  SimClock& clock_;
  Trace& trace_;
  struct Step {
    broker::Tag tag = 0;
    Orders orders;
  };
  std::vector<Step> steps_{Step{}};  // the first one is confirmed; those that follow may be
  Sink sink_;
  broker::Broker* broker_ = nullptr;
  SessionId session_;
  broker::Tag tag_ = 0;
};

}  // namespace penstock::sim
