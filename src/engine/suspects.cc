// Suspects: messages that were lost with a worker, each of which may have been what killed it.
//
// Nobody saw what a dead worker was doing. What it held beyond its slots it had only fetched, so a
// loss counts as an attempt of what it held where that is no more than it runs at once. Held more,
// all of it comes back uncounted, as suspects; and with suspects a worker gets no more than it has
// slots. Whose next loss would be its last is given alone, and watched: if the worker is lost
// meanwhile, that one answers for it, and nothing else does; and nothing is buried for a loss but
// one that was watched, or all that there was. Nothing waits for that for long: a worker that has
// something long to do takes it beside that after a while, and after such a while gets something
// beside it. Each time that this told nothing the while is twice as long, until it is enough.
//
// Of sessions that do not say how many slots they have every loss counts.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/canary.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

constexpr Duration kWatched = std::chrono::seconds(1);
constexpr unsigned kDoublingsMax = 6;
// Then a loss counts, whoever else there was.
constexpr unsigned kSparedMax = 16;
// How soon after a restart workers that live have said what they hold.
constexpr Duration kWorkersBack = std::chrono::seconds(10);

// For how long it is waited for, and watched.
Duration watch_of(const Extra& extra) {
  return kWatched * (1u << std::min<unsigned>(extra.spared, kDoublingsMax));
}

}  // namespace

// ---- going out

bool Engine::is_careful(const Queue& queue, const WaitingTake& take) const {
  if (!take.session) return false;
  return queue.had_declined ||
         (take.slots != 0 && (queue.had_suspects || state_.suspects_out != 0));
}

bool Engine::is_last_chance(const Message& message, const Queue& queue) const {
  const auto* extra = state_.find_extra(message);
  if (extra == nullptr || !extra->suspect) return false;
  const auto most = queue.options.max_worker_lost;
  const auto attempts = max_attempts(message, queue);
  return (most != 0 && extra->causes.of(Cause::worker_lost) + 1u >= most) ||
         (attempts != 0 && state_.attempts_of(message) + 1u >= attempts);
}

// Whether a take may have that message, the next of its queue; if not, it is looked at again when
// its session holds less, or when the time is over for which others are spared it.
Chance Engine::chance_of(Time now, Queue& queue, WaitingTake& take, std::uint32_t slot) {
  if (slot == 0) return Chance::free;
  const auto found = state_.owners.find(take.session);
  Owner none;
  Owner& owner = found == state_.owners.end() ? none : found->second;
  const auto refuse = [&](Time until) {
    owner.refused = true;
    if (!std::exchange(take.held_back, true)) ++queue.counters.held_back;
    if (until != Time{}) look_again(queue, until);
    return Chance::refused;
  };
  const Message& message = state_.messages[slot];
  const auto* extra = state_.find_extra(message);
  if (extra != nullptr && extra->declined && extra->declined->is_by(take.session) &&
      extra->declined->kept_until > now)
    return refuse(extra->declined->kept_until);
  if (take.slots == 0) return Chance::free;
  const bool is_last = is_last_chance(message, queue);
  const bool waits_alone = is_last && owner.leases.count > 0;
  if (waits_alone && std::exchange(queue.lonely, message.id) != message.id)
    queue.lonely_since = now;
  if (owner.watched_until > now) return refuse(owner.watched_until);
  if (waits_alone) {
    const auto until = queue.lonely_since + watch_of(*extra);
    if (now < until) return refuse(until);
  }
  const bool is_suspect = extra != nullptr && extra->suspect;
  if ((is_suspect || owner.suspects > 0) && owner.leases.count >= take.slots &&
      !CANARY(crowd_suspects))
    return refuse({});
  return is_last ? Chance::alone : Chance::free;
}

void Engine::look_again(Queue& queue, Time when) {
  if (queue.company_timer != 0) {
    if (state_.wheel.when(queue.company_timer) <= when) return;
    state_.wheel.cancel(queue.company_timer);
  }
  queue.company_timer = state_.wheel.set(when, TimerKind::queue_company, queue.id.value);
}

void Engine::own(Time now, Queue& queue, std::uint32_t slot, const WaitingTake& take,
                 Chance chance) {
  Owner& owner = state_.own(slot, take.session);
  owner.slots = take.slots;
  if (chance != Chance::alone) return;
  const Message& message = state_.messages[slot];
  owner.watched = message.link;
  owner.watched_until = now + watch_of(state_.extras[message.extra]);
  queue.lonely = {};
}

// They hold less than when something was refused to them.
void Engine::wake_eased() {
  for (const auto session : std::exchange(state_.eased, {})) {
    const auto takes = session_takes_.find(session);
    if (takes == session_takes_.end()) continue;
    for (const auto& [tag, take] : takes->second)
      for (const auto& [id, place] : takes_[take].places)
        if (Queue* queue = state_.find_queue(id)) state_.mark(*queue);
  }
}

// Whom to give what is next to, the longest waiting first: one that may have it, and none that
// could not run it while another waits. Zero: nobody.
std::uint32_t Engine::next_taker(Time now, Queue& queue) {
  const auto first = queue.waiting.front();
  if (!queue.had_declined && !queue.had_suspects && state_.suspects_out == 0) return first;
  auto next = state_.peek_takeable(queue);
  while (next != 0 && has_expired(now, state_.messages[next])) {
    expire(now, next);
    next = state_.peek_takeable(queue);
  }
  if (next == 0) return 0;
  const auto* extra = state_.find_extra(state_.messages[next]);
  const Declined* declined = extra == nullptr ? nullptr : extra->declined.get();
  std::uint32_t decliner = 0;
  for (const auto slot : queue.waiting) {
    const auto session = takes_[slot].session;
    if (is_careful(queue, takes_[slot]) &&
        chance_of(now, queue, takes_[slot], next) == Chance::refused)
      continue;
    if (declined == nullptr || !declined->is_by(session)) return slot;
    if (decliner == 0) decliner = slot;
  }
  return decliner;
}

// ---- coming back

Company Engine::company_of(Time now, const Lease& lease) {
  if (!lease.owner) return {.unclaimed = lease.of_worker != 0};
  const Owner& owner = state_.owners.at(lease.owner);
  return {owner.leases.count, owner.slots, owner.watched_until > now ? owner.watched : 0};
}

bool Engine::is_charged(const Message& message, const Queue& queue, const Company& company) const {
  const auto attempts = max_attempts(message, queue);
  const auto most = queue.options.max_worker_lost;
  const bool is_known = company.slots != 0 && company.held > 1 && company.watched != message.link;
  if (!company.unclaimed && !is_known) return true;
  // What must not be tried twice is not, whether it had begun or not.
  if (attempts == 1 || most == 1) return true;
  const auto* extra = state_.find_extra(message);
  if (extra != nullptr && extra->spared >= kSparedMax) return true;
  // It may never have come to anybody; but not again and again.
  if (company.unclaimed) return extra != nullptr && extra->suspect;
  if (company.watched != 0 || company.held > company.slots) return false;
  const auto before = extra == nullptr ? 0u : extra->causes.of(Cause::worker_lost);
  return (most == 0 || before + 1u < most) &&
         (attempts == 0 || state_.attempts_of(message) < attempts);
}

// After a restart: of leases that only a connection's end would have ended, that connection is
// gone. Of a sole owner all are: there is nobody else who may go on with them. How many slots it
// had is not known; but a suspect it had beside no more than those.
void Engine::take_back_of_before(Time now) {
  std::vector<std::uint32_t> back;
  for (std::uint32_t lease = 1; lease < state_.leases.end(); ++lease) {
    const auto& one = state_.leases[lease];
    if (one.message != 0 && one.connection_bound && (one.deadline == Time{} || options_.sole_owner))
      back.push_back(one.message);
  }
  const auto held = static_cast<std::uint32_t>(back.size());
  const auto is_suspect = [this](std::uint32_t slot) {
    const auto* extra = state_.find_extra(state_.messages[slot]);
    return extra != nullptr && extra->suspect;
  };
  const auto suspects = std::ranges::partition(back, is_suspect);
  std::vector<std::uint32_t> others(suspects.begin(), suspects.end());
  back.erase(suspects.begin(), suspects.end());
  take_back(now, std::move(back), {});
  take_back(now, std::move(others), {held, options_.sole_owner ? 1u : 0u});
  if (!options_.sole_owner)
    (void)state_.wheel.set(now + kWorkersBack, TimerKind::workers_are_back, 0);
}

// What a worker that outlived the server has it owns again by now. The rest died with the server,
// or was never told that it had been given something.
void Engine::take_back_unclaimed(Time now) {
  std::vector<std::uint32_t> back;
  for (std::uint32_t lease = 1; lease < state_.leases.end(); ++lease) {
    const auto& one = state_.leases[lease];
    if (one.message != 0 && one.of_worker && !one.owner) back.push_back(one.message);
  }
  take_back(now, std::move(back), {.unclaimed = true});
}

void Engine::lose(Time now, std::uint32_t slot, ReturnReason reason, const Company& company) {
  const Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  const std::string_view why = reason == ReturnReason::lease_expired
                                   ? "the lease ran out"
                                   : "the consumer's connection ended";
  if (message.cancelled || is_charged(message, queue, company))
    return fail_delivery(now, slot, reason, {why, Cause::worker_lost}, Duration(0));
  if (has_expired(now, message)) return expire(now, slot);
  const auto text =
      company.unclaimed
          ? std::string("no worker said after a restart of the server that it had it; not counted")
          : fmt::format("{}; not counted: its worker held {}", why, company.held);
  const auto history = history_with(now, message, name_of(reason), {text});
  const MessageId one[]{message.id};
  GiveBackEvent event{.reason = reason, .at = now, .ids = one};
  event.uncounted = true;
  ++queue.counters.spared;
  state_.apply(event, write(queue, event, history), static_cast<std::uint32_t>(history.size()));
  changed(now, queue);
}

}  // namespace penstock::engine
