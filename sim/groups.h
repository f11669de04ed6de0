// Groups in a simulated life, and the laws that they obey:
//
//   settings   what was confirmed holds, whatever dies meanwhile
//   limit      no more of a group are worked on at a time
//   rate       in any time no more than a full bucket and what flows into it
//   order      those of a group that nobody had yet come in the order of sending
//   work       a take comes back with less than it wanted only if nothing more may be delivered
//   weights    while two groups may both be delivered, what each got, in turns of its weight, is
//   one
//              turn apart at most; and so are those with a group and those without
//
// Naive on purpose: a list of what is known of each message, gone through for every question. What
// was not answered before a crash has happened or has not: then a law says nothing of it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/inbox.h"
#include "sim/ledger.h"
#include "sim/machine.h"

namespace penstock::sim {

class Groups {
 public:
  Groups(std::uint64_t seed, SimClock& clock, Trace& trace);
  // To a broker that just opened: what is set is looked at.
  void connect(broker::Broker& broker);
  void declare_queue();
  // One command.
  void act();
  // Reads all replies that came, and checks them.
  void hear();
  // The broker is gone, with all that was asked and not answered.
  void crashed();
  // Takes and settles everything there is, and lets groups of several weights compete.
  void drain();

 private:
  static constexpr std::size_t kGroups = 3;
  static constexpr std::size_t kNone = kGroups;  // of a message without a group

  struct Rule {
    std::uint32_t weight = 1;
    std::optional<double> rate;
    std::optional<std::uint32_t> limit;
    bool operator==(const Rule&) const = default;
  };
  struct Settings {
    std::map<std::string, Rule> groups;
    double rate = 0;
    std::uint32_t limit = 1;
    bool operator==(const Settings&) const = default;
    [[nodiscard]] Rule of(std::size_t group) const;  // with the queue's own, where it has none
  };
  struct One {
    std::size_t group = kNone;
    MessageId id{};
    bool in = false;  // for certain
    bool may_have_ended = false;
    bool may_have_been_out = false;
    Time held_until{};  // worked on, or waiting for another attempt, for certain
    Time busy_until{};  // at the latest
  };
  struct Asked {
    enum class Kind : std::uint8_t { publish, take, settle, set } kind = Kind::take;
    Time at{};
    std::vector<std::string> bodies{};         // of a publish or a settle
    std::uint32_t max = 0;                     // of a take
    Settings settings{};                       // that hold for a take
    bool ends = false;                         // a settle that does
    Duration delay{0};                         // of one that does not
    bool took = false, finds_nothing = false;  // of a setting
    std::set<std::size_t> changed{};           // groups that begin anew with it
  };
  // Since the last start, or the last change of its settings.
  struct Bucket {
    std::vector<Time> spent;
    double tokens = 0;
    Time at{};
    bool full = true;
  };
  // Two that may both be delivered, since when: how far one is ahead of the other, in turns.
  struct Race {
    double lead = 0, least = 0, most = 0;
  };
  struct Step {
    broker::Tag tag = 0;
    Settings settings;
  };

  void publish(std::span<const std::size_t> groups);
  void take(std::uint32_t max);
  void settle(std::size_t held, bool ends);
  void change();
  void set(std::size_t group, std::string_view name, const std::string& value);
  void reset(std::size_t group);
  void declare(const std::string& limit, const std::string& rate);
  void note(Asked asked, const Settings& expected);
  [[nodiscard]] Settings look() const;

  void hear_one(const Asked& asked, const Answer& answer);
  void hear_setting(const Asked& asked, const Answer& answer);
  void hear_take(const Asked& asked, const Answer& answer);
  void unheard(const Asked& asked);
  void check_delivered(const Asked& asked, const std::string& body, const One& one);
  void spend(const Asked& asked, std::size_t group);
  void race(const Asked& asked, std::size_t group, const std::array<bool, kGroups + 1>& may);
  [[nodiscard]] std::array<bool, kGroups + 1> may_be_delivered(const Asked& asked) const;
  void compete();
  void empty();

  SimRandom random_;
  SimClock& clock_;
  Trace& trace_;
  broker::Broker* broker_ = nullptr;
  std::unique_ptr<Inbox> inbox_;
  SessionId session_;
  std::map<std::string, One> all_;  // that have not ended for certain, by body
  std::set<std::string> ended_;
  std::map<broker::Tag, Asked> asked_;
  std::vector<std::pair<std::string, engine::LeaseToken>> held_;
  std::vector<Step> steps_;  // the first one is confirmed; those that follow may be
  std::array<Bucket, kGroups> buckets_;
  std::map<std::pair<std::size_t, std::size_t>, Race> races_;
  broker::Tag tag_ = 0, confirmed_ = 0;
};

}  // namespace penstock::sim
