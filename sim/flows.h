// A client of a simulated broker that has workflows: it submits trees, takes their steps, ends them
// well, badly or not at all, puts trees in their place, cancels, resumes and waits.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/flow_book.h"
#include "sim/machine.h"
#include "sim/world.h"

namespace penstock::sim {

inline constexpr const char* kFlowQueue = "flows";
inline constexpr Duration kLongestFlow = std::chrono::hours(2);  // that one is remembered
inline constexpr std::size_t kLargeFlow = 8 << 10;  // what is larger may be too large for a commit

class Flows {
 public:
  Flows(const WorldOptions& options, SimRandom& random, SimClock& clock, Trace& trace,
        WorldCounters& counters);
  void connect(broker::Broker& broker);
  void declare_queue();
  // A command or two.
  void act();
  void hear();
  void crashed();
  // Runs every workflow to its end and checks that, then that nothing is left of them.
  void drain();

  bool disk_may_be_full = false;

 private:
  struct Asked {
    enum class Kind : std::uint8_t { submit, take, settle, cancel, resume, wait, list, look };
    Kind kind{};
    Time at{};
    Flow* flow = nullptr;
    Part* step = nullptr;
    Duration lease{};  // of a take
    bool bound = false;
    engine::LeaseToken token{};
    engine::Outcome outcome{};
    std::string value;
    std::unique_ptr<Part> instead;
    std::size_t bytes = 0;  // of the steps of a tree
    bool live = false;      // of a settle: its lease, when it was asked, for certain
    bool again = false, was_there = false;  // of a submit: before; and that for certain
    std::vector<std::string> known;         // of a list: workflows that must be in it
  };
  struct Held {
    std::string step;
    engine::LeaseToken token;
  };
  // A tree as the broker takes it.
  using Flat = std::vector<engine::WorkflowNodeInput>;

  void submit();
  void submit_again();
  void submit(Flow& flow, Asked asked);
  void take(std::uint32_t max);
  void settle();
  void cancel();
  void resume();
  void wait();
  void list();
  void look();
  void reconnect();
  void settle(Part& step, const engine::LeaseToken& token, engine::Outcome outcome, bool replace);

  [[nodiscard]] std::unique_ptr<Part> make_tree(Flow& flow);
  [[nodiscard]] std::unique_ptr<Part> make_part(Flow& flow, int depth, std::uint32_t& steps);
  void make_step(Part& step, Flow& flow);
  static void flatten(const Part& part, Flat& flat);
  [[nodiscard]] Flow* some_flow();

  broker::Tag ask(Asked asked);
  void give_up(Asked& asked);
  void give_up_all();
  void hear_one(Asked& asked, const Answer& answer);
  void hear_submit(const Asked& asked, const Answer& answer);
  void hear_submit_again(const Asked& asked, const Answer& answer);
  void hear_take(const Asked& asked, const Answer& answer);
  void hear_settle(Asked& asked, const Answer& answer);
  void hear_cancel(const Asked& asked, const Answer& answer);
  void hear_resume(const Asked& asked, const Answer& answer);
  void hear_list(const Asked& asked, const Answer& answer);
  void hear_look(const Asked& asked, const Answer& answer) const;
  void hear_refusal(const Answer& answer) const;

  [[nodiscard]] Answer ask_now(const std::function<void(broker::Tag)>& command);
  void run_all();
  void check_ends();

  const WorldOptions& options_;
  SimRandom& random_;
  SimClock& clock_;
  Trace& trace_;
  WorldCounters& counters_;
  broker::Broker* broker_ = nullptr;
  std::unique_ptr<Inbox> inbox_;
  SessionId session_;
  FlowBook book_;
  std::map<broker::Tag, Asked> asked_;
  std::vector<Held> held_;
  broker::Tag tag_ = 0;
  std::uint64_t serial_ = 0;
};

}  // namespace penstock::sim
