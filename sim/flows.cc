#include "sim/flows.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sim {

using namespace std::chrono_literals;
using engine::FailurePolicy;
using engine::NodeKind;
using engine::NodeRole;
using engine::Outcome;
using engine::TaskState;

namespace {

constexpr const char* kKinds[] = {"submit", "take", "settle", "cancel",
                                  "resume", "wait", "list",   "look"};
constexpr std::size_t kMostHeld = 40;

std::string text_of(const Part& part) {
  std::string text = part.kind == NodeKind::step    ? part.name
                     : part.kind == NodeKind::chain ? "chain("
                                                    : "group(";
  bool members = part.kind != NodeKind::step;
  for (const auto& child : part.children) {
    if (child->role != NodeRole::member && members) text += ")", members = false;
    text += child->role == NodeRole::on_success ? " then:"
            : child->role == NodeRole::on_error ? " else:"
                                                : " ";
    text += text_of(*child);
  }
  return members ? text + ")" : text;
}

}  // namespace

Flows::Flows(const WorldOptions& options, SimRandom& random, SimClock& clock, Trace& trace,
             WorldCounters& counters)
    : options_(options), random_(random), clock_(clock), trace_(trace), counters_(counters) {}

void Flows::connect(broker::Broker& broker) {
  broker_ = &broker;
  inbox_ = std::make_unique<Inbox>();
  session_ = broker.open_session(*inbox_);
}

void Flows::declare_queue() {
  const auto length = std::to_string(options_.flow_length);
  const std::pair<std::string_view, std::string_view> patch[] = {
      {"max_length", length}, {"backoff", "fixed:200ms:nojitter"}, {"dedup_window", "24h"}};
  const auto answer =
      ask_now([&](broker::Tag tag) { broker_->declare(session_, tag, kFlowQueue, patch); });
  if (answer.kind != Answer::Kind::done) violated("declare", answer.reason);
}

// ---- asking

broker::Tag Flows::ask(Asked asked) {
  ++tag_;
  asked.at = clock_.now();
  trace_.say([&] {
    auto text = fmt::format("{} f{}: asks {}", micros(clock_.now()) % 1'000'000'000, tag_,
                            kKinds[static_cast<int>(asked.kind)]);
    if (asked.flow != nullptr) text += " " + asked.flow->name;
    if (asked.kind == Asked::Kind::submit)
      text += fmt::format(" {} {}", name_of(asked.flow->policy), text_of(*asked.flow->root));
    if (asked.step != nullptr)
      text += fmt::format(" {} outcome {} lease {} {}", asked.step->name,
                          static_cast<int>(asked.outcome), asked.token.delivery, asked.value);
    if (asked.instead) text += " by " + text_of(*asked.instead);
    return text;
  });
  asked_.emplace(tag_, std::move(asked));
  return tag_;
}

void Flows::act() {
  switch (random_.below(16)) {
    case 0:
    case 1:
      return random_.one_in(4) ? submit_again() : submit();
    case 2:
    case 3:
    case 4:
    case 5:
      return take(1 + static_cast<std::uint32_t>(random_.below(4)));
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      for (auto left = 1 + random_.below(3); left > 0; --left) settle();
      return;
    case 12:
      return random_.one_in(2) ? cancel() : look();
    case 13:
      return resume();
    case 14:
      return wait();
    default:
      return random_.one_in(3) ? reconnect() : list();
  }
}

void Flows::take(std::uint32_t max) {
  Asked asked;
  asked.kind = Asked::Kind::take;
  engine::Take take;
  take.queues = {kFlowQueue};
  take.max = max;
  take.lease = asked.lease =
      Duration(200'000 + static_cast<std::int64_t>(random_.below(5'000'000)));
  take.connection_bound = asked.bound = random_.one_in(2);
  if (random_.one_in(3))
    take.wait_until = clock_.now() + Duration(static_cast<std::int64_t>(random_.below(1'000'000)));
  broker_->take(session_, ask(std::move(asked)), take);
  // What it got is told before the answer to whatever is asked next.
  broker_->turn();
}

// Any lease ever heard of may be tried, some of them again and again.
void Flows::settle() {
  if (held_.empty()) return;
  const auto at = random_.below(held_.size());
  const auto held = held_[at];
  if (!random_.one_in(5)) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
  auto* step = book_.find_step(held.step);
  if (step == nullptr) return;
  const auto luck = random_.below(20);
  const auto outcome = luck < 14   ? Outcome::ack
                       : luck < 17 ? Outcome::nack
                       : luck < 19 ? Outcome::reject
                                   : Outcome::give_back;
  settle(*step, held.token, outcome, random_.one_in(8));
}

void Flows::settle(Part& step, const engine::LeaseToken& token, Outcome outcome, bool replace) {
  Asked asked;
  asked.kind = Asked::Kind::settle;
  asked.step = &step;
  asked.token = token;
  asked.outcome = outcome;
  asked.live = book_.is_live(step, token, clock_.now());
  ++step.settles_asked;
  engine::Settle settle;
  settle.leases = {&token, 1};
  settle.outcome = outcome;
  settle.delay =
      outcome == Outcome::nack && random_.one_in(2) ? std::optional(Duration(0)) : std::nullopt;
  std::string value;
  Flat flat;
  engine::WorkflowInput input;
  if (outcome == Outcome::ack && replace && step.settles_asked == 1 && !step.instead) {
    asked.instead = make_tree(*step.flow);
    asked.instead->above = &step;
    book_.announce(*asked.instead);
    flatten(*asked.instead, flat);
    for (const auto& node : flat) asked.bytes += node.message.body.size();
    input.nodes = flat;
    settle.replacement = &input;
  } else if (outcome == Outcome::ack) {
    value = fmt::format("\"v{}{}\"", ++serial_, std::string(random_.below(20), 'x'));
    settle.result = as_bytes(value);
  } else {
    value = fmt::format("e{}", ++serial_);
    settle.error = value;
    step.errors.insert(value);
  }
  asked.value = value;
  broker_->settle(session_, ask(std::move(asked)), settle);
}

Flow* Flows::some_flow() {
  auto& flows = book_.flows();
  if (flows.empty()) return nullptr;
  auto* flow = flows[random_.below(flows.size())].get();
  return flow->id ? flow : nullptr;
}

void Flows::cancel() {
  Asked asked;
  asked.kind = Asked::Kind::cancel;
  asked.flow = some_flow();
  if (asked.flow == nullptr) return;
  const auto id = asked.flow->id;
  broker_->cancel_task(session_, ask(std::move(asked)), id);
}

void Flows::resume() {
  Asked asked;
  asked.kind = Asked::Kind::resume;
  asked.flow = some_flow();
  if (asked.flow == nullptr) return;
  const auto id = asked.flow->id;
  broker_->resume_workflow(session_, ask(std::move(asked)), id);
}

void Flows::wait() {
  Asked asked;
  asked.kind = Asked::Kind::wait;
  asked.flow = some_flow();
  if (asked.flow == nullptr) return;
  const auto id = asked.flow->id;
  broker_->task(session_, ask(std::move(asked)), id,
                clock_.now() + Duration(static_cast<std::int64_t>(random_.below(10'000'000))));
}

void Flows::list() {
  Asked asked;
  asked.kind = Asked::Kind::list;
  for (const auto& flow : book_.flows())
    if (flow->submit == Flow::Submit::confirmed && flow->ttl == kLongestFlow)
      asked.known.push_back(flow->name);
  broker_->workflows(session_, ask(std::move(asked)), MessageId{}, 1000);
}

// At a step of whose end one was told.
void Flows::look() {
  if (held_.empty()) return;
  Asked asked;
  asked.kind = Asked::Kind::look;
  asked.step = book_.find_step(held_[random_.below(held_.size())].step);
  if (asked.step == nullptr || asked.step->done != Sure::yes) return;
  asked.value = asked.step->values.front();
  const auto id = asked.step->id;
  broker_->task(session_, ask(std::move(asked)), id, Time{});
}

// ---- what nobody will hear of

void Flows::give_up(Asked& asked) {
  switch (asked.kind) {
    case Asked::Kind::submit:
      return book_.may_be_there(*asked.flow);
    case Asked::Kind::settle:
      --asked.step->settles_asked;
      if (asked.instead)
        book_.may_be_replaced(*asked.step, asked.token, std::move(asked.instead));
      else if (asked.outcome == Outcome::ack)
        book_.may_be_done(*asked.step, asked.token, asked.value);
      else
        book_.may_have_ended_badly(*asked.step, asked.token, asked.outcome);
      return;
    case Asked::Kind::cancel:
      return book_.may_be_cancelled(*asked.flow);
    case Asked::Kind::resume:
      return book_.may_be_resumed(*asked.flow);
    default:
      return;
  }
}

void Flows::give_up_all() {
  std::uint32_t takes = 0;
  for (auto& [tag, asked] : asked_) {
    takes += asked.kind == Asked::Kind::take;
    give_up(asked);
  }
  book_.session_ended(takes);
  asked_.clear();
}

void Flows::reconnect() {
  trace_.say([] { return std::string("the workflows' client reconnects"); });
  broker_->close_session(session_);
  give_up_all();
  connect(*broker_);
}

void Flows::crashed() {
  give_up_all();
  inbox_.reset();
}

// ---- hearing

void Flows::hear() {
  if (inbox_->answered_twice != 0)
    violated("answers", fmt::format("f{} was answered twice", inbox_->answered_twice));
  std::vector<std::pair<broker::Tag, Answer>> answers;
  for (auto& answer : std::exchange(inbox_->answers, {}))
    answers.emplace_back(answer.first, std::move(answer.second));
  std::ranges::sort(answers, {}, [](const auto& answer) { return answer.second.order; });
  for (const auto& [tag, answer] : answers) {
    auto found = asked_.extract(tag);
    if (found.empty()) violated("answers", fmt::format("nobody asked f{}", tag));
    ++counters_.replies;
    trace_.add(tag);
    trace_.add(static_cast<std::uint64_t>(answer.kind) * 1000 + answer.count);
    trace_.say([&] {
      auto text = fmt::format("{} f{}: answered kind {} count {} {} {} {}",
                              micros(clock_.now()) % 1'000'000'000, tag,
                              static_cast<int>(answer.kind), answer.count, name_of(answer.task),
                              answer.reason, answer.result.substr(0, 200));
      for (const auto id : answer.ids) text += fmt::format(" id {}", id.value);
      for (const auto& m : answer.messages)
        text += fmt::format(" [{} {} attempt {} until {}]", m.id.value, m.body.substr(0, 100),
                            m.attempts, micros(m.deadline) % 1'000'000'000);
      return text;
    });
    hear_one(found.mapped(), answer);
  }
}

void Flows::hear_one(Asked& asked, const Answer& answer) {
  switch (asked.kind) {
    case Asked::Kind::submit:
      return hear_submit(asked, answer);
    case Asked::Kind::take:
      return hear_take(asked, answer);
    case Asked::Kind::settle:
      return hear_settle(asked, answer);
    case Asked::Kind::cancel:
      return hear_cancel(asked, answer);
    case Asked::Kind::resume:
      return hear_resume(asked, answer);
    case Asked::Kind::wait:
      if (answer.kind != Answer::Kind::task) violated("answers", answer.reason);
      return book_.status(*asked.flow, answer.task, answer.result, clock_.now(), false);
    case Asked::Kind::list:
      return hear_list(asked, answer);
    case Asked::Kind::look:
      return hear_look(asked, answer);
  }
}

void Flows::hear_refusal(const Answer& answer) const {
  if (answer.retry_after <= 0s) violated("refusals", "one without a time to come back");
  if (answer.reason == "disk") {
    ++counters_.refused_for_disk;
    if (!disk_may_be_full) violated("refusals", "for want of disk, which there was");
    return;
  }
  if (answer.reason != "journal" && answer.reason != "max_length")
    violated("refusals", "for " + answer.reason);
}

void Flows::hear_take(const Asked& asked, const Answer& answer) {
  if (answer.kind != Answer::Kind::delivered) violated("answers", answer.reason);
  // A step whose lease is over by now is not told of.
  if (clock_.now() >= asked.at + asked.lease) book_.missed(1);
  for (const auto& message : answer.messages) {
    ++counters_.deliveries;
    trace_.add(message.id.value);
    book_.delivered(message, asked.lease, asked.bound, clock_.now());
    const auto at = message.body.rfind("\"#") + 1;
    held_.push_back({message.body.substr(at, message.body.find('"', at) - at), message.lease});
  }
  if (held_.size() > kMostHeld) held_.erase(held_.begin(), held_.begin() + kMostHeld / 4);
}

void Flows::hear_settle(Asked& asked, const Answer& answer) {
  auto& step = *asked.step;
  --step.settles_asked;
  if (answer.kind == Answer::Kind::refused) {
    if (!asked.instead) violated("refusals", "of a settle that sends nothing");
    hear_refusal(answer);
    return book_.drop(std::move(asked.instead));
  }
  if (answer.code == ErrorCode::too_large && asked.bytes > kLargeFlow)
    return book_.drop(std::move(asked.instead));
  if (answer.kind != Answer::Kind::settled) violated("answers", answer.reason);
  if (answer.count == 0) {
    if (asked.live)
      violated("leases hold", step.name + ": its lease was called lost while it was live");
    return book_.drop(std::move(asked.instead));
  }
  ++counters_.settled;
  if (asked.instead)
    book_.replaced(step, asked.token, std::move(asked.instead));
  else if (asked.outcome == Outcome::ack)
    book_.done(step, asked.token, asked.value);
  else
    book_.ended_badly(step, asked.token, asked.outcome);
}

void Flows::hear_cancel(const Asked& asked, const Answer& answer) {
  if (answer.kind == Answer::Kind::done) return book_.cancelled(*asked.flow);
  if (!book_.may_have_ended(*asked.flow, clock_.now()))
    violated("cancel", asked.flow->name + " had not ended and was not cancelled: " + answer.reason);
}

void Flows::hear_resume(const Asked& asked, const Answer& answer) {
  if (answer.kind == Answer::Kind::done) return book_.resumed(*asked.flow, clock_.now());
  if (answer.code != ErrorCode::conflict && answer.code != ErrorCode::not_found)
    violated("answers", answer.reason);
}

void Flows::hear_list(const Asked& asked, const Answer& answer) {
  for (std::size_t n = 0; n < answer.names.size(); ++n) {
    auto* flow = book_.find(answer.names[n]);
    if (flow == nullptr)
      violated("no invention", answer.names[n] + " was refused or never sent, and is there");
    book_.confirmed(*flow, answer.ids[n]);
  }
  for (const auto& name : asked.known)
    if (std::ranges::find(answer.names, name) == answer.names.end())
      violated("durability", name + " is not there any more");
}

void Flows::hear_look(const Asked& asked, const Answer& answer) const {
  if (answer.task == TaskState::unknown && asked.step->flow->ttl != kLongestFlow) return;
  if (answer.task != TaskState::done || answer.result != asked.value)
    violated("results",
             fmt::format("{} ended with {} and is said to be {} with `{}`", asked.step->name,
                         asked.value, name_of(answer.task), answer.result));
}

// ---- the end

Answer Flows::ask_now(const std::function<void(broker::Tag)>& command) {
  command(++tag_);
  broker_->settle_down();
  auto answer = inbox_->take(tag_);
  if (!answer) violated("liveness", "a command at the end was not answered");
  return *std::move(answer);
}

void Flows::run_all() {
  // Every lease runs out first, and every step whose turn comes is done, or now and then failed.
  clock_.advance(6s);
  held_.clear();
  for (int idle = 0; idle < 5;) {
    clock_.advance(1s);
    broker_->settle_down();
    hear();
    take(100);
    broker_->settle_down();
    hear();
    idle = held_.empty() ? idle + 1 : 0;
    for (const auto& held : std::exchange(held_, {}))
      if (auto* step = book_.find_step(held.step))
        settle(*step, held.token, random_.one_in(8) ? Outcome::reject : Outcome::ack, false);
    broker_->settle_down();
    hear();
  }
}

void Flows::check_ends() {
  list();
  broker_->settle_down();
  hear();
  for (const auto& flow : book_.flows()) {
    if (!flow->id) continue;
    const auto answer =
        ask_now([&](broker::Tag tag) { broker_->task(session_, tag, flow->id, Time{}); });
    book_.status(*flow, answer.task, answer.result, clock_.now(), true);
    trace_.add(static_cast<std::uint64_t>(answer.task));
    trace_.add(answer.result);
  }
}

void Flows::drain() {
  run_all();
  check_ends();
  // Other tasks may end only now, and have results of their own for a while.
  for (int round = 0; round < 3; ++round) {
    clock_.advance(kLongestFlow + 1s);
    broker_->settle_down();
  }
  hear();
  const auto rest =
      ask_now([&](broker::Tag tag) { broker_->workflows(session_, tag, MessageId{}, 1000); });
  if (!rest.ids.empty()) violated("ttl", fmt::format("{} workflows are left", rest.ids.size()));
  const auto queues =
      ask_now([&](broker::Tag tag) { broker_->queue(session_, tag, kFlowQueue); }).queues;
  if (queues.size() != 1 || queues.front().ready + queues.front().leased != 0 ||
      queues.front().scheduled != 0)
    violated("ttl", "steps of workflows that are forgotten are left");
  if (const auto left = broker_->statistics().results; left != 0)
    violated("ttl", fmt::format("{} results are left", left));
}

}  // namespace penstock::sim
