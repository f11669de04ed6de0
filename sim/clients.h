// The clients of a simulated broker: they ask for work at random, and write down what they hear.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/ledger.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace penstock::sim {

class Clients {
 public:
  Clients(const WorldOptions& options, SimRandom& random, SimClock& clock, Trace& trace,
          WorldCounters& counters);
  // To a broker that just opened.
  void connect(broker::Broker& broker);
  void declare_queues();
  // The last command of the first client.
  void expect_done(const char* what);
  // One command, of one client.
  void act();
  // Reads all replies that came, and checks them.
  void hear();
  // The broker is gone, with all that was asked and not answered.
  void crashed();
  // Takes and settles everything there is, and checks that it is what should be there.
  void drain();

  bool disk_may_be_full = false;

 private:
  struct Asked {
    enum class Kind : std::uint8_t { publish, take, settle, extend, queue, task, redrive };
    explicit Asked(Kind k) : kind(k) {}
    Kind kind;
    std::size_t client = 0;
    std::string queue;
    std::vector<std::string> bodies;  // of a publish, or the sends of a settle
    std::string key;
    Duration lease{};  // of a take or extend
    bool bound = false;
    std::string settled;  // a settle's or extend's message
    engine::LeaseToken token{};
    engine::Outcome outcome{};
    engine::Cause cause{};
    std::string result;
    Time at{};
    Ledger::Bounds bounds{};
    std::uint64_t bundle = 0;
    MessageId key_of{};       // the message that the key stood for when it was asked
    bool final = false;       // a settle after which the message is gone
    bool lease_live = false;  // when it was asked, for certain
  };
  struct Client {
    std::unique_ptr<Inbox> inbox;
    SessionId session;
    std::uint32_t slots = 0;  // of a worker
  };
  struct Held {
    std::string body;
    engine::LeaseToken token;
    bool task = false;
    std::size_t client = 0;
  };

  void publish();
  void take();
  void settle();
  void extend();
  void redrive();
  void reconnect();
  Client come(std::size_t number);
  void look();
  void look_at_task();
  [[nodiscard]] std::vector<engine::MessageInput> make_messages(const std::string& queue,
                                                                std::size_t count, Asked& asked);
  broker::Tag ask(Asked asked);
  [[nodiscard]] Client& some_client(Asked& asked);

  void give_up(broker::Tag tag, const Asked& asked, std::vector<std::string>& publishes,
               std::vector<Bond>& bonds);
  void hear_one(broker::Tag tag, Asked& asked, const Answer& answer);
  void hear_publish(const Asked& asked, const Answer& answer);
  void hear_refusal(const Asked& asked, const Answer& answer) const;
  void hear_settle(const Asked& asked, const Answer& answer);
  void hear_queue(const Asked& asked, const Answer& answer) const;

  const WorldOptions& options_;
  SimRandom& random_;
  SimClock& clock_;
  Trace& trace_;
  WorldCounters& counters_;
  broker::Broker* broker_ = nullptr;
  Ledger ledger_;
  std::vector<Client> clients_;
  std::map<broker::Tag, Asked> asked_;
  std::vector<Held> held_;
  std::vector<std::pair<std::string, std::string>> finished_;  // tasks' bodies and results
  broker::Tag tag_ = 0;
  std::uint64_t serial_ = 0, arrivals_ = 0;
};

}  // namespace penstock::sim
