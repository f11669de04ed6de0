#include "sim/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace penstock::sim {

using namespace std::chrono_literals;

namespace {

constexpr const char* kQueue = "grouped";
constexpr std::array<const char*, 3> kNames{"a", "b", "c"};
constexpr Duration kLease = 2s;
constexpr Duration kRetry = 1s;
// Timers have ticks of a millisecond.
constexpr Duration kTick = 3ms;

double capacity_of(double rate) {
  return std::max(1.0, rate / 10);
}
double seconds(Duration time) {
  return static_cast<double>(time.count()) / 1e6;
}

}  // namespace

Groups::Groups(std::uint64_t seed, SimClock& clock, Trace& trace)
    : random_(seed ^ 0x9209b5), clock_(clock), trace_(trace) {}

Groups::Rule Groups::Settings::of(std::size_t group) const {
  Rule rule;
  if (group == kNone) return {1, 0.0, 0u};
  if (const auto found = groups.find(kNames[group]); found != groups.end()) rule = found->second;
  if (!rule.rate) rule.rate = rate;
  if (!rule.limit) rule.limit = limit;
  return rule;
}

Groups::Settings Groups::look() const {
  Settings settings;
  const auto groups = broker_->groups(session_, kQueue);
  const auto options = broker_->check_queue(session_, kQueue);
  if (!groups || !options) violated("groups", "their queue is gone");
  for (const auto& one : *groups)
    settings.groups[std::string(one.name)] = {one.setting.weight, one.setting.rate,
                                              one.setting.limit};
  settings.rate = (*options)->group_rate;
  settings.limit = (*options)->group_limit;
  return settings;
}

void Groups::connect(broker::Broker& broker) {
  broker_ = &broker;
  inbox_ = std::make_unique<Inbox>();
  session_ = broker.open_session(*inbox_);
  races_.clear();
  buckets_ = {};
  if (steps_.empty()) return;
  const auto found = look();
  const auto confirmed = std::ranges::find_if(
      steps_.rbegin(), steps_.rend(), [&](const Step& one) { return one.tag <= confirmed_; });
  for (auto step = confirmed.base() - 1; step != steps_.end(); ++step) {
    if (step->settings != found) continue;
    steps_ = {{0, found}};
    return;
  }
  violated("settings of groups",
           fmt::format("{} are there, which is none of {} states since the last confirmed one",
                       found.groups.size(), steps_.end() - confirmed.base() + 1));
}

void Groups::declare_queue() {
  const std::pair<std::string_view, std::string_view> patch[]{{"max_attempts", "0"}};
  broker_->declare(session_, ++tag_, kQueue, patch);
  broker_->settle_down();
  if (const auto answer = inbox_->take(tag_); !answer || answer->kind != Answer::Kind::done)
    violated("groups", "their queue was not declared");
  steps_.push_back({0, look()});
}

// ---- asking

void Groups::act() {
  if (!random_.one_in(3)) return;
  const auto luck = random_.below(12);
  if (luck < 5) {
    std::array<std::size_t, 3> groups{};
    for (auto& group : groups) group = random_.below(kGroups + 1);
    return publish(std::span(groups).first(1 + random_.below(groups.size())));
  }
  if (luck < 8) return take(1 + static_cast<std::uint32_t>(random_.below(4)));
  if (luck == 11) return change();
  if (!held_.empty()) settle(random_.below(held_.size()), !random_.one_in(3));
}

void Groups::publish(std::span<const std::size_t> groups) {
  Asked asked{Asked::Kind::publish, clock_.now()};
  std::vector<engine::MessageInput> inputs(groups.size());
  for (std::size_t n = 0; n < groups.size(); ++n)
    asked.bodies.push_back(fmt::format("g{}.{}", tag_ + 1, n));
  for (std::size_t n = 0; n < groups.size(); ++n) {
    all_[asked.bodies[n]].group = groups[n];
    trace_.say([&] { return fmt::format("{} group {}", asked.bodies[n], groups[n]); });
    inputs[n].body = as_bytes(asked.bodies[n]);
    if (groups[n] != kNone) inputs[n].group = kNames[groups[n]];
  }
  asked_.emplace(++tag_, asked);
  broker_->publish(session_, tag_, engine::Publish{kQueue, inputs});
}

void Groups::take(std::uint32_t max) {
  broker_->turn();  // what is due by now comes first
  engine::Take take;
  take.queues = {kQueue};
  take.max = max;
  take.lease = kLease;
  take.connection_bound = false;
  Asked asked{Asked::Kind::take, clock_.now()};
  asked.max = max;
  asked.settings = steps_.back().settings;
  asked_.emplace(++tag_, std::move(asked));
  broker_->take(session_, tag_, take);
}

void Groups::settle(std::size_t held, bool ends) {
  const auto [body, lease] = held_[held];
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(held));
  Asked asked{Asked::Kind::settle, clock_.now(), {body}};
  asked.ends = ends;
  asked.delay = random_.one_in(2) ? kRetry : Duration(0);
  engine::Settle settle;
  settle.leases = {&lease, 1};
  settle.outcome = ends ? engine::Outcome::ack : engine::Outcome::nack;
  settle.delay = asked.delay;
  asked_.emplace(++tag_, std::move(asked));
  broker_->settle(session_, tag_, settle);
}

void Groups::change() {
  constexpr const char* kRates[] = {"0", "1", "5", "40", "default"};
  constexpr const char* kLimits[] = {"0", "1", "2", "3", "default"};
  const auto group = random_.below(kGroups);
  switch (random_.below(6)) {
    case 0:
      return reset(group);
    case 1:
      return declare(kLimits[random_.below(4)], kRates[random_.below(4)]);
    case 2:
      return set(group, "rate", kRates[random_.below(5)]);
    case 3:
      return set(group, "limit", kLimits[random_.below(5)]);
    default:
      return set(group, "weight", std::to_string(1 + random_.below(4)));
  }
}

void Groups::set(std::size_t group, std::string_view name, const std::string& value) {
  Settings expected = steps_.back().settings;
  Rule& rule = expected.groups[kNames[group]];
  const bool resets = value == "default";
  if (name == "weight") rule.weight = static_cast<std::uint32_t>(std::stoul(value));
  if (name == "rate") rule.rate = resets ? std::nullopt : std::optional(std::stod(value));
  if (name == "limit")
    rule.limit =
        resets ? std::nullopt : std::optional(static_cast<std::uint32_t>(std::stoul(value)));
  const std::pair<std::string_view, std::string_view> patch[]{{name, value}};
  broker_->set_group(session_, ++tag_, kQueue, kNames[group], patch);
  Asked asked{Asked::Kind::set, clock_.now()};
  asked.changed = {group};
  note(std::move(asked), expected);
}

void Groups::reset(std::size_t group) {
  Settings expected = steps_.back().settings;
  Asked asked{Asked::Kind::set, clock_.now()};
  asked.finds_nothing = expected.groups.erase(kNames[group]) == 0;
  asked.changed = {group};
  broker_->reset_group(session_, ++tag_, kQueue, kNames[group]);
  note(std::move(asked), expected);
}

void Groups::declare(const std::string& limit, const std::string& rate) {
  Settings expected = steps_.back().settings;
  expected.limit = static_cast<std::uint32_t>(std::stoul(limit));
  expected.rate = std::stod(rate);
  const std::pair<std::string_view, std::string_view> patch[]{{"group_limit", limit},
                                                              {"group_rate", rate}};
  broker_->declare(session_, ++tag_, kQueue, patch);
  Asked asked{Asked::Kind::set, clock_.now()};
  asked.changed = {0, 1, 2};
  note(std::move(asked), expected);
}

// After a command: what holds now, which is that or, when it was refused, what held before.
void Groups::note(Asked asked, const Settings& expected) {
  auto found = look();
  trace_.say([&] {
    auto text = fmt::format("groups: the queue has limit {} rate {}", found.limit, found.rate);
    for (const auto& [name, rule] : found.groups)
      text += fmt::format(", {} weight {} rate {} limit {}", name, rule.weight,
                          rule.rate.value_or(-1), rule.limit ? std::to_string(*rule.limit) : "-");
    return text;
  });
  asked.took = found == expected;
  if (!asked.took && found != steps_.back().settings)
    violated("settings of groups", "one command did more than it says");
  if (found == steps_.back().settings) asked.changed.clear();
  trace_.add(found.groups.size());
  if (steps_.size() > 64)
    std::erase_if(steps_,
                  [&](const Step& one) { return &one != &steps_.back() && one.tag < confirmed_; });
  steps_.push_back({tag_, std::move(found)});
  asked_.emplace(tag_, std::move(asked));
}

// ---- hearing, in the order of asking, which is that of deciding

void Groups::hear() {
  if (inbox_->answered_twice != 0) violated("answers", "of groups: one was answered twice");
  while (!asked_.empty()) {
    const auto answer = inbox_->take(asked_.begin()->first);
    if (!answer) return;
    const auto one = asked_.extract(asked_.begin());
    confirmed_ = std::max(confirmed_, one.key());
    hear_one(one.mapped(), *answer);
  }
}

void Groups::crashed() {
  while (!asked_.empty()) {
    const auto one = asked_.extract(asked_.begin());
    if (const auto answer = inbox_->take(one.key())) {
      confirmed_ = std::max(confirmed_, one.key());
      hear_one(one.mapped(), *answer);
    } else {
      unheard(one.mapped());
    }
  }
}

void Groups::hear_one(const Asked& asked, const Answer& answer) {
  trace_.add(static_cast<std::uint64_t>(answer.kind));
  trace_.say([&] {
    std::string text = fmt::format("{}: groups: asked {} of", micros(asked.at) % 1'000'000'000,
                                   static_cast<int>(asked.kind));
    for (const auto& body : asked.bodies) text += " " + body;
    text += fmt::format(": answered {} count {} {}", static_cast<int>(answer.kind), answer.count,
                        answer.reason);
    for (const auto& m : answer.messages) text += fmt::format(" {}/{}", m.body, m.group);
    return text;
  });
  if (answer.kind == Answer::Kind::refused && answer.retry_after <= 0s)
    violated("refusals", "one without a time to come back");
  switch (asked.kind) {
    case Asked::Kind::set:
      return hear_setting(asked, answer);
    case Asked::Kind::take:
      return hear_take(asked, answer);
    case Asked::Kind::publish:
      for (std::size_t n = 0; n < asked.bodies.size(); ++n) {
        if (answer.kind != Answer::Kind::published) {
          all_.erase(asked.bodies[n]);
          continue;
        }
        One& one = all_.at(asked.bodies[n]);
        one.in = true;
        one.id = answer.ids.at(n);
      }
      return;
    case Asked::Kind::settle: {
      const auto found = all_.find(asked.bodies.front());
      if (answer.count != 1 || found == all_.end()) return;
      if (asked.ends) {
        ended_.insert(found->first);
        all_.erase(found);
        return;
      }
      found->second.held_until = found->second.busy_until = asked.at + asked.delay;
    }
  }
}

void Groups::hear_setting(const Asked& asked, const Answer& answer) {
  const bool missing = answer.kind == Answer::Kind::error && answer.code == ErrorCode::not_found;
  if (missing != asked.finds_nothing) violated("settings of groups", answer.reason);
  if (answer.kind == Answer::Kind::done && !asked.took)
    violated("settings of groups", "one was confirmed, and nothing changed");
  for (const auto group : asked.changed) {
    buckets_[group] = {};
    std::erase_if(races_, [&](const auto& race) {
      return race.first.first == group || race.first.second == group;
    });
  }
}

// It may have happened.
void Groups::unheard(const Asked& asked) {
  if (asked.kind == Asked::Kind::take)
    for (auto& [body, one] : all_) {
      one.may_have_been_out = true;
      one.busy_until = std::max(one.busy_until, asked.at + kLease);
    }
  if (asked.kind != Asked::Kind::settle) return;
  const auto found = all_.find(asked.bodies.front());
  if (found == all_.end()) return;
  One& one = found->second;
  one.held_until = {};
  if (asked.ends)
    one.may_have_ended = true;
  else
    one.busy_until = std::max(one.busy_until, asked.at + asked.delay);
}

void Groups::hear_take(const Asked& asked, const Answer& answer) {
  for (const auto& message : answer.messages) {
    trace_.add(message.id.value);
    if (ended_.contains(message.body))
      violated("no resurrection", message.body + " was settled, and came back");
    const auto found = all_.find(message.body);
    if (found == all_.end()) violated("no invention", message.body + " was never sent");
    One& one = found->second;
    if (message.group != (one.group == kNone ? "" : kNames[one.group]))
      violated("groups", message.body + " changed its group");
    one.in = true;
    one.id = message.id;
    one.may_have_ended = false;
    check_delivered(asked, found->first, one);
    const auto may = may_be_delivered(asked);
    one.may_have_been_out = true;
    one.held_until = one.busy_until = asked.at + kLease;
    spend(asked, one.group);
    race(asked, one.group, may);
    held_.emplace_back(message.body, message.lease);
  }
  if (held_.size() > 30) held_.erase(held_.begin(), held_.begin() + 5);
  if (answer.messages.size() >= asked.max) return;
  const auto may = may_be_delivered(asked);
  for (std::size_t group = 0; group < may.size(); ++group)
    if (may[group])
      violated("work", fmt::format("a take of {} got {}, while there is one of group {}", asked.max,
                                   answer.messages.size(), group == kNone ? "-" : kNames[group]));
}

void Groups::check_delivered(const Asked& asked, const std::string& body, const One& one) {
  std::uint32_t held = 0;
  for (const auto& [name, other] : all_) {
    if (&other == &one || other.group != one.group || !other.in || other.may_have_ended) continue;
    held += other.held_until > asked.at;
    if (one.group != kNone && !one.may_have_been_out && !other.may_have_been_out &&
        other.id < one.id)
      violated("order of a group", fmt::format("{} came before {}", body, name));
  }
  const auto limit = *asked.settings.of(one.group).limit;
  if (limit != 0 && held >= limit)
    violated("limit of a group",
             fmt::format("{} came while {} of {} were worked on", body, held, kNames[one.group]));
}

// In no time since its bucket was full more than that and what flowed into it.
void Groups::spend(const Asked& asked, std::size_t group) {
  if (group == kNone) return;
  const double rate = *asked.settings.of(group).rate;
  Bucket& bucket = buckets_[group];
  const double capacity = capacity_of(rate);
  if (bucket.full)
    bucket.tokens = capacity;
  else
    bucket.tokens = std::min(capacity, bucket.tokens + rate * seconds(asked.at - bucket.at));
  bucket.full = false;
  bucket.at = asked.at;
  --bucket.tokens;
  bucket.spent.push_back(asked.at);
  if (rate <= 0) return;
  for (std::size_t n = 0; n < bucket.spent.size(); ++n) {
    const auto count = static_cast<double>(bucket.spent.size() - n);
    if (count > capacity + rate * seconds(asked.at - bucket.spent[n]) + 1e-6)
      violated("rate of a group", fmt::format("{} of {} in {} us", count, kNames[group],
                                              (asked.at - bucket.spent[n]).count()));
  }
}

// Which groups may be delivered for certain, and whether those without one may.
std::array<bool, Groups::kGroups + 1> Groups::may_be_delivered(const Asked& asked) const {
  std::array<bool, kGroups + 1> waits{};
  std::array<std::uint32_t, kGroups + 1> held{};
  for (const auto& [body, one] : all_) {
    const bool busy = one.busy_until + kTick > asked.at && one.busy_until != Time{};
    held[one.group] += busy || !one.in;
    waits[one.group] |= one.in && !one.may_have_ended && !busy;
  }
  for (std::size_t group = 0; group < kGroups; ++group) {
    const Rule rule = asked.settings.of(group);
    if (*rule.limit != 0 && held[group] >= *rule.limit) waits[group] = false;
    const Bucket& bucket = buckets_[group];
    if (*rule.rate <= 0 || bucket.full) continue;
    const auto since = std::max(Duration(0), asked.at - bucket.at - kTick);
    if (bucket.tokens + *rule.rate * seconds(since) < 1.01) waits[group] = false;
  }
  return waits;
}

// `may`: before the delivery. Only while both may, before and after, are two compared.
void Groups::race(const Asked& asked, std::size_t group, const std::array<bool, kGroups + 1>& may) {
  const auto still = may_be_delivered(asked);
  const auto any = [](const auto& each) { return each[0] || each[1] || each[2]; };
  const auto judge = [&](std::pair<std::size_t, std::size_t> pair, bool both, double step) {
    if (!both) return void(races_.erase(pair));
    Race& race = races_[pair];
    race.lead += step;
    race.least = std::min(race.least, race.lead);
    race.most = std::max(race.most, race.lead);
    if (race.most - race.least > 1 + 1e-9)
      violated("weights", fmt::format("{} and {} are {} turns apart", pair.first, pair.second,
                                      race.most - race.least));
  };
  for (std::size_t one = 0; one < kGroups; ++one)
    for (std::size_t other = one + 1; other < kGroups; ++other) {
      const double turn = 1.0 / asked.settings.of(group).weight;
      const bool both = may[one] && may[other] && still[one] && still[other];
      judge({one, other}, both, group == one ? turn : group == other ? -turn : 0);
    }
  judge({kGroups, kNone}, any(may) && may[kNone] && any(still) && still[kNone],
        group == kNone ? 1 : -1);
}

// ---- the end

void Groups::empty() {
  for (int round = 0; round < 4; ++round) {
    clock_.advance(kLease + kRetry);
    for (bool more = true; more;) {
      held_.clear();
      take(1000);
      broker_->settle_down();
      hear();
      more = !held_.empty();
      while (!held_.empty()) settle(held_.size() - 1, true);
      broker_->settle_down();
      hear();
    }
  }
  for (const auto& [body, one] : all_)
    if (one.in && !one.may_have_ended) violated("durability", body + " came in, and is not there");
  all_.clear();
}

// Each has work all the time, one at a time is done: what comes out is as they weigh.
void Groups::compete() {
  std::vector<std::size_t> groups;
  for (std::size_t group = 0; group < kGroups; ++group) {
    set(group, "weight", std::to_string(1 + random_.below(4)));
    groups.insert(groups.end(), 9, group);
  }
  if (random_.one_in(2)) groups.insert(groups.end(), 9, kNone);
  declare(random_.one_in(2) ? "1" : "0", "0");
  publish(groups);
  for (int n = 0; n < 18; ++n) {
    take(1);
    broker_->settle_down();
    hear();
    if (!held_.empty()) settle(0, true);
  }
}

void Groups::drain() {
  broker_->settle_down();
  hear();
  for (std::size_t group = 0; group < kGroups; ++group) reset(group);
  declare("0", "0");
  empty();
  compete();
  declare("0", "0");
  empty();
}

}  // namespace penstock::sim
