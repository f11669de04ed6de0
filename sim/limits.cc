#include "sim/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/key_limit.h"

namespace penstock::sim {
namespace {

using namespace std::chrono_literals;
using engine::KeyRule;
using engine::OnConflict;

constexpr const char* kQueue = "limited";
constexpr Duration kDelay = 2s;     // of a debounce
constexpr Duration kPeriod = 3s;    // of a throttle
constexpr std::uint32_t kMost = 2;  // in it
constexpr Duration kLease = 2s;
constexpr Duration kUnique = 2500ms;  // of a key that is unique for a time

}  // namespace

Limits::Limits(std::uint64_t seed, SimClock& clock, Trace& trace)
    : random_(seed ^ 0x11417), clock_(clock), trace_(trace) {}

void Limits::connect(broker::Broker& broker) {
  broker_ = &broker;
  inbox_ = std::make_unique<Inbox>();
  session_ = broker.open_session(*inbox_);
}

void Limits::declare_queue() {
  const std::pair<std::string_view, std::string_view> patch[]{{"max_attempts", "0"}};
  broker_->declare(session_, ++tag_, kQueue, patch);
  broker_->settle_down();
  if (const auto answer = inbox_->take(tag_); !answer || answer->kind != Answer::Kind::done)
    violated("limits", "their queue was not declared");
}

void Limits::act() {
  if (!random_.one_in(6)) return;
  switch (random_.below(5)) {
    case 0:
      return take(1 + static_cast<std::uint32_t>(random_.below(3)));
    case 1:
      return settle();
    default:
      return publish();
  }
}

void Limits::publish() {
  const auto body = fmt::format("l{}", tag_ + 1);
  One& one = all_[body];
  one.at = clock_.now();
  one.order = ++tag_;
  auto& limit = one.limit;
  limit.rule = static_cast<KeyRule>(1 + random_.below(5));
  if (limit.is_unique()) limit.on_conflict = static_cast<OnConflict>(random_.below(3));
  if (limit.rule == KeyRule::unique_for) limit.time = kUnique;
  if (limit.rule == KeyRule::debounce) limit.time = kDelay;
  if (limit.rule == KeyRule::throttle) limit.time = kPeriod, limit.most = kMost;
  // A key stays with its rule: what another rule does to it is for unit tests.
  one.key = fmt::format("{}-{}", static_cast<int>(limit.rule), random_.below(2));
  engine::MessageInput input;
  input.body = as_bytes(body);
  input.task = random_.one_in(3);
  input.limit = limit;
  input.limit.key = one.key;
  asked_[tag_] = {Asked::Kind::publish, body, tag_, clock_.now()};
  broker_->publish(session_, tag_, engine::Publish{kQueue, {&input, 1}});
}

void Limits::take(std::uint32_t max) {
  engine::Take take;
  take.queues = {kQueue};
  take.max = max;
  take.lease = kLease;
  take.connection_bound = false;
  asked_[++tag_] = {Asked::Kind::take, {}, tag_, clock_.now()};
  broker_->take(session_, tag_, take);
}

void Limits::settle() {
  if (held_.empty()) return;
  const auto at = random_.below(held_.size());
  const auto [body, lease] = held_[at];
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
  engine::Settle settle;
  settle.leases = {&lease, 1};
  const bool ends = !random_.one_in(3);
  settle.outcome = ends ? engine::Outcome::ack : engine::Outcome::nack;
  settle.delay = 1s;
  asked_[++tag_] = {Asked::Kind::settle, body, tag_, clock_.now(), ends};
  broker_->settle(session_, tag_, settle);
}

// ---- what may be true

bool Limits::same_key(const One& one, const One& other) const {
  return &one != &other && one.key == other.key;
}

bool Limits::time_is_over(const One& one, const One& next) {
  return one.limit.rule == KeyRule::unique_for && one.at + kUnique <= next.at;
}

bool Limits::may_be_free(const One& one, const One& next) {
  if (one.limit.rule == KeyRule::unique_for) return time_is_over(one, next);
  const auto order = next.order;
  const auto before = [order](std::uint64_t what) { return what != 0 && what < order; };
  if (before(one.ended) || before(one.may_have)) return true;
  return one.limit.rule == KeyRule::unique_start &&
         (before(one.started) || before(one.may_have_started));
}

void Limits::check_unique(const One& one) const {
  for (const auto& [body, other] : all_)
    if (same_key(one, other) && other.came_in && other.order < one.order &&
        !may_be_free(other, one))
      violated("unique", fmt::format("{} has key {}, and so has {}", one.order, one.key, body));
}

void Limits::check_throttle(const One& one) const {
  std::uint32_t count = 0;
  for (const auto& [body, other] : all_)
    if (one.key == other.key && other.came_in && other.at > one.at - kPeriod && other.at <= one.at)
      ++count;
  if (count > kMost) violated("throttle", fmt::format("{} of {} in a period", count, one.key));
}

void Limits::check_refused(const Asked& asked, const One& one) const {
  std::uint32_t count = 0;
  for (const auto& [body, other] : all_)
    if (same_key(one, other) && (other.came_in || other.may_be_in) && other.at > asked.at - kPeriod)
      ++count;
  if (count < kMost) violated("throttle", one.key + " was refused with room in its period");
}

void Limits::check_delivered(const std::string& body, const One& one, const Asked& take) const {
  if (one.ended != 0 && one.ended < take.order)
    violated("unique", body + " was delivered after its end");
  if (one.limit.rule != KeyRule::debounce) return;
  if (take.at < one.at + kDelay) violated("debounce", body + " came early");
  for (const auto& [name, other] : all_)
    if (same_key(one, other) && other.came_in && other.order > one.order &&
        other.at < one.at + kDelay)
      violated("debounce", fmt::format("{} came, and not {}", body, name));
}

// ---- hearing

void Limits::hear() {
  for (auto& [tag, answer] : std::exchange(inbox_->answers, {})) {
    const auto found = asked_.find(tag);
    if (found == asked_.end()) violated("answers", fmt::format("nobody asked for limit {}", tag));
    const Asked asked = std::move(found->second);
    asked_.erase(found);
    trace_.add(tag);
    trace_.add(static_cast<std::uint64_t>(answer.kind));
    switch (asked.kind) {
      case Asked::Kind::publish:
        hear_publish(asked, answer);
        break;
      case Asked::Kind::take:
        hear_take(asked, answer);
        break;
      case Asked::Kind::settle:
        if (asked.ends && answer.count == 1) all_.at(asked.body).ended = asked.order;
    }
  }
}

void Limits::hear_publish(const Asked& asked, const Answer& answer) {
  One& one = all_.at(asked.body);
  const auto holder = [&](MessageId id) -> One* {
    for (auto& [body, other] : all_)
      if (same_key(one, other) && other.id == id) return &other;
    return nullptr;
  };
  if (answer.kind == Answer::Kind::refused) {
    if (answer.retry_after <= 0s) violated("refusals", "one without a time to come back");
    if (answer.reason == "throttle") check_refused(asked, one);
    all_.erase(asked.body);
    return;
  }
  const bool known = answer.duplicates > 0;
  if (answer.kind == Answer::Kind::error || known) {
    if (!known && answer.code != ErrorCode::duplicate) violated("limits", answer.reason);
    One* other = holder(known ? answer.ids.front() : answer.id);
    // One that came in before a crash, and nobody was told its id.
    const bool unheard = std::ranges::any_of(all_, [&](const auto& each) {
      return same_key(one, each.second) && each.second.may_be_in && !time_is_over(each.second, one);
    });
    if (other == nullptr && !unheard) violated("unique", one.key + " belongs to nobody");
    const bool ends_it = one.limit.rule != KeyRule::unique_for;
    const bool was_over =
        other != nullptr && (time_is_over(*other, one) ||
                             (ends_it && other->ended != 0 && other->ended < asked.order) ||
                             (one.limit.rule == KeyRule::unique_start && other->started != 0 &&
                              other->started < asked.order));
    if (was_over) violated("unique", one.key + " is still held for one that is over");
    all_.erase(asked.body);
    return;
  }
  one.came_in = true;
  one.id = answer.ids.front();
  trace_.add(one.id.value);
  if (one.limit.rule == KeyRule::throttle) return check_throttle(one);
  const bool replaces =
      one.limit.on_conflict == OnConflict::replace || one.limit.rule == KeyRule::debounce;
  // What waited for its start has ended; what had started had its key no more, and goes on.
  if (!replaces) return check_unique(one);
  for (auto& [body, other] : all_) {
    if (!same_key(one, other) || other.order > one.order) continue;
    const bool had_key =
        one.limit.rule == KeyRule::debounce ? one.at < other.at + kDelay : !may_be_free(other, one);
    if (had_key && other.came_in && other.ended == 0) other.ended = one.order;
    if (other.may_have == 0) other.may_have = one.order;
  }
}

void Limits::hear_take(const Asked& asked, const Answer& answer) {
  for (const auto& message : answer.messages) {
    trace_.add(message.id.value);
    const auto found = all_.find(message.body);
    if (found == all_.end()) violated("limits", message.body + " was refused, and came");
    One& one = found->second;
    check_delivered(found->first, one, asked);
    one.came_in = true;
    one.id = message.id;
    if (one.started == 0) one.started = asked.order;
    held_.emplace_back(message.body, message.lease);
  }
  if (held_.size() > 20) held_.erase(held_.begin(), held_.begin() + 5);
}

// All that was not answered may have happened.
void Limits::crashed() {
  for (const auto& [tag, asked] : asked_) {
    if (asked.kind == Asked::Kind::settle) {
      One& one = all_.at(asked.body);
      if (asked.ends && one.may_have == 0) one.may_have = asked.order;
      continue;
    }
    for (auto& [body, other] : all_) {
      if (asked.kind == Asked::Kind::take) {
        if (other.may_have_started == 0) other.may_have_started = asked.order;
      } else if (body != asked.body && other.key == all_.at(asked.body).key) {
        if (other.may_have == 0) other.may_have = asked.order;
      }
    }
    if (asked.kind == Asked::Kind::publish) all_.at(asked.body).may_be_in = true;
  }
  asked_.clear();
}

void Limits::drain() {
  broker_->settle_down();
  hear();
  for (int round = 0; round < 8; ++round) {
    clock_.advance(kLease + 1s);
    for (bool more = true; more;) {
      held_.clear();
      take(1000);
      broker_->settle_down();
      hear();
      more = !held_.empty();
      for (const auto& [body, lease] : held_) {
        engine::Settle settle;
        settle.leases = {&lease, 1};
        asked_[++tag_] = {Asked::Kind::settle, body, tag_, clock_.now(), true};
        broker_->settle(session_, tag_, settle);
      }
      broker_->settle_down();
      hear();
    }
  }
  for (const auto& [body, one] : all_)
    if (one.came_in && one.ended == 0 && one.may_have == 0)
      violated("limits", body + " came in, and is not there");
}

}  // namespace penstock::sim
