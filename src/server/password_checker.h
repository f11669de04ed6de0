// Checks passwords on a thread of its own, and remembers for a while what it found to be right, so
// that a client that sends its password with each request is not hashed each time.
//
// Threads:  made, asked and destroyed on the home loop's; hashing runs beside it.
// Lifetime: loop and broker outlive it.
// Fairness: of the questions that wait, no more than kWaitingFromOneMax are of one other machine.
// Memory:   at most kWaitingMax questions wait, and kRememberedMax answers are kept: by a keyed
//           hash of user and password, and with the hash that was checked, so that a change of
//           either user or password makes it worthless.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <unordered_map>

#include "broker/broker.h"
#include "net/background.h"
#include "protocol/passwords.h"

namespace penstock::server {

class PasswordChecker final : public protocol::Passwords {
 public:
  static constexpr std::size_t kWaitingMax = 64;
  static constexpr std::size_t kWaitingFromAfarMax = 48;
  static constexpr std::size_t kWaitingFromOneMax = 16;
  static constexpr Duration kLogPace = std::chrono::seconds(10);
  static constexpr std::size_t kRememberedMax = 1024;

  PasswordChecker(net::Loop& home, broker::Broker& broker);
  ~PasswordChecker() override;

  [[nodiscard]] std::optional<protocol::Proof> check(
      const Question& question, std::unique_ptr<Ticket>& ticket,
      std::move_only_function<void(protocol::Proof)> then) override;
  [[nodiscard]] Result<void> hash(std::string_view password, std::unique_ptr<Ticket>& ticket,
                                  Hashed then) override;
  [[nodiscard]] Result<void> accepts(std::string_view hash) const override;
  [[nodiscard]] const Statistics& statistics() const override { return statistics_; }

 private:
  struct Work;
  class Held;

  [[nodiscard]] bool has_room(const std::string& machine) const;
  void run(std::shared_ptr<Work> work, std::unique_ptr<Ticket>& ticket);
  void finish(Work& work);
  void log_refusal(const Work& work);
  [[nodiscard]] std::string key_of(const Question& question) const;
  void remember(const std::string& key, const std::string& hash);

  net::Loop& home_;
  broker::Broker& broker_;
  std::array<unsigned char, 32> secret_{};
  std::unordered_map<std::string, std::string> remembered_;  // the hash, by key
  std::deque<std::string> remembered_order_;
  std::size_t waiting_ = 0;
  std::unordered_map<std::string, std::size_t> waiting_from_;  // of other machines, by address
  Time next_log_{};
  Statistics statistics_;
  std::optional<net::Background> background_;  // from the first question on
};

}  // namespace penstock::server
