#include "sim/flow_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sim/ledger.h"

namespace penstock::sim {

using engine::FailurePolicy;
using engine::NodeKind;
using engine::NodeRole;
using engine::Outcome;
using engine::TaskState;

namespace {

constexpr std::string_view kPayloadBegin = "{\"args\":[";
constexpr std::string_view kNameBegin = "\"#";

bool eat(std::string_view& text, std::string_view what) {
  if (!text.starts_with(what)) return false;
  text.remove_prefix(what.size());
  return true;
}

// Up to `end`, which goes as well.
std::string_view eat_until(std::string_view& text, std::string_view end) {
  const auto at = text.find(end);
  if (at == std::string_view::npos) return {};
  const auto eaten = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return eaten;
}

bool is_beside(const Part& part) {
  for (const auto* at = &part; at != nullptr; at = at->above)
    if (at->role != NodeRole::member) return true;
  return false;
}

Part* member_before(const Part& part) {
  if (part.above == nullptr || part.above->kind != NodeKind::chain) return nullptr;
  Part* before = nullptr;
  for (const auto& child : part.above->children) {
    if (child.get() == &part) return before;
    before = child.get();
  }
  return nullptr;
}

// A failure may come at any time there: whoever is asked to stop has no more attempts.
bool stops_early(const Flow& flow) {
  return flow.policy == FailurePolicy::stop || flow.cancelled != Sure::no;
}

bool is_over(const Part& step) {
  return step.done == Sure::yes || step.failed == Sure::yes || step.replaced == Sure::yes;
}

}  // namespace

template <class Visit>
void FlowBook::each_step(Part& part, const Visit& visit) {
  if (part.kind == NodeKind::step) visit(part);
  if (part.instead) each_step(*part.instead, visit);
  for (const auto& child : part.children) each_step(*child, visit);
}

// ---- what is there

Flow& FlowBook::add(std::unique_ptr<Flow> flow) {
  announce(*flow->root);
  return *flows_.emplace_back(std::move(flow));
}

void FlowBook::announce(Part& tree) {
  each_step(tree, [this](Part& step) { steps_[step.name] = &step; });
}

void FlowBook::forget_names(Part& tree) {
  each_step(tree, [this](Part& step) {
    if (step.delivered) violated("no invention", step.name + " was refused and delivered");
    steps_.erase(step.name);
  });
}

void FlowBook::drop(std::unique_ptr<Part> tree) {
  if (!tree) return;
  forget_names(*tree);
  dropped_.push_back(std::move(tree));
}

void FlowBook::refused(Flow& flow) {
  forget_names(*flow.root);
  std::erase_if(flows_, [&](const auto& one) { return one.get() == &flow; });
}

void FlowBook::confirmed(Flow& flow, MessageId id) {
  if (flow.id && flow.id != id)
    violated("identity",
             fmt::format("{} was workflow {} and is {}", flow.name, flow.id.value, id.value));
  flow.id = id;
  flow.submit = Flow::Submit::confirmed;
}

Flow* FlowBook::find(const std::string& name) {
  const auto found = std::ranges::find(flows_, name, [](const auto& flow) { return flow->name; });
  return found == flows_.end() ? nullptr : found->get();
}

Part* FlowBook::find_step(const std::string& name) {
  const auto found = steps_.find(name);
  return found == steps_.end() ? nullptr : found->second;
}

// ---- how a part may have ended

bool FlowBook::may_fail(const Part& step, Time now) const {
  if (step.failed == Sure::maybe) return true;
  if (!step.delivered && step.unseen == 0) return false;
  if (step.unseen == 0 && now < step.live_until) return false;
  return stops_early(*step.flow) || step.attempts + step.unseen >= step.max_attempts;
}

FlowBook::Ends FlowBook::ends_of_step(const Part& step, Time now) const {
  if (step.replaced == Sure::yes) return ends_of(*step.instead, now);
  if (step.done == Sure::yes) return {.well = true};
  if (step.failed == Sure::yes) return {.badly = true};
  Ends ends{!step.values.empty(), may_fail(step, now), true};
  if (step.replaced == Sure::maybe) {
    const auto others = ends_of(*step.instead, now);
    ends.well = ends.well || others.well;
    ends.badly = ends.badly || others.badly;
  }
  return ends;
}

FlowBook::Ends FlowBook::ends_of(const Part& part, Time now) const {
  if (part.kind == NodeKind::step) return ends_of_step(part, now);
  const bool chain = part.kind == NodeKind::chain;
  const auto policy = part.flow->policy;
  Ends ends{.well = true};
  bool all_end = true;
  for (const auto& member : part.children) {
    if (member->role != NodeRole::member) break;
    const auto one = ends_of(*member, now);
    if (chain) {
      // Those behind it are reached only if all before it went well.
      ends.badly = ends.badly || (ends.well && one.badly);
      ends.not_yet = ends.not_yet || (ends.well && one.not_yet);
      ends.well = ends.well && one.well;
      continue;
    }
    all_end = all_end && (one.well || one.badly);
    ends.badly = ends.badly || one.badly;
    ends.not_yet = ends.not_yet || one.not_yet;
    ends.well = ends.well && (one.well || (policy == FailurePolicy::collect && one.badly));
  }
  if (chain) return ends;
  // One that failed is the end of its group only where the rest stops.
  if (policy == FailurePolicy::go_on) ends.badly = ends.badly && all_end;
  if (policy == FailurePolicy::collect) ends.badly = false;
  return ends;
}

bool FlowBook::may_begin(const Part& part, Time now) const {
  if (part.above == nullptr) return true;
  const Part& above = *part.above;
  if (part.role == NodeRole::on_success) return ends_of(above, now).well;
  if (part.role == NodeRole::on_error) return ends_of(above, now).badly;
  if (above.instead.get() == &part) return above.replaced != Sure::no && may_begin(above, now);
  if (above.kind == NodeKind::chain)
    for (const auto& before : above.children) {
      if (before.get() == &part) break;
      if (!ends_of(*before, now).well) return false;
    }
  return may_begin(above, now);
}

bool FlowBook::may_have_ended(const Flow& flow, Time now) const {
  if (flow.cancelled != Sure::no) return true;
  const auto ends = ends_of(*flow.root, now);
  if (ends.well || ends.badly) return true;
  if (flow.policy != FailurePolicy::stop) return false;
  bool failed = false;
  each_step(*flow.root, [&](Part& step) {
    failed = failed || (!is_beside(step) && ends_of_step(step, now).badly);
  });
  return failed;
}

bool FlowBook::is_live(const Part& step, const engine::LeaseToken& lease, Time now) const {
  return step.lease.seal == lease.seal && step.live_until > now && step.settles_asked == 0 &&
         !is_over(step) && step.failed == Sure::no && step.replaced == Sure::no &&
         step.values.empty();
}

// ---- values

bool FlowBook::read_value(Part& part, Reading& reading, Time now) const {
  switch (part.kind) {
    case NodeKind::step: {
      if (part.replaced != Sure::no) {
        Reading other = reading;
        if (read_value(*part.instead, other, now)) return reading = std::move(other), true;
      }
      if (part.replaced == Sure::yes) return false;
      for (const auto& value : part.values) {
        if (!eat(reading.text, value)) continue;
        reading.proves.emplace_back(&part, value);
        return true;
      }
      return false;
    }
    case NodeKind::chain: {
      Part* last = nullptr;
      for (const auto& member : part.children) {
        if (member->role != NodeRole::member) break;
        if (last != nullptr && !ends_of(*last, now).well) return false;
        last = member.get();
      }
      return last == nullptr ? eat(reading.text, "null") : read_value(*last, reading, now);
    }
    case NodeKind::group: {
      if (!eat(reading.text, "[")) return false;
      for (const auto& member : part.children) {
        if (member->role != NodeRole::member) break;
        if (member != part.children.front() && !eat(reading.text, ",")) return false;
        Reading other = reading;
        if (read_value(*member, other, now))
          reading = std::move(other);
        else if (part.flow->policy != FailurePolicy::collect || !read_error(*member, reading, now))
          return false;
      }
      return eat(reading.text, "]");
    }
  }
  return false;
}

bool FlowBook::read_error(Part& part, Reading& reading, Time now) const {
  auto& text = reading.text;
  if (!ends_of(part, now).badly || !eat(text, "{\"error\":{\"id\":\"")) return false;
  const auto number = eat_until(text, "\",\"state\":\"");
  const auto state = eat_until(text, "\",\"task\":\"\",\"message\":\"");
  const auto message = eat_until(text, "\"}}");
  if (state != "failed" && state != "cancelled") return false;
  std::uint64_t id = 0;
  std::from_chars(number.data(), number.data() + number.size(), id);
  return some_step_failed(part, id, message, now);
}

// What runs beside is not why a part failed.
bool FlowBook::some_step_failed(Part& part, std::uint64_t id, std::string_view message,
                                Time now) const {
  if (part.kind == NodeKind::step && part.replaced != Sure::yes) {
    const bool asked_for = !message.starts_with("e") || part.errors.contains(std::string(message));
    if (ends_of_step(part, now).badly && (!part.id || part.id.value == id) && asked_for)
      return true;
  }
  if (part.instead && some_step_failed(*part.instead, id, message, now)) return true;
  return std::ranges::any_of(part.children, [&](const auto& member) {
    return member->role == NodeRole::member && some_step_failed(*member, id, message, now);
  });
}

void FlowBook::learn(const Reading& reading) {
  for (const auto& [step, value] : reading.proves) {
    step->done = Sure::yes;
    step->failed = Sure::no;
    step->values = {value};
  }
}

// ---- a delivery

void FlowBook::check_turn(Part& step, Time now) const {
  const Flow& flow = *step.flow;
  if (flow.cancelled == Sure::yes)
    violated("cancelled", fmt::format("{} was cancelled and {} came", flow.name, step.name));
  if (is_over(step)) violated("settled once", step.name + " had ended, and came back");
  if (flow.stopped && !is_beside(step))
    violated("stop", fmt::format("a step of {} had failed, and {} came", flow.name, step.name));
  if (!may_begin(step, now)) violated("turns", step.name + " came before its turn");
}

void FlowBook::check_input(Part& step, std::string_view input, Time now) {
  Part* source = nullptr;
  bool error = false;
  for (auto* at = &step; step.takes_input && source == nullptr && at != nullptr; at = at->above) {
    if (at->role != NodeRole::member) {
      source = at->above;
      error = at->role == NodeRole::on_error;
      break;
    }
    source = member_before(*at);
  }
  const auto wrong = [&] {
    violated("values", fmt::format("{} was given `{}`", step.name, input.substr(0, 300)));
  };
  if (source == nullptr) return input.empty() ? void() : wrong();
  Reading reading{input, {}};
  if (!(error ? read_error(*source, reading, now) : read_value(*source, reading, now))) wrong();
  if (reading.text != ",") wrong();
  learn(reading);
}

void FlowBook::delivered(const Message& message, Duration lease, bool bound, Time now) {
  std::string_view text = message.body;
  const auto at = text.rfind(kNameBegin);
  if (!eat(text, kPayloadBegin) || at == std::string_view::npos)
    violated("no invention", fmt::format("`{}` is no step", message.body.substr(0, 300)));
  const auto own = std::string_view(message.body).substr(at);
  const auto found = steps_.find(own.substr(1, own.find('"', 1) - 1));
  if (found == steps_.end())
    violated("no invention", fmt::format("nobody sent step `{}`", own.substr(0, 40)));
  Part& step = *found->second;
  if (step.body != std::string(kPayloadBegin) + std::string(own))
    violated("no invention", step.name + " is not as it was sent");
  const auto decided = message.deadline - lease;
  if (step.live_until > decided)
    violated("one live lease", fmt::format("{} was delivered {} us before its lease ended",
                                           step.name, (step.live_until - decided).count()));
  if (message.attempts == 0 || message.attempts > step.max_attempts)
    violated("attempts", fmt::format("{} came for the {}. time of {}", step.name, message.attempts,
                                     step.max_attempts));
  if (step.id && step.id != message.id) violated("identity", step.name + " has two ids");
  check_turn(step, now);
  check_input(step, text.substr(0, text.size() - own.size()), now);

  // It is here, so whatever might have ended it did not.
  Flow& flow = *step.flow;
  if (flow.submit == Flow::Submit::unknown) flow.submit = Flow::Submit::confirmed;
  flow.cancelled = Sure::no;
  step.id = message.id;
  step.failed = step.replaced = Sure::no;
  step.values.clear();
  drop(std::move(step.instead));
  step.lease = message.lease;
  step.live_until = message.deadline;
  step.delivered = true;
  step.bound = bound;
  step.attempts = message.attempts;
  step.unseen = 0;
  for (auto* part = &step; part->above != nullptr; part = part->above)
    if (part->above->instead.get() == part) part->above->replaced = Sure::yes;
}

// ---- settles

// Only the newest lease can settle, and only once.
void FlowBook::newest(Part& step, const engine::LeaseToken& lease) const {
  if (is_over(step)) violated("settled once", step.name + " had ended, and was settled again");
  if (step.lease.seal != lease.seal)
    violated("fencing", step.name + " was settled by an older lease than its newest");
}

void FlowBook::done(Part& step, const engine::LeaseToken& lease, const std::string& value) {
  newest(step, lease);
  step.done = Sure::yes;
  step.failed = Sure::no;
  step.values = {value};
  step.live_until = Time{};
}

void FlowBook::replaced(Part& step, const engine::LeaseToken& lease, std::unique_ptr<Part> tree) {
  newest(step, lease);
  step.replaced = Sure::yes;
  step.instead = std::move(tree);
  step.live_until = Time{};
}

void FlowBook::ended_badly(Part& step, const engine::LeaseToken& lease, Outcome outcome) {
  newest(step, lease);
  step.lease = {};
  step.live_until = Time{};
  Flow& flow = *step.flow;
  if (outcome == Outcome::give_back) {
    --step.attempts;
    if (stops_early(flow)) step.failed = Sure::maybe;
    return;
  }
  if (outcome == Outcome::reject || step.attempts >= step.max_attempts) {
    step.failed = Sure::yes;
    if (flow.policy == FailurePolicy::stop && !is_beside(step)) flow.stopped = true;
  } else if (stops_early(flow)) {
    step.failed = Sure::maybe;
  }
}

void FlowBook::may_be_done(Part& step, const engine::LeaseToken& lease, const std::string& value) {
  if (!is_over(step) && step.lease.seal == lease.seal) step.values.push_back(value);
}

void FlowBook::may_be_replaced(Part& step, const engine::LeaseToken& lease,
                               std::unique_ptr<Part> tree) {
  if (is_over(step) || step.lease.seal != lease.seal) return drop(std::move(tree));
  step.replaced = Sure::maybe;
  step.instead = std::move(tree);
}

void FlowBook::may_have_ended_badly(Part& step, const engine::LeaseToken& lease, Outcome outcome) {
  if (is_over(step) || step.lease.seal != lease.seal) return;
  step.live_until = Time{};
  if (outcome == Outcome::reject || (outcome == Outcome::give_back && stops_early(*step.flow)))
    step.failed = Sure::maybe;
}

// ---- the whole

void FlowBook::cancelled(Flow& flow) {
  flow.cancelled = Sure::yes;
}

void FlowBook::may_be_cancelled(Flow& flow) {
  if (flow.cancelled == Sure::no) flow.cancelled = Sure::maybe;
}

void FlowBook::resumed(Flow& flow, Time now) {
  if (flow.cancelled == Sure::yes || !may_have_ended(flow, now))
    violated("resume", flow.name + " was resumed, and cannot have failed");
  flow.cancelled = Sure::no;
  flow.stopped = false;
  flow.resumed = true;
  std::vector<std::pair<Part*, Sure>> failed;
  find_failed(*flow.root, Sure::no, failed, now);
  each_step(*flow.root, [](Part& step) {
    // None runs in one that had ended.
    step.failed = Sure::no;
    step.delivered = false;
    step.live_until = Time{};
    step.attempts = step.unseen = 0;
  });
  for (const auto& [step, still] : failed) step->failed = still;
}

// Steps that may have failed; and whether they still have when their workflow is resumed: those
// below a part that went well.
void FlowBook::find_failed(Part& part, Sure still, std::vector<std::pair<Part*, Sure>>& failed,
                           Time now) const {
  const auto ends = ends_of(part, now);
  if (part.kind == NodeKind::step && still != Sure::no && ends.badly)
    failed.emplace_back(&part, part.failed == Sure::yes ? still : Sure::maybe);
  if (ends.well) still = ends.badly || ends.not_yet ? std::max(still, Sure::maybe) : Sure::yes;
  if (part.instead) find_failed(*part.instead, still, failed, now);
  for (const auto& child : part.children) find_failed(*child, still, failed, now);
}

void FlowBook::may_be_resumed(Flow& flow) {
  flow.stopped = false;
  flow.resumed = true;
  each_step(*flow.root, [](Part& step) {
    if (step.failed == Sure::yes) step.failed = Sure::maybe;
  });
}

void FlowBook::may_be_there(Flow& flow) {
  if (flow.submit == Flow::Submit::asked) flow.submit = Flow::Submit::unknown;
}

void FlowBook::missed(std::uint32_t takes) {
  for (const auto& flow : flows_)
    each_step(*flow->root, [takes](Part& step) {
      if (!is_over(step)) step.unseen += takes;
    });
}

void FlowBook::session_ended(std::uint32_t takes) {
  missed(takes);
  for (const auto& flow : flows_)
    each_step(*flow->root, [](Part& step) {
      if (step.bound) step.live_until = Time{};
    });
}

// ---- how a workflow ended

void FlowBook::status(Flow& flow, TaskState state, std::string_view result, Time now, bool last) {
  const auto wrong = [&] {
    violated("ends", fmt::format("{} is said to be {} with `{}`", flow.name, name_of(state),
                                 result.substr(0, 300)));
  };
  Reading reading{result, {}};
  switch (state) {
    case TaskState::done:
      if (flow.cancelled == Sure::yes || !read_value(*flow.root, reading, now)) wrong();
      learn(reading);
      if (!reading.text.empty()) wrong();
      return flow.resumed ? void() : check_beside(*flow.root, now);
    case TaskState::failed:
      if (flow.cancelled == Sure::yes || !read_error(*flow.root, reading, now)) wrong();
      if (!reading.text.empty()) wrong();
      // Where all stops, what had not begun by then never does.
      if (!flow.resumed && flow.policy != FailurePolicy::stop) check_beside(*flow.root, now);
      return;
    case TaskState::cancelled:
      return flow.cancelled == Sure::no ? wrong() : void();
    case TaskState::unknown:
      // Forgotten, if it had an end and time enough since.
      if (flow.ttl > std::chrono::minutes(1) || !may_have_ended(flow, now)) wrong();
      return;
    default:
      if (last) wrong();
  }
}

// What runs beside a part whose turn came has ended with the rest.
void FlowBook::check_beside(const Part& part, Time now) const {
  if (part.replaced == Sure::yes) check_beside(*part.instead, now);
  const auto ends = ends_of(part, now);
  bool began = true;
  for (const auto& child : part.children) {
    if (child->role == NodeRole::member) {
      if (began) check_beside(*child, now);
      const auto member = ends_of(*child, now);
      if (part.kind == NodeKind::chain) began = began && !member.badly && !member.not_yet;
      continue;
    }
    const bool certain = child->role == NodeRole::on_success ? !ends.badly : !ends.well;
    const auto beside = ends_of(*child, now);
    if (certain && !ends.not_yet && !beside.well && !beside.badly)
      violated("turns", "what runs beside the steps of " + part.flow->name + " was left out");
  }
}

}  // namespace penstock::sim
