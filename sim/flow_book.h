// What a client knows of its workflows, and so what a broker may and may not do with their steps.
//
// Naive on purpose: trees of plain nodes, and for each step what is known of its end: which values
// it may have, whether it may have failed, what may be in its place. What was asked for and never
// answered widens that; what comes later narrows it. It never predicts whose turn is next: it says
// whether what the broker told can be true.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/workflow.h"
#include "sim/inbox.h"

namespace penstock::sim {

enum class Sure : std::uint8_t { no, maybe, yes };

struct Flow;

// A node of a tree.
struct Part {
  engine::NodeKind kind = engine::NodeKind::step;
  engine::NodeRole role = engine::NodeRole::member;
  Flow* flow = nullptr;
  Part* above = nullptr;
  std::vector<std::unique_ptr<Part>> children;  // members, then those beside

  // ---- of a step
  std::string name, body;
  bool takes_input = false;
  Duration delay{0};
  std::uint32_t max_attempts = 1;
  MessageId id;
  Sure done = Sure::no, failed = Sure::no, replaced = Sure::no;
  std::vector<std::string> values;  // it is done with one of them, if it is done
  std::set<std::string> errors;     // it was failed with one of them, or by its lease
  std::unique_ptr<Part> instead;    // a tree in its place
  std::uint32_t settles_asked = 0;
  // The newest lease that was seen.
  engine::LeaseToken lease{};
  Time live_until{};
  bool delivered = false, bound = false;
  std::uint32_t attempts = 0;
  std::uint32_t unseen = 0;  // deliveries that nobody may have heard of
};

struct Flow {
  enum class Submit : std::uint8_t { asked, confirmed, unknown };
  std::string name;
  MessageId id;
  engine::FailurePolicy policy = engine::FailurePolicy::stop;
  Duration ttl{0};
  std::unique_ptr<Part> root;
  Submit submit = Submit::asked;
  bool keyed = false;  // its name is its idempotency key
  Sure cancelled = Sure::no;
  bool stopped = false;  // for certain: a step failed for good, and the policy is to stop
  bool resumed = false;  // ever, or that may be
};

class FlowBook {
 public:
  // ---- what a client asks for
  Flow& add(std::unique_ptr<Flow> flow);
  void refused(Flow& flow);
  void confirmed(Flow& flow, MessageId id);
  // So that the steps of a tree are known. It is given to the step, or dropped.
  void announce(Part& tree);
  void drop(std::unique_ptr<Part> tree);

  // ---- what the broker says
  void delivered(const Message& message, Duration lease, bool bound, Time now);
  void done(Part& step, const engine::LeaseToken& lease, const std::string& value);
  void replaced(Part& step, const engine::LeaseToken& lease, std::unique_ptr<Part> tree);
  // `outcome`: of a nack, a reject or a give_back.
  void ended_badly(Part& step, const engine::LeaseToken& lease, engine::Outcome outcome);
  void cancelled(Flow& flow);
  void resumed(Flow& flow, Time now);
  // Of a workflow whose state was asked for; `last`: everything had its time.
  void status(Flow& flow, engine::TaskState state, std::string_view result, Time now, bool last);

  // ---- what may have happened unheard
  void may_be_done(Part& step, const engine::LeaseToken& lease, const std::string& value);
  void may_be_replaced(Part& step, const engine::LeaseToken& lease, std::unique_ptr<Part> tree);
  void may_have_ended_badly(Part& step, const engine::LeaseToken& lease, engine::Outcome outcome);
  void may_be_cancelled(Flow& flow);
  void may_be_resumed(Flow& flow);
  void may_be_there(Flow& flow);
  // So many takes may have got anything, and nobody was told.
  void missed(std::uint32_t takes);
  // The session ended, with so many takes on their way.
  void session_ended(std::uint32_t takes);

  [[nodiscard]] bool may_have_ended(const Flow& flow, Time now) const;
  [[nodiscard]] bool is_live(const Part& step, const engine::LeaseToken& lease, Time now) const;
  [[nodiscard]] Flow* find(const std::string& name);
  [[nodiscard]] Part* find_step(const std::string& name);
  [[nodiscard]] std::vector<std::unique_ptr<Flow>>& flows() { return flows_; }

 private:
  struct Ends {
    bool well = false, badly = false, not_yet = false;
  };
  // A value's text, read against the tree; what it proves.
  struct Reading {
    std::string_view text;
    std::vector<std::pair<Part*, std::string>> proves;
  };
  [[nodiscard]] Ends ends_of(const Part& part, Time now) const;
  [[nodiscard]] Ends ends_of_step(const Part& step, Time now) const;
  [[nodiscard]] bool may_fail(const Part& step, Time now) const;
  [[nodiscard]] bool may_begin(const Part& part, Time now) const;
  [[nodiscard]] bool read_value(Part& part, Reading& reading, Time now) const;
  [[nodiscard]] bool read_error(Part& part, Reading& reading, Time now) const;
  [[nodiscard]] bool some_step_failed(Part& part, std::uint64_t id, std::string_view message,
                                      Time now) const;
  void find_failed(Part& part, Sure still, std::vector<std::pair<Part*, Sure>>& failed,
                   Time now) const;
  void check_turn(Part& step, Time now) const;
  void check_input(Part& step, std::string_view input, Time now);
  void check_beside(const Part& part, Time now) const;
  void newest(Part& step, const engine::LeaseToken& lease) const;
  void learn(const Reading& reading);
  void forget_names(Part& tree);
  template <class Visit>
  static void each_step(Part& part, const Visit& visit);

  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<std::unique_ptr<Part>> dropped_;
  std::map<std::string, Part*, std::less<>> steps_;
};

}  // namespace penstock::sim
