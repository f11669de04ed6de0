#include "sim/runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/schedule.h"
#include "flow/zone.h"

namespace penstock::sim {

using namespace std::chrono_literals;
using engine::Missed;
using engine::Overlap;

namespace {

constexpr Duration kLease = 2s;
constexpr std::size_t kPausing = 2, kPlansThatRun = 3;

std::int64_t times_in(Time first, Duration step, Time until) {
  return until < first ? 0 : (until - first) / step + 1;
}

}  // namespace

Runs::Runs(std::uint64_t seed, SimClock& clock, Trace& trace)
    : random_(seed ^ 0x2175), clock_(clock), trace_(trace) {}

void Runs::connect(broker::Broker& broker) {
  broker_ = &broker;
  inbox_ = std::make_unique<Inbox>();
  session_ = broker.open_session(*inbox_);
  for (auto& plan : plans_) {
    check_counts(plan);
    const auto found = schedule(plan).paused ? Span::Kind::paused : Span::Kind::running;
    if (plan.unsure == 0) {
      if (found != plan.spans.back().kind)
        violated("pauses", plan.name + (found == Span::Kind::paused ? " is paused" : " runs"));
      continue;
    }
    plan.spans.resize(plan.sure_spans);
    plan.spans.push_back({Span::Kind::unknown, plan.spans.back().until, clock_.now()});
    plan.spans.push_back({found, clock_.now()});
    plan.unsure = 0;
  }
}

const engine::Schedule& Runs::schedule(const Plan& plan) const {
  const auto found = broker_->schedule(session_, plan.name);
  if (!found) violated("schedules", plan.name + " is gone: " + found.error().message);
  return **found;
}

void Runs::put_all() {
  plans_ = {{"skipping", 1s, Overlap::skip, Missed::all},
            {"queueing", 1s, Overlap::queue, Missed::all},
            {"pausing", 2s, Overlap::allow, Missed::all},
            {"left-out", 100s, Overlap::allow, Missed::skip},
            {"last-one", 1s, Overlap::allow, Missed::once},
            {"each-one", 100s, Overlap::allow, Missed::all}};
  const std::pair<std::string_view, std::string_view> patch[]{{"max_attempts", "0"}};
  for (auto& plan : plans_) {
    const auto since = flow::time_of(flow::whole_seconds(clock_.now()));
    plan.first = since + plan.step;
    plan.spans = {{Span::Kind::running, since}};
    broker_->declare(session_, ++tag_, plan.name, patch);
    put(plan);
  }
  broker_->settle_down();
  for (const auto& [tag, answer] : std::exchange(inbox_->answers, {}))
    if (answer.kind != Answer::Kind::done) violated("schedules", answer.reason);
}

// ---- asking

void Runs::put(Plan& plan) {
  engine::ScheduleSpec spec;
  const auto when = fmt::format("@every {}s", plan.step / 1s);
  spec.name = plan.name;
  spec.when = when;
  spec.queue = plan.name;
  spec.body = as_bytes(plan.name);
  spec.overlap = plan.overlap;
  spec.missed = plan.missed;
  broker_->put_schedule(session_, ++tag_, spec);
}

void Runs::act() {
  if (!random_.one_in(3)) return;
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return take(random_.below(kPlansThatRun));
    case 4:
    case 5:
    case 6:
      if (!held_.empty()) settle(random_.below(held_.size()));
      return;
    case 7:
      return pause(kPausing);
    case 8:
      return look(random_.below(kPlansThatRun));
    default:
      return put(plans_[random_.below(plans_.size())]);  // as it is: that changes nothing
  }
}

void Runs::take(std::size_t plan) {
  engine::Take take;
  take.queues = {plans_[plan].name};
  take.max = 1000;
  take.lease = kLease;
  take.connection_bound = false;
  asked_[++tag_] = {Asked::Kind::take, plan, {}, clock_.now()};
  broker_->take(session_, tag_, take);
}

void Runs::settle(std::size_t held) {
  const Held one = held_[held];
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(held));
  plans_[one.plan].runs.at(one.due).asked_to_end = true;
  engine::Settle settle;
  settle.leases = {&one.lease, 1};
  asked_[++tag_] = {Asked::Kind::settle, one.plan, one.due, clock_.now()};
  broker_->settle(session_, tag_, settle);
}

// Only when nothing is due: then it is clear which times lie before it.
void Runs::pause(std::size_t number) {
  Plan& plan = plans_[number];
  broker_->turn();
  const auto& known = schedule(plan);
  if (!known.paused && (!known.next_due || *known.next_due <= clock_.now())) return;
  const bool paused = !known.paused;
  asked_[++tag_] = {Asked::Kind::pause, number, {}, clock_.now()};
  broker_->pause_schedule(session_, tag_, plan.name, paused);
  trace_.say([&] {
    return fmt::format("{}: {} {}", flow::utc_text(clock_.now()), paused ? "pause" : "resume",
                       plan.name);
  });
  if (schedule(plan).paused != paused) violated("pauses", plan.name + " does not change");
  if (plan.unsure == 0) plan.sure_spans = plan.spans.size();
  plan.unsure = tag_;
  plan.spans.back().until = clock_.now();
  plan.spans.push_back({paused ? Span::Kind::paused : Span::Kind::running, clock_.now()});
}

void Runs::look(std::size_t plan) {
  check_counts(plans_[plan]);
  asked_[++tag_] = {Asked::Kind::look, plan, {}, clock_.now()};
  broker_->queue(session_, tag_, plans_[plan].name);
}

// What passes in a pause is none of these.
void Runs::check_counts(const Plan& plan) const {
  const auto& known = schedule(plan);
  if (plan.spans.size() > 1) return;
  const auto dealt_with = static_cast<std::uint64_t>(times_in(plan.first, plan.step, known.cursor));
  const auto waiting = static_cast<std::uint64_t>(known.waiting != Time{});
  if (known.fired + known.missed + known.skipped + waiting != dealt_with)
    violated("counts",
             fmt::format("{}: {} fired, {} missed, {} skipped and {} waits of {}", plan.name,
                         known.fired, known.missed, known.skipped, waiting, dealt_with));
}

// ---- hearing, in the order of asking, which is that of deciding

void Runs::hear() {
  for (auto it = asked_.begin(); it != asked_.end(); it = asked_.erase(it)) {
    const auto answer = inbox_->take(it->first);
    if (!answer) break;
    hear_one(it->second, *answer, it->first);
  }
}

void Runs::crashed() {
  for (const auto& [tag, asked] : asked_)
    if (const auto answer = inbox_->take(tag)) hear_one(asked, *answer, tag);
  asked_.clear();
}

void Runs::hear_one(const Asked& asked, const Answer& answer, broker::Tag tag) {
  Plan& plan = plans_[asked.plan];
  trace_.add(static_cast<std::uint64_t>(answer.kind));
  trace_.say([&] {
    std::string text = fmt::format(
        "{}: {}: asked {} {}: answered {} count {}", flow::utc_text(asked.at), plan.name,
        static_cast<int>(asked.kind), asked.due, static_cast<int>(answer.kind), answer.count);
    for (const auto& message : answer.messages) text += " " + message.due;
    return text;
  });
  switch (asked.kind) {
    case Asked::Kind::take:
      return hear_take(asked, answer);
    case Asked::Kind::settle: {
      Run& run = plan.runs.at(asked.due);
      if (answer.count == 1) run.known_to_end = true, run.ended = asked.at;
      return;
    }
    case Asked::Kind::look: {
      const auto& queue = answer.queues.at(0);
      if (plan.overlap != Overlap::allow && queue.ready + queue.leased + queue.scheduled > 1)
        violated("one run", "there are two of " + plan.name);
      return;
    }
    case Asked::Kind::pause:
      if (plan.unsure <= tag) plan.unsure = 0;
  }
}

void Runs::hear_take(const Asked& asked, const Answer& answer) {
  Plan& plan = plans_[asked.plan];
  for (const auto& message : answer.messages) {
    trace_.add(message.due);
    if (message.body != plan.name) violated("no invention", message.body);
    Run& run = plan.runs[message.due];
    if (run.known_to_end)
      violated("fires once", fmt::format("{} came again for {}", plan.name, message.due));
    for (const auto& [due, other] : plan.runs)
      if (plan.overlap != Overlap::allow && due != message.due && !other.asked_to_end)
        violated("one run", fmt::format("{} of {} came before the one of {} ended", message.due,
                                        plan.name, due));
    held_.push_back({asked.plan, message.due, message.lease});
  }
  if (held_.size() > 30) held_.erase(held_.begin(), held_.begin() + 10);
}

// ---- the end

bool Runs::come_to(const Plan& plan) {
  for (int turn = 0; turn < 100'000; ++turn) {
    broker_->settle_down();
    const auto& known = schedule(plan);
    if (known.paused) return true;
    if (*known.next_due > clock_.now() && known.retry_at <= clock_.now()) return true;
    clock_.advance(known.retry_at > clock_.now() ? known.retry_at - clock_.now() : Duration(1ms));
  }
  return false;
}

void Runs::empty() {
  for (int quiet = 0; quiet < 2;) {
    for (const auto& plan : plans_)
      if (!come_to(plan)) violated("schedules", plan.name + " does not come to what is due");
    held_.clear();
    for (std::size_t plan = 0; plan < plans_.size(); ++plan) take(plan);
    broker_->settle_down();
    hear();
    ++quiet;
    const bool any_waits = std::ranges::any_of(
        plans_, [this](const Plan& plan) { return schedule(plan).waiting != Time{}; });
    if (!held_.empty() || any_waits) quiet = 0;
    while (!held_.empty()) {
      settle(held_.size() - 1);
      if (held_.size() % 64 == 0) broker_->settle_down(), hear();
    }
    broker_->settle_down();
    hear();
    clock_.advance(2ms);
  }
}

void Runs::compare(const Plan& plan) const {
  const auto& known = schedule(plan);
  std::vector<Time> fired;
  auto run = plan.runs.begin();
  for (Time due = plan.first; due <= known.cursor && run != plan.runs.end(); due += plan.step) {
    if (run->first != flow::utc_text(due)) continue;
    if (!run->second.asked_to_end) violated("durability", "a run of " + plan.name + " is gone");
    fired.push_back(due);
    ++run;
  }
  if (run != plan.runs.end())
    violated("no invention", fmt::format("{} fired for {}", plan.name, run->first));
  if (known.fired != fired.size())
    violated("counts",
             fmt::format("{} says {} fired, {} came", plan.name, known.fired, fired.size()));
  if (plan.overlap != Overlap::allow) check_left_out(plan, fired);
  if (plan.missed == Missed::all && plan.overlap == Overlap::allow) check_pauses(plan, fired);
}

void Runs::check_left_out(const Plan& plan, const std::vector<Time>& fired) const {
  const std::size_t behind = plan.overlap == Overlap::queue ? 2 : 1;
  for (Time due = plan.first; due <= schedule(plan).cursor; due += plan.step) {
    const auto next = std::ranges::lower_bound(fired, due);
    if (next != fired.end() && *next == due) continue;
    const auto before = static_cast<std::size_t>(next - fired.begin());
    if (before < behind) violated("left out", plan.name + ": nothing ran yet");
    const Run& run = plan.runs.at(flow::utc_text(fired[before - behind]));
    if (run.known_to_end && run.ended < due)
      violated("left out",
               fmt::format("{} of {}, and no run lasted", flow::utc_text(due), plan.name));
  }
}

void Runs::check_pauses(const Plan& plan, const std::vector<Time>& fired) const {
  for (auto span = plan.spans.begin(); span != plan.spans.end(); ++span) {
    const bool last = span + 1 == plan.spans.end();
    const auto until = last ? schedule(plan).cursor : span->until;  // all is done that was due
    for (Time due = plan.first; due <= until; due += plan.step) {
      if (due <= span->from || span->kind == Span::Kind::unknown) continue;
      const bool came = std::ranges::binary_search(fired, due);
      if (came != (span->kind == Span::Kind::running))
        violated("pauses", fmt::format("{} {} for {}", plan.name,
                                       came ? "was paused, and fired" : "ran, and did not fire",
                                       flow::utc_text(due)));
    }
  }
}

// Time passes while nobody looks.
void Runs::miss_some(const Plan& plan) {
  if (!come_to(plan)) violated("schedules", plan.name + " does not come to what is due");
  const auto [fired_before, missed_before, cursor] = [&] {
    const auto& known = schedule(plan);
    return std::tuple(known.fired, known.missed, known.cursor);
  }();
  clock_.advance(Duration(static_cast<std::int64_t>(random_.below(400'000'000))));
  const auto back = clock_.now();
  if (!come_to(plan)) violated("schedules", plan.name + " does not come to what is due");
  const auto up_to = [&](Time time) { return times_in(plan.first, plan.step, time); };
  const auto due = up_to(back) - up_to(cursor);
  const auto last = plan.first + (up_to(back) - 1) * plan.step;
  const bool late = back - last > 1min;
  auto fired = plan.missed == Missed::all                          ? due
               : due == 0 || (plan.missed == Missed::skip && late) ? 0
                                                                   : 1;
  const auto missed = due - fired;
  fired += up_to(clock_.now()) - up_to(back);  // that came due since
  const auto& after = schedule(plan);
  if (static_cast<std::int64_t>(after.fired - fired_before) != fired ||
      static_cast<std::int64_t>(after.missed - missed_before) != missed)
    violated("missed", fmt::format("{}: of {} times {} fired and {} were missed", plan.name, due,
                                   after.fired - fired_before, after.missed - missed_before));
}

void Runs::drain() {
  broker_->settle_down();
  hear();
  clock_.advance(kLease);
  end(kPlansThatRun);
  for (const auto& plan : plans_) miss_some(plan);
  end(plans_.size());
}

// The first so many.
void Runs::end(std::size_t count) {
  empty();
  for (std::size_t plan = 0; plan < count; ++plan) {
    check_counts(plans_[plan]);
    compare(plans_[plan]);
    broker_->remove_schedule(session_, ++tag_, plans_[plan].name);
  }
  broker_->settle_down();
  inbox_->answers.clear();
  plans_.erase(plans_.begin(), plans_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace penstock::sim
