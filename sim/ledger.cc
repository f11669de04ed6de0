#include "sim/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "broker/broker.h"

namespace penstock::sim {

using Publish = Sent::Publish;

void violated(const char* law, std::string what) {
  throw Violation{law, std::move(what)};
}

Sent& Ledger::sent(const std::string& body) {
  return messages_[body];
}

void Ledger::refused(const std::vector<std::string>& bodies) {
  for (const auto& body : bodies) {
    if (messages_.at(body).seen) violated("no invention", body + " was refused and delivered");
    messages_.erase(body);
  }
}

void Ledger::confirmed(const std::vector<std::string>& bodies, const Answer& answer) {
  for (std::size_t n = 0; n < bodies.size(); ++n) {
    auto& message = messages_.at(bodies[n]);
    message.publish = Publish::confirmed;
    if (n < answer.ids.size()) message.id = answer.ids[n];
  }
}

void Ledger::crashed(const std::vector<std::string>& publishes, const std::vector<Bond>& bonds) {
  for (const auto& body : publishes)
    if (auto& message = messages_.at(body); message.publish == Publish::asked)
      message.publish = Publish::unknown;
  for (const auto& bond : bonds) {
    messages_.at(bond.settled).may_be_gone = true;
    bonds_.push_back(bond);
  }
  // Any message may have been leased by a take that was never answered.
  for (auto& [body, message] : messages_) message.returned = true;
  newest_fresh_.clear();
}

void Ledger::delivered(const Message& delivery, Duration lease, SessionId to, SessionId by) {
  const auto found = messages_.find(delivery.body);
  if (found == messages_.end())
    violated("no invention", fmt::format("`{}` was never sent", delivery.body.substr(0, 40)));
  auto& message = found->second;
  const auto& body = found->first;
  const auto rules = queues.find(delivery.queue);
  const auto of_queue = rules == queues.end() ? engine::QueueOptions{}.lease : rules->second.lease;
  // A lease without an end does not tell when it was given: then nothing is said of times.
  const bool timed = delivery.deadline != Time{};
  const auto decided = delivery.deadline - (lease > Duration{} ? lease : of_queue);
  if (message.gone) violated("no resurrection", body + " was settled for good, and came back");
  if (message.id && message.id != delivery.id)
    violated("identity",
             fmt::format("{} was message {} and is {}", body, message.id.value, delivery.id.value));
  message.id = delivery.id;
  const bool dead = delivery.queue.starts_with(message.queue + ".dead");
  if (delivery.queue != message.queue && !dead)
    violated("no invention", body + " came out of queue " + delivery.queue);
  if (dead && !message.may_move && !queues.at(message.queue).gives_up())
    violated("dead letters", body + " is dead, and nothing killed it");
  if (timed && message.live_until > decided)
    violated("one live lease", fmt::format("{} was delivered {} us before its lease ended", body,
                                           (message.live_until - decided).count()));
  const auto token = broker::Broker::to_text(delivery.lease);
  if (!message.leases_seen.insert(token).second)
    violated("fencing", fmt::format("{} was delivered twice with lease {}", body, token));
  if (timed && !dead && message.not_before > decided && !message.returned)
    violated("not before", body + " came before its time");
  if (!dead && !message.may_move && message.expires_at != Time{} &&
      message.expires_at + std::chrono::milliseconds(1) < decided)
    violated("expiry", fmt::format("{} came {} us after it had expired, attempt {}", body,
                                   (decided - message.expires_at).count(), delivery.attempts));
  const auto most = queues.at(message.queue).max_attempts;
  if (!dead && most != 0 && delivery.attempts > most)
    violated("attempts",
             fmt::format("{} came for the {}. time of {}", body, delivery.attempts, most));
  if (dead && !message.may_move && message.lease_queue == message.queue)
    check_given_up(body, message, delivery.lease.delivery - 1);
  if (dead || message.may_move) message.failed.clear();  // it is counted anew when it comes back
  const auto limit = queues.at(message.queue).cause_limit;
  for (const auto& [cause, times] : message.failed)
    if (limit != 0 && times >= limit)
      violated("causes", fmt::format("{} came although it failed {} times: {}", body, times,
                                     engine::name_of(cause)));
  if (delivery.attempts == 0) violated("attempts", body + " came for the 0. time");
  if (timed && !dead) check_order(body, message, decided);
  if (dead || message.may_move) message.suspect = false;
  if (timed) check_company(body, message, by, decided);
  // It is here, so whatever might have ended it did not.
  message.seen = message.returned = true;
  message.may_be_gone = false;
  if (message.publish == Publish::unknown) message.publish = Publish::confirmed;
  message.lease = delivery.lease;
  message.lease_queue = delivery.queue;
  message.live_until = delivery.deadline;
  message.holder = to;
  message.taker = by;
  message.orphan = false;
  for (auto& bond : bonds_)
    if (bond.settled == body) bond.refuted = true;
}

// After `attempts`. Those that nobody heard the end of may have ended of anything.
void Ledger::check_given_up(const std::string& body, const Sent& message,
                            std::uint64_t attempts) const {
  const auto& rules = queues.at(message.queue);
  if (message.expires_at != Time{} || attempts < message.given_back) return;
  attempts -= message.given_back;
  if (rules.max_attempts != 0 && attempts >= rules.max_attempts) return;
  std::uint64_t known = 0, most = 0;
  for (const auto& [cause, times] : message.failed) {
    known += times;
    most = std::max<std::uint64_t>(most, times);
  }
  if (rules.cause_limit != 0 && attempts >= known && most + attempts - known >= rules.cause_limit)
    return;
  violated("dead letters", fmt::format("{} is dead after {} attempts, {} of one cause at most",
                                       body, attempts, most + attempts - known));
}

// A worker has no more than its slots, when one of them was lost with another before.
void Ledger::check_company(const std::string& body, const Sent& message, SessionId by,
                           Time decided) const {
  const auto worker = slots_.find(by);
  if (worker == slots_.end()) return;
  std::uint32_t held = 0;
  bool suspect = message.suspect;
  for (const auto& [name, other] : messages_) {
    if (&other == &message || other.taker != by || !other.is_held(decided)) continue;
    ++held;
    suspect |= other.suspect;
  }
  if (suspect && held >= worker->second)
    violated("suspects", fmt::format("{} came to a worker of {} slots that holds {}", body,
                                     worker->second, held));
}

// Among messages that were never leased, have no time and no group, the order is that of sending.
void Ledger::check_order(const std::string& body, const Sent& message, Time decided) {
  if (message.returned || message.not_before != Time{} || message.may_move) return;
  if (message.group.empty()) {
    auto& newest = newest_fresh_[{message.queue, message.priority}];
    if (message.id < newest)
      violated("order",
               fmt::format("{} ({}) came behind {}", body, message.id.value, newest.value));
    newest = message.id;
    return;
  }
  if (queues.at(message.queue).group_limit != 1) return;
  for (const auto& [other_body, other] : messages_) {
    if (&other == &message || other.queue != message.queue || other.group != message.group)
      continue;
    if (other.gone || other.may_be_gone || other.may_move) continue;
    if (other.live_until > decided && other.lease_queue == message.queue)
      violated("groups",
               fmt::format("{} came while {} of its group was being worked on", body, other_body));
  }
}

// Only the newest lease can settle: whoever holds an older one lost the message to someone else.
void Ledger::settled(const std::string& body, const engine::LeaseToken& lease,
                     engine::Outcome outcome, bool final, engine::Cause cause) {
  auto& message = messages_.at(body);
  if (message.gone) violated("settled once", body + " was settled again");
  if (message.lease.delivery != lease.delivery || message.lease.seal != lease.seal)
    violated("fencing", body + " was settled by an older lease than its newest");
  message.live_until = Time{};
  message.gone = final;
  if (message.lease_queue != message.queue) return;
  if (cause != engine::Cause::none) ++message.failed[cause];
  message.given_back +=
      outcome == engine::Outcome::give_back || outcome == engine::Outcome::decline;
}

void Ledger::session_closed(SessionId session, Time now) {
  slots_.erase(session);
  for (auto& [body, message] : messages_) {
    if (message.taker == session) message.taker = SessionId{};
    if (message.holder != session) continue;
    const auto& rules = queues.at(message.queue);
    message.suspect |= message.is_held(now) && message.lease_queue == message.queue &&
                       (message.task || rules.gives_up());
    message.live_until = Time{}, message.holder = SessionId{};
  }
}

void Ledger::server_gone(Time now) {
  // By then a worker has to say what it holds.
  constexpr Duration kWorkersBack = std::chrono::seconds(10);
  for (auto& [body, message] : messages_) {
    if (slots_.contains(message.taker))
      message.live_until = std::min(message.live_until, now + kWorkersBack);
    message.orphan = message.orphan || message.holder != SessionId{};
    message.holder = message.taker = SessionId{};
    message.suspect = false;
  }
  slots_.clear();
}

void Ledger::extended(const std::string& body, const engine::LeaseToken& lease, SessionId by) {
  auto& message = messages_.at(body);
  if (!message.orphan || message.lease.delivery != lease.delivery ||
      message.lease.seal != lease.seal)
    return;
  message.holder = by;
  message.orphan = false;
}

Ledger::Bounds Ledger::bounds(const std::string& queue, Time now) const {
  Bounds bounds;
  const bool dead_queue = queue.ends_with(".dead");
  for (const auto& [body, message] : messages_) {
    if (message.gone) continue;
    const bool maybe_dead = message.may_move || queues.at(message.queue).gives_up();
    const bool home = message.queue == queue;
    if (!home && !(dead_queue && maybe_dead && message.queue + ".dead" == queue)) continue;
    ++bounds.most;
    const bool may_expire = message.expires_at != Time{} && message.expires_at <= now;
    const bool there = message.publish == Publish::confirmed && !message.may_be_gone &&
                       !may_expire && message.ends_asked == 0;
    // Only what was never leased since is surely at home: attempts may have run out unseen.
    if (home && there && !message.may_move && !maybe_dead) ++bounds.least;
  }
  return bounds;
}

const Sent* Ledger::by_key(const std::string& queue, const std::string& key) const {
  for (const auto& [body, message] : messages_)
    if (message.queue == queue && message.key == key && message.publish == Publish::confirmed)
      return &message;
  return nullptr;
}

void Ledger::check_all_accounted_for(const std::set<std::string>& drained) const {
  std::map<std::uint64_t, std::pair<bool, bool>> bundles;  // some there, some missing for certain
  for (const auto& [body, message] : messages_) {
    const bool came = drained.contains(body);
    if (message.publish == Publish::confirmed && !message.gone && !message.may_be_gone &&
        message.expires_at == Time{} && !came)
      violated("durability", body + " was confirmed, never settled, and is not there");
    auto& [some, missing] = bundles[message.bundle];
    if (came || message.seen || message.publish == Publish::confirmed) some = true;
    if (!came && !message.seen && !message.gone && !message.may_be_gone &&
        message.expires_at == Time{})
      missing = true;
  }
  for (const auto& [bundle, found] : bundles)
    if (found.first && found.second)
      violated("atomicity", fmt::format("bundle {} is there in part", bundle));
  for (const auto& bond : bonds_) {
    const auto& message = messages_.at(bond.settled);
    const auto& [some, missing] = bundles[bond.bundle];
    const bool came_back = bond.refuted || drained.contains(bond.settled);
    if (came_back && some)
      violated("atomicity", bond.settled + " was not settled, but what was sent with it is there");
    // Unless it may have ended in another way.
    const auto ends = std::ranges::count_if(
        bonds_, [&](const Bond& other) { return other.settled == bond.settled && !other.refuted; });
    if (!came_back && missing && ends == 1 && !message.gone && message.expires_at == Time{})
      violated("atomicity", bond.settled + " was settled, but what was sent with it is not there");
  }
}

}  // namespace penstock::sim
