#include "sim/clients.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::sim {

using namespace std::chrono_literals;
using engine::Outcome;

namespace {

constexpr const char* kQueues[] = {"a", "b"};
constexpr const char* kExchange = "x";
constexpr const char* kKinds[] = {"publish", "take", "settle", "extend",
                                  "queue",   "task", "redrive"};
std::string short_name(const std::string& body) {
  return body.substr(0, body.find('-'));
}
constexpr const char* kAllQueues[] = {"a", "b", "a.dead", "b.dead"};

}  // namespace

Clients::Clients(const WorldOptions& options, SimRandom& random, SimClock& clock, Trace& trace,
                 WorldCounters& counters)
    : options_(options), random_(random), clock_(clock), trace_(trace), counters_(counters) {
  for (int n = 0; n < 2; ++n)
    ledger_.queues[kQueues[n]] = {options.max_length[n], options.max_attempts,
                                  options.group_limit,   {},
                                  options.lease,         options.cause_limit};
}

void Clients::connect(broker::Broker& broker) {
  broker_ = &broker;
  clients_.clear();
  for (std::uint32_t n = 0; n < options_.sessions; ++n) clients_.push_back(come(n));
}

// Some of them are workers, and say how much they do at once.
Clients::Client Clients::come(std::size_t number) {
  auto inbox = std::make_unique<Inbox>(&arrivals_);
  const auto session = broker_->open_session(*inbox);
  const auto slots = number == 0 ? 0 : static_cast<std::uint32_t>(random_.below(4));
  if (slots != 0) ledger_.worker_came(session, slots);
  return {std::move(inbox), session, slots};
}

void Clients::declare_queues() {
  for (const auto* name : kQueues) {
    const auto& rules = ledger_.queues.at(name);
    const auto length = std::to_string(rules.max_length);
    const auto attempts = std::to_string(rules.max_attempts);
    const auto groups = std::to_string(rules.group_limit);
    const auto lease = fmt::format("{}ms", rules.lease / 1ms);
    const auto causes = std::to_string(rules.cause_limit);
    const std::pair<std::string_view, std::string_view> patch[] = {
        {"max_length", length}, {"max_attempts", attempts},          {"group_limit", groups},
        {"lease", lease},       {"backoff", "fixed:100ms:nojitter"}, {"dedup_window", "24h"},
        {"max_raised", causes}, {"max_worker_lost", causes},         {"max_killed", causes}};
    broker_->declare(clients_.front().session, ++tag_, name, patch);
    expect_done("declare");
  }
  engine::ExchangeSpec exchange;
  exchange.name = kExchange;
  exchange.type = engine::ExchangeType::topic;
  broker_->declare_exchange(clients_.front().session, ++tag_, exchange);
  expect_done("declare an exchange");
  for (const auto* name : kQueues) {
    const auto pattern = fmt::format("{}.#", name);
    engine::BindingSpec binding;
    binding.source = kExchange;
    binding.destination = name;
    binding.key = pattern;
    broker_->bind(clients_.front().session, ++tag_, binding);
    expect_done("bind");
  }
}

void Clients::expect_done(const char* what) {
  broker_->settle_down();
  const auto answer = clients_.front().inbox->take(tag_);
  if (!answer || answer->kind != Answer::Kind::done)
    violated(what, answer ? answer->reason : "was not answered");
}

// ---- asking

broker::Tag Clients::ask(Asked asked) {
  asked.at = clock_.now();
  trace_.say([&] {
    std::string text =
        fmt::format("{} {}: client {} asks {} {}", micros(clock_.now()) % 1'000'000'000, tag_ + 1,
                    asked.client, kKinds[static_cast<int>(asked.kind)], asked.queue);
    for (const auto& body : asked.bodies) text += " " + short_name(body);
    if (!asked.settled.empty())
      text += fmt::format(" {} outcome {} lease {}", short_name(asked.settled),
                          static_cast<int>(asked.outcome), asked.token.delivery);
    return text;
  });
  asked_.emplace(++tag_, std::move(asked));
  return tag_;
}

Clients::Client& Clients::some_client(Asked& asked) {
  asked.client = random_.below(clients_.size());
  return clients_[asked.client];
}

void Clients::act() {
  switch (random_.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return publish();
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      return take();
    case 11:
    case 12:
    case 13:
    case 14:
    case 15:
      return settle();
    case 16:
      return extend();
    case 17:
      return look();
    case 18:
      return look_at_task();
    default:
      return random_.one_in(2) ? redrive() : random_.one_in(2) ? reconnect() : void();
  }
}

std::vector<engine::MessageInput> Clients::make_messages(const std::string& queue,
                                                         std::size_t count, Asked& asked) {
  std::vector<engine::MessageInput> inputs(count);
  const bool plain = count == 1 && random_.one_in(2);
  const auto bundle = asked.bundle;
  for (std::size_t n = 0; n < count; ++n) {
    const bool large = options_.large_bodies != 0 && random_.one_in(options_.large_bodies);
    const auto filling = large ? random_.below(count == 1 ? 14'000 : 4'000) : random_.below(60);
    asked.bodies.push_back(fmt::format("m{}-{}", ++serial_, std::string(filling, 'x')));
  }
  for (std::size_t n = 0; n < count; ++n) {
    auto& sent = ledger_.sent(asked.bodies[n]);
    auto& input = inputs[n];
    sent.queue = queue;
    sent.bundle = bundle;
    input.body = as_bytes(asked.bodies[n]);
    if (plain) continue;
    input.priority = sent.priority = static_cast<std::uint8_t>(random_.below(3));
    if (random_.one_in(3)) sent.group = random_.one_in(2) ? "g" : "h";
    if (random_.one_in(5))
      sent.not_before =
          clock_.now() + Duration(static_cast<std::int64_t>(random_.below(4'000'000)));
    if (random_.one_in(12))
      sent.expires_at =
          clock_.now() + Duration(static_cast<std::int64_t>(random_.below(4'000'000)));
    if (count == 1 && random_.one_in(4)) sent.key = fmt::format("k{}", random_.below(12));
    sent.task = input.task = random_.one_in(4);
    input.group = sent.group;
    input.not_before = sent.not_before;
    input.expires_at = sent.expires_at;
    input.key = sent.key;
    asked.key = sent.key;
  }
  return inputs;
}

void Clients::publish() {
  Asked asked(Asked::Kind::publish);
  auto& client = some_client(asked);
  asked.queue = kQueues[random_.below(2)];
  asked.bundle = ledger_.new_bundle();
  asked.bounds = ledger_.bounds(asked.queue, clock_.now());
  const auto count = random_.one_in(3) ? 1 + random_.below(4) : 1;
  const auto inputs = make_messages(asked.queue, count, asked);
  if (!asked.key.empty())
    if (const auto* first = ledger_.by_key(asked.queue, asked.key)) asked.key_of = first->id;
  const std::string queue = asked.queue;
  const auto tag = ask(std::move(asked));
  if (count > 1 || random_.one_in(2))
    return broker_->publish(client.session, tag, engine::Publish{queue, inputs});
  // The same queue, by one of the two ways that lead there through an exchange.
  const bool named = random_.one_in(2);
  const std::string key = named ? queue + ".some.words" : queue;
  const std::string_view keys[]{key};
  engine::RoutedPublish publish;
  publish.exchange = named ? kExchange : "";
  publish.keys = keys;
  publish.message = inputs.front();
  broker_->publish_routed(client.session, tag, publish);
}

void Clients::take() {
  Asked asked(Asked::Kind::take);
  auto& client = some_client(asked);
  engine::Take take;
  take.queues = {random_.one_in(6) ? kAllQueues[2 + random_.below(2)] : kQueues[random_.below(2)]};
  if (random_.one_in(4)) take.queues.emplace_back(kQueues[random_.below(2)]);
  if (take.queues.size() == 2 && take.queues[0] == take.queues[1]) take.queues.pop_back();
  take.max = 1 + static_cast<std::uint32_t>(random_.below(4));
  if (!random_.one_in(4))
    take.lease = Duration(200'000 + static_cast<std::int64_t>(random_.below(5'000'000)));
  if (random_.one_in(3))
    take.wait_until = clock_.now() + Duration(static_cast<std::int64_t>(random_.below(1'000'000)));
  take.connection_bound = asked.bound = random_.one_in(2);
  take.unlimited = take.connection_bound && random_.one_in(3);
  take.slots = client.slots;
  asked.lease = take.lease;
  broker_->take(client.session, ask(std::move(asked)), take);
}

// Any lease ever heard of may be tried, some of them again and again: most are worth nothing.
void Clients::settle() {
  if (held_.empty()) return;
  const auto at = random_.below(held_.size());
  const auto held = held_[at];
  if (!random_.one_in(5)) held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(at));
  auto& message = ledger_.at(held.body);
  Asked asked(Asked::Kind::settle);
  auto& client = some_client(asked);
  asked.settled = held.body;
  asked.token = held.token;
  // Where causes are counted, more fails.
  const auto luck = options_.cause_limit > 1 && random_.one_in(3) ? 14 : random_.below(20);
  asked.outcome = luck < 13   ? Outcome::ack
                  : luck < 15 ? Outcome::nack
                  : luck < 16 ? Outcome::requeue
                  : luck < 18 ? Outcome::reject
                  : luck < 19 ? Outcome::give_back
                              : Outcome::decline;
  constexpr engine::Cause kCauses[] = {engine::Cause::raised, engine::Cause::killed};
  if (asked.outcome == Outcome::nack) asked.cause = kCauses[random_.below(2)];
  asked.lease_live = message.live_until > clock_.now() && message.ends_asked == 0 &&
                     message.lease.seal == held.token.seal && message.expires_at == Time{} &&
                     !message.gone && !message.may_be_gone;
  engine::Settle settle;
  settle.outcome = asked.outcome;
  settle.cause = asked.cause;
  std::vector<engine::MessageInput> inputs;
  engine::Publish publish;
  if (asked.outcome == Outcome::ack && held.task)
    asked.result = fmt::format("{}", ++serial_);
  else if (asked.outcome == Outcome::ack && random_.one_in(4)) {
    asked.queue = kQueues[random_.below(2)];
    asked.bundle = ledger_.new_bundle();
    asked.bounds = ledger_.bounds(asked.queue, clock_.now());
    inputs = make_messages(asked.queue, 2, asked);
    settle.sends = {&publish, 1};
  }
  if (asked.outcome == Outcome::nack && random_.one_in(2)) settle.delay = 0s;
  ++message.ends_asked;
  if (asked.outcome != Outcome::ack) message.live_until = Time{};
  if (asked.outcome == Outcome::reject) message.may_move = true;
  // Dead letters have no dead letters.
  asked.final = asked.outcome == Outcome::ack ||
                (asked.outcome == Outcome::reject && message.lease_queue != message.queue);
  const Asked kept = asked;  // what the command's views point into
  settle.leases = {&kept.token, 1};
  settle.result = as_bytes(kept.result);
  publish = {kept.queue, inputs};
  broker_->settle(client.session, ask(std::move(asked)), settle);
}

void Clients::extend() {
  if (held_.empty()) return;
  const auto& held = held_[random_.below(held_.size())];
  Asked asked(Asked::Kind::extend);
  auto& client = some_client(asked);
  auto& message = ledger_.at(held.body);
  asked.settled = held.body;
  asked.token = held.token;
  asked.lease = Duration(200'000 + static_cast<std::int64_t>(random_.below(3'000'000)));
  ++message.extends_asked;
  ledger_.extended(held.body, held.token, client.session);
  // Until it is answered the lease may end at either time.
  if (message.live_until > clock_.now() + asked.lease)
    message.live_until = clock_.now() + asked.lease;
  const auto token = held.token;
  const auto lease = asked.lease;
  broker_->extend(client.session, ask(std::move(asked)), {&token, 1}, lease);
}

void Clients::redrive() {
  Asked asked(Asked::Kind::redrive);
  auto& client = some_client(asked);
  asked.queue = kAllQueues[2 + random_.below(2)];
  const auto queue = asked.queue;
  // Any message may have died unseen, and come back now: with a new life, and no time to expire.
  for (auto& [body, message] : ledger_.messages())
    if (queue == message.queue + ".dead") message.may_move = true;
  broker_->redrive(client.session, ask(std::move(asked)), queue,
                   static_cast<std::uint32_t>(1 + random_.below(8)));
}

void Clients::look() {
  Asked asked(Asked::Kind::queue);
  auto& client = some_client(asked);
  asked.queue = kQueues[random_.below(2)];
  asked.bounds = ledger_.bounds(asked.queue, clock_.now());
  const auto queue = asked.queue;
  broker_->queue(client.session, ask(std::move(asked)), queue);
}

void Clients::look_at_task() {
  if (finished_.empty()) return;
  const auto& [body, result] = finished_[random_.below(finished_.size())];
  Asked asked(Asked::Kind::task);
  auto& client = some_client(asked);
  asked.settled = body;
  asked.result = result;
  broker_->task(client.session, ask(std::move(asked)), ledger_.at(body).id, Time{});
}

// No answer will come.
void Clients::give_up(broker::Tag tag, const Asked& asked, std::vector<std::string>& publishes,
                      std::vector<Bond>& bonds) {
  publishes.insert(publishes.end(), asked.bodies.begin(), asked.bodies.end());
  if (asked.kind == Asked::Kind::extend) {
    auto& message = ledger_.at(asked.settled);
    --message.extends_asked;
    message.unheard_extend = std::max(message.unheard_extend, tag);
  }
  if (asked.kind != Asked::Kind::settle) return;
  --ledger_.at(asked.settled).ends_asked;
  if (asked.final) bonds.push_back({asked.settled, asked.bundle});
}

// What one client asked for and did not hear of is as unknown as after a crash.
void Clients::reconnect() {
  const auto number = random_.below(clients_.size());
  auto& client = clients_[number];
  trace_.say([&] { return fmt::format("client {} reconnects", number); });
  broker_->close_session(client.session);
  ledger_.session_closed(client.session, clock_.now());
  std::vector<std::string> publishes;
  std::vector<Bond> bonds;
  for (auto it = asked_.begin(); it != asked_.end();) {
    auto& asked = it->second;
    if (asked.client != number) {
      ++it;
      continue;
    }
    give_up(it->first, asked, publishes, bonds);
    it = asked_.erase(it);
  }
  ledger_.crashed(publishes, bonds);
  client = come(number);
}

void Clients::crashed() {
  std::vector<std::string> publishes;
  std::vector<Bond> bonds;
  for (const auto& [tag, asked] : asked_) give_up(tag, asked, publishes, bonds);
  ledger_.crashed(publishes, bonds);
  ledger_.server_gone(clock_.now());
  asked_.clear();
  clients_.clear();
}

// ---- hearing

void Clients::hear() {
  std::vector<std::pair<broker::Tag, Answer>> answers;
  for (auto& client : clients_) {
    if (client.inbox->answered_twice != 0)
      violated("answers", fmt::format("{} was answered twice", client.inbox->answered_twice));
    for (auto& answer : std::exchange(client.inbox->answers, {}))
      answers.emplace_back(answer.first, std::move(answer.second));
  }
  std::ranges::sort(answers, {}, [](const auto& answer) { return answer.second.order; });
  for (const auto& [tag, answer] : answers) {
    const auto found = asked_.find(tag);
    if (found == asked_.end()) violated("answers", fmt::format("nobody asked {}", tag));
    Asked asked = std::move(found->second);
    asked_.erase(found);
    ++counters_.replies;
    trace_.add(tag);
    trace_.add(static_cast<std::uint64_t>(answer.kind) * 1000 + answer.count);
    trace_.say([&] {
      std::string text =
          fmt::format("{} {}: answered kind {} count {} {}", micros(clock_.now()) % 1'000'000'000,
                      tag, static_cast<int>(answer.kind), answer.count, answer.reason);
      for (const auto& m : answer.messages)
        text += fmt::format(" {} of {} lease {} until {}", short_name(m.body), m.queue,
                            m.lease.delivery, micros(m.deadline) % 1'000'000'000);
      return text;
    });
    hear_one(tag, asked, answer);
  }
}

void Clients::hear_one(broker::Tag tag, Asked& asked, const Answer& answer) {
  // There may be no dead letters yet, and so no queue of them.
  if (asked.kind == Asked::Kind::redrive) return;
  if (answer.kind == Answer::Kind::error)
    violated("answers", fmt::format("an error for a command that is right: {}", answer.reason));
  switch (asked.kind) {
    case Asked::Kind::publish:
      return hear_publish(asked, answer);
    case Asked::Kind::settle:
      return hear_settle(asked, answer);
    case Asked::Kind::take:
      for (const auto& message : answer.messages) {
        ++counters_.deliveries;
        trace_.add(message.id.value);
        ledger_.delivered(message, asked.lease,
                          asked.bound ? clients_[asked.client].session : SessionId{},
                          clients_[asked.client].session);
        held_.push_back({message.body, message.lease, message.task, asked.client});
      }
      if (held_.size() > 60) held_.erase(held_.begin(), held_.begin() + 20);
      return;
    case Asked::Kind::extend: {
      auto& message = ledger_.at(asked.settled);
      // One that came behind it and is not heard of may have made the lease shorter.
      if (--message.extends_asked == 0 && answer.count == 1 && tag > message.unheard_extend &&
          message.lease.seal == asked.token.seal && message.ends_asked == 0 && !message.gone &&
          message.live_until != Time{})
        message.live_until = asked.at + asked.lease;
      return;
    }
    case Asked::Kind::queue:
      return hear_queue(asked, answer);
    case Asked::Kind::redrive:
      return;
    case Asked::Kind::task:
      if (answer.task != engine::TaskState::done || answer.result != asked.result)
        violated("results",
                 fmt::format("{} ended with {} and is said to be {} with `{}`", asked.settled,
                             asked.result, name_of(answer.task), answer.result));
      return;
  }
}

void Clients::hear_refusal(const Asked& asked, const Answer& answer) const {
  if (answer.retry_after <= 0s) violated("refusals", "one without a time to come back");
  if (answer.reason == "max_length") {
    if (asked.bounds.most + asked.bodies.size() <= ledger_.queues.at(asked.queue).max_length)
      violated("refusals", fmt::format("{} holds {} at most and refused {} more", asked.queue,
                                       asked.bounds.most, asked.bodies.size()));
    return;
  }
  if (answer.reason == "disk") {
    ++counters_.refused_for_disk;
    if (!disk_may_be_full) violated("refusals", "for want of disk, which there was");
    return;
  }
  if (answer.reason != "journal") violated("refusals", "for " + answer.reason);
}

void Clients::hear_publish(const Asked& asked, const Answer& answer) {
  if (answer.kind == Answer::Kind::refused) {
    hear_refusal(asked, answer);
    return ledger_.refused(asked.bodies);
  }
  if (answer.ids.size() != asked.bodies.size()) violated("answers", "not an id for each message");
  for (const auto id : answer.ids) trace_.add(id.value);
  if (answer.duplicates > 0) {
    bool known = false;
    for (const auto& [body, sent] : ledger_.messages())
      known =
          known || (sent.key == asked.key && sent.queue == asked.queue &&
                    body != asked.bodies.front() && (!sent.id || sent.id == answer.ids.front()));
    if (!known) violated("dedup", asked.key + " was called a duplicate and never came before");
    return ledger_.refused(asked.bodies);
  }
  if (asked.key_of) violated("dedup", asked.key + " came twice");
  if (asked.bounds.least + asked.bodies.size() > ledger_.queues.at(asked.queue).max_length)
    violated("bounds",
             fmt::format("{} took {} more than it may hold", asked.queue, asked.bodies.size()));
  counters_.confirmed += asked.bodies.size();
  ledger_.confirmed(asked.bodies, answer);
}

void Clients::hear_settle(const Asked& asked, const Answer& answer) {
  auto& message = ledger_.at(asked.settled);
  --message.ends_asked;
  if (answer.kind == Answer::Kind::refused) {
    hear_refusal(asked, answer);
    return ledger_.refused(asked.bodies);
  }
  if (answer.count == 0) {
    if (asked.lease_live)
      violated("leases hold", asked.settled + ": its lease was called lost while it was live");
    return ledger_.refused(asked.bodies);
  }
  ++counters_.settled;
  ledger_.settled(asked.settled, asked.token, asked.outcome, asked.final, asked.cause);
  if (!asked.result.empty() && asked.outcome == Outcome::ack)
    finished_.emplace_back(asked.settled, asked.result);
  if (!asked.bodies.empty()) ledger_.confirmed(asked.bodies, {});
}

void Clients::hear_queue(const Asked& asked, const Answer& answer) const {
  if (answer.queues.size() != 1) violated("statistics", "not of one queue");
  const auto& queue = answer.queues.front();
  const auto total = queue.ready + queue.leased + queue.scheduled;
  if (total < asked.bounds.least || total > asked.bounds.most)
    violated("statistics", fmt::format("{} says {}, it must be {} to {}", asked.queue, total,
                                       asked.bounds.least, asked.bounds.most));
  if (total > queue.options.max_length) violated("bounds", asked.queue + " holds too many");
  if (queue.options.max_length != ledger_.queues.at(asked.queue).max_length)
    violated("durability", asked.queue + " forgot an option");
}

// ---- the end

void Clients::drain() {
  std::set<std::string> drained;
  hear();
  auto& client = clients_.front();
  // Every lease runs out first: those of the dead letters' queues are as long as the default.
  clock_.advance(std::max(options_.lease, engine::QueueOptions{}.lease));
  for (int round = 0; round < 15; ++round) {
    clock_.advance(1s);
    broker_->queues(client.session, ++tag_);
    broker_->settle_down();
    const auto all = client.inbox->take(tag_);
    if (!all) violated("liveness", "the list of queues did not come");
    for (const auto& queue : all->queues) {
      for (bool more = true; more;) {
        engine::Take take;
        take.queues = {queue.name};
        take.max = 1000;
        take.lease = 1h;
        broker_->take(client.session, ++tag_, take);
        broker_->settle_down();
        const auto answer = client.inbox->take(tag_);
        if (!answer) violated("liveness", "a take at the end was not answered");
        more = !answer->messages.empty();
        for (const auto& message : answer->messages) {
          ledger_.delivered(message, 1h, client.session, client.session);
          if (!drained.insert(message.body).second) violated("settled once", message.body);
          engine::Settle settle;
          settle.leases = {&message.lease, 1};
          broker_->settle(client.session, ++tag_, settle);
        }
        broker_->settle_down();
        for (const auto& [tag, one] : std::exchange(client.inbox->answers, {}))
          if (one.count != 1) violated("liveness", "a settle at the end was not taken");
      }
    }
  }
  ledger_.check_all_accounted_for(drained);
  const auto statistics = broker_->statistics();
  if (statistics.messages != 0 || statistics.replies_waiting != 0)
    violated("liveness", fmt::format("{} messages and {} replies are left", statistics.messages,
                                     statistics.replies_waiting));
  for (const auto& body : drained) trace_.add(body);
}

}  // namespace penstock::sim
