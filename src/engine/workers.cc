// Workers: who is there, what they are told, and the tasks that they cannot run.
#include <fmt/format.h>

#include <algorithm>

#include "base/headers.h"
#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kLongestWhy = 256;
constexpr std::size_t kPatternBytesMax = 255;
constexpr std::uint32_t kSlotsMax = 4096;
// A task that nobody here knows is looked at again and again: a worker that says nothing of what
// it knows may have come.
constexpr flow::Backoff kDeclineBackoff{flow::Backoff::Kind::exponential, std::chrono::seconds(1),
                                        std::chrono::seconds(30), true};
// Of these it is known whom they wait for; others wait for their delay.
constexpr std::size_t kDeclinedMax = 10'000;
// From when a worker comes to its first take.
constexpr Duration kKeptForKnower = std::chrono::seconds(1);

Result<void> check_order(const WorkerOrderSpec& order) {
  for (const auto* pattern : {&order.who.name, &order.who.queue, &order.who.version})
    if (pattern->size() > kPatternBytesMax || !is_valid_utf8(*pattern))
      return fail(ErrorCode::invalid,
                  fmt::format("a pattern has at most {} bytes of UTF-8", kPatternBytesMax));
  const bool resizes = order.kind == OrderKind::resize;
  if (resizes && (order.slots == 0 || order.slots > kSlotsMax))
    return fail(ErrorCode::invalid, fmt::format("resize: between 1 and {}", kSlotsMax));
  if (!resizes && order.slots != 0)
    return fail(ErrorCode::invalid, "a number of slots is that of a resize");
  return {};
}

}  // namespace

// ---- who is there

Result<WorkerTold> Engine::announce_worker(Time now, SessionId session, WorkerSpec spec) {
  if (auto allowed = may_ask(); !allowed) return fail(allowed.error());
  if (auto good = check_worker(spec); !good) return fail(good.error());
  for (const auto& queue : spec.queues)
    if (auto allowed = may(Right::read, Resource::queue, queue); !allowed)
      return fail(allowed.error());
  if (workers_.is_full(session, spec.id))
    return fail(ErrorCode::too_large,
                fmt::format("{} workers are there already, no more are listed", kWorkersMax),
                "it works all the same; fewer workers with more slots can be seen and steered");
  const Worker* before = workers_.find(session);
  const bool is_new = before == nullptr || before->spec.id != spec.id;
  workers_.set(session, std::move(spec), now);
  const Worker& worker = *workers_.find(session);
  wake_declined(now, worker, is_new);
  return state_.worker_orders.told(worker.spec, now);
}

Result<WorkerTold> Engine::beat_worker(Time now, SessionId session, WorkerBeat beat) {
  if (auto allowed = may_ask(); !allowed) return fail(allowed.error());
  Worker* worker = workers_.find(session);
  if (worker == nullptr)
    return fail(ErrorCode::not_found, "no worker announced itself on this connection");
  if (auto good = check_beat(beat); !good) return fail(good.error());
  worker->beat = std::move(beat);
  worker->beat_at = now;
  auto told = state_.worker_orders.told(worker->spec, now);
  told.cancelled = cancelled_of(*worker);
  return told;
}

// Only of the queues that it was allowed to announce: of others it learns nothing.
std::vector<MessageId> Engine::cancelled_of(const Worker& worker) {
  std::vector<MessageId> cancelled;
  for (const auto& task : worker.beat.running) {
    const auto slot = state_.find(task.id);
    if (slot == 0) continue;
    const Message& message = state_.messages[slot];
    if (message.cancelled && worker.serves(state_.queue_at(message.queue).name))
      cancelled.push_back(task.id);
  }
  return cancelled;
}

// ---- what they are told

Result<WorkersOrdered> Engine::order_workers(Time now, const WorkerOrderSpec& order) {
  if (auto allowed = may_as(Role::administrator); !allowed) return fail(allowed.error());
  if (auto good = check_order(order); !good) return fail(good.error());
  const auto& orders = state_.worker_orders;
  std::vector<std::uint64_t> there;
  for (const auto& [session, worker] : workers_.all())
    if (order.who.fits(worker->spec)) there.push_back(worker->spec.id);
  std::ranges::sort(there);  // not in an order that only this process knows
  const auto count = static_cast<std::uint32_t>(there.size());
  const bool stops = order.kind == OrderKind::stop;
  if (stops && there.empty()) return WorkersOrdered{};
  if (orders.count_beside(order, now) >= kWorkerOrdersMax)
    return fail(ErrorCode::too_large,
                fmt::format("{} orders to workers hold already", kWorkerOrdersMax),
                "remove those that are not needed any more, or resume all workers");
  WorkerOrderedEvent event;
  event.number = orders.next_number();
  event.at = now;
  event.kind = order.kind;
  event.slots = order.slots;
  event.name = order.who.name;
  event.queue = order.who.queue;
  event.version = order.who.version;
  if (stops) event.targets = there;
  write(event);
  state_.apply(event);
  return WorkersOrdered{event.number, count};
}

Result<void> Engine::remove_worker_order(std::uint64_t number) {
  if (auto allowed = may_as(Role::administrator); !allowed) return fail(allowed.error());
  if (!state_.worker_orders.all().contains(number))
    return fail(ErrorCode::not_found, fmt::format("there is no order {}", number));
  const WorkerOrderGoneEvent event{number};
  write(event);
  state_.apply(event);
  return {};
}

// ---- what they cannot run

// Another one that waits, and did not decline it before, has it at once; else it waits, for longer
// each time, or until a worker comes that knows it.
void Engine::decline(Time now, std::uint32_t slot, std::string_view why) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  if (message.cancelled)
    return fail_delivery(now, slot, ReturnReason::declined, {why}, std::nullopt);
  if (has_expired(now, message)) return expire(now, slot);
  const auto id = message.id;
  const auto by = state_.leases[message.link].owner;
  auto& declined = state_.extra_of(slot).declined;
  ByteView history;
  if (!declined) {
    history = history_with(now, message, name_of(ReturnReason::declined), {why});
    declined = std::make_unique<Declined>();
    if (auto body = storage_->read_body(message.position)) {
      Cursor in(*body);
      declined->task = find_header(in.prefixed(), kTaskHeader).value_or("");
    }
  }
  const bool has_taker = declined->by.size() < Declined::kDeclinersMax &&
                         std::ranges::any_of(queue.waiting, [&](auto take) {
                           const auto session = takes_[take].session;
                           return session != by && !declined->is_by(session);
                         });
  const MessageId one[]{id};
  GiveBackEvent event{.reason = ReturnReason::declined, .at = now, .ids = one};
  event.uncounted = true;
  if (has_taker)
    declined->kept_until = now + kKeptForKnower;
  else
    event.due = now + flow::delay_after(kDeclineBackoff, ++declined->waits, random_.next());
  if (declined->by.size() < Declined::kDeclinersMax && !declined->is_by(by))
    declined->by.push_back(by);
  ++declined->count;
  declined->why = why.substr(0, kLongestWhy);
  ++declined_count_;
  ++queue.counters.declined;
  queue.had_declined = true;
  state_.apply(event, write(queue, event, history), static_cast<std::uint32_t>(history.size()));
  if (declined_.size() < kDeclinedMax) declined_.insert(id);
  changed(now, queue);
  happened(now, "task_declined", queue, id, why);
}

// A worker has come that knows some of them.
void Engine::wake_declined(Time now, const Worker& worker, bool is_new) {
  std::erase_if(declined_, [&](MessageId id) {
    const auto slot = state_.find(id);
    if (slot == 0) return true;
    const Message& message = state_.messages[slot];
    const auto* extra = state_.find_extra(message);
    if (extra == nullptr || !extra->declined) return true;
    const bool waits = message.state == MessageState::scheduled && !message.dying;
    if (waits && worker.knows(extra->declined->task) &&
        worker.serves(state_.queue_at(message.queue).name)) {
      // One that was there, and has learned of it, may be the one that declined it.
      if (is_new) extra->declined->kept_until = now + kKeptForKnower;
      state_.hasten(slot, now);
    }
    return false;
  });
}

// ---- what tasks say

Engine::ExtendAnswer Engine::log_task(Time now, const LeaseToken& lease,
                                      std::span<const std::string_view> lines) {
  ExtendAnswer answer;
  const auto slot = leased_slot(lease);
  if (slot == 0) return answer.lost = 1, answer;
  const Message& message = state_.messages[slot];
  answer.extended = 1;
  answer.cancelled = message.cancelled != 0;
  answer.deadline = state_.leases[message.link].deadline;
  for (const auto line : lines) logs_.add(message.id, state_.attempts_of(message), now, line);
  if (!lines.empty()) wake_log_watchers(message.id);
  return answer;
}

void Engine::watch_log(Time now, SessionId session, std::uint64_t tag, MessageId id,
                       std::uint64_t after, Time until) {
  if (logs_.has_more(id, after) || !is_pending(id) || until <= now) {
    effects_.emplace_back(WatchAnswer{session, tag, id, after});
    return;
  }
  add_watch(session, tag, id, until, after);
}

void Engine::wake_log_watchers(MessageId id) {
  if (watches_by_id_.empty()) return;
  std::vector<std::uint32_t> those;
  for (auto [at, end] = watches_by_id_.equal_range(id.value); at != end; ++at)
    if (watches_[at->second].log_after) those.push_back(at->second);
  for (const auto watch : those) expire_watch(watch);
}

void Engine::check_all() const {
  state_.check();
  workers_.check();
  logs_.check();
}

}  // namespace penstock::engine
