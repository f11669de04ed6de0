// Those who publish and those who take, while the server dies under them again and again.
#pragma once

#include <atomic>
#include <memory>
#include <random>

#include "test/crash/front.h"

namespace penstock::crash {

struct Stage {
  explicit Stage(std::uint16_t server_port) : port(server_port) {}
  const std::uint16_t port;
  Lives lives;
  Ledger ledger;
  std::atomic<bool> publishing{true};  // false: producers come to their end
  std::atomic<bool> draining{false};   // true: consumers only settle for good
  std::atomic<bool> over{false};       // true: everybody ends, answered or not
};

// One thread's work, until the stage says otherwise. With `task`: tasks instead of messages.
class Producer {
 public:
  Producer(Stage& stage, std::unique_ptr<Front> front, bool task, std::uint64_t seed)
      : stage_(stage), front_(std::move(front)), task_(task), random_(seed) {}
  void run();

 private:
  // A key's owner repeats until it is answered; anyone else asks once.
  [[nodiscard]] Outcome publish(std::uint64_t first, const Offer& offer);
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  Stage& stage_;
  std::unique_ptr<Front> front_;
  bool task_;
  std::mt19937_64 random_;
};

class Consumer {
 public:
  Consumer(Stage& stage, std::unique_ptr<Front> front, bool task, std::uint64_t seed)
      : stage_(stage), front_(std::move(front)), task_(task), random_(seed) {}
  void run();

 private:
  struct Held {
    std::uint64_t number;
    std::string lease;
  };
  void settle(std::vector<Held> held);
  void ack(const std::vector<Held>& held);
  void finish(const Held& one);
  void retry(const Held& one);
  // True when it was answered with yes.
  bool judge(Answer answer);
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  Stage& stage_;
  std::unique_ptr<Front> front_;
  bool task_;
  std::mt19937_64 random_;
};

// What done() of a task says.
[[nodiscard]] std::string result_of(std::uint64_t number);

}  // namespace penstock::crash
