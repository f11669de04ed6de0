// The turn: timers, deliveries, and the one door to the outside.
#include <algorithm>
#include <boost/sort/pdqsort/pdqsort.hpp>

#include "base/canary.h"
#include "broker/broker_impl.h"

namespace penstock::broker {
namespace {

constexpr std::uint32_t kTimersPerTurn = 10'000;
// Of bodies handed over in one go: then those who got them send them, or show that they cannot.
constexpr std::uint64_t kBytesPerRelease = 32ull << 20;
constexpr std::size_t kFetched = 8;  // bodies, ahead of the one that is read

}  // namespace

void Broker::Impl::turn() {
  const auto now = clock_.now();
  ++counters_.turns;
  more_timers_ = engine_.fire_timers(now, kTimersPerTurn);
  if (blocked_.next() <= now) expire_blocked();
  engine_.pump(now);
  settle_effects();
  release();
  const auto took = static_cast<std::uint64_t>((clock_.now() - now).count());
  counters_.turn_micros_max = std::max(counters_.turn_micros_max, took);
}

void Broker::Impl::complete(journal::Batch& batch) {
  journal_->complete(batch);
  in_flight_ = false;
  release();
}

// What the engine wants told goes behind everything that it had decided by now.
void Broker::Impl::settle_effects() {
  std::vector<engine::Effect> effects;
  while (!engine_.effects().empty()) {
    effects.clear();
    effects.swap(engine_.effects());
    for (auto& effect : effects) {
      if (auto* take = std::get_if<engine::TakeAnswer>(&effect)) {
        const auto session = take->session;
        const auto tag = take->tag;
        answer(session, tag, std::move(*take));
      } else if (const auto* ended = std::get_if<engine::ConsumerEnded>(&effect)) {
        answer(ended->session, ended->tag, Error{ErrorCode::closed, "the queue was deleted", {}});
      } else if (auto* over = std::get_if<engine::SessionEnded>(&effect)) {
        const auto session = over->session;
        answer(session, 0, std::move(*over));
      } else if (const auto* watch = std::get_if<engine::WatchAnswer>(&effect)) {
        if (watch->log_after)
          ask(watch->session, watch->tag, AskedLog{watch->id, *watch->log_after});
        else
          ask(watch->session, watch->tag, AskedTask{watch->id});
      } else if (const auto* room = std::get_if<engine::RoomMade>(&effect)) {
        if (const auto* queue = engine_.state().find_queue(room->queue)) retry_blocked(queue->name);
        engine_.wake_schedules(room->queue);
      } else {
        answer({}, 0, std::move(std::get<engine::Happened>(effect)));
      }
    }
  }
}

void Broker::Impl::retry_blocked(const std::string& queue) {
  while (auto* held = blocked_.first(queue)) {
    const engine::Publish publish{queue, held->messages};
    auto [reply, may_block] = attempt({&publish, 1}, Chosen::by_name);
    if (may_block) {
      if (const auto* found = engine_.state().find_queue(queue)) engine_.want_room(found->id);
      return;
    }
    answer(held->session, held->tag, std::move(reply));
    blocked_.pop(queue);
  }
}

void Broker::Impl::expire_blocked() {
  while (auto expired = blocked_.expired(clock_.now())) {
    const auto& [queue, held] = *expired;
    // One last try tells why, and when to come back.
    const engine::Publish publish{queue, held.messages};
    answer(held.session, held.tag, attempt({&publish, 1}, Chosen::by_name).reply);
  }
}

void Broker::Impl::release() {
  const auto durable = CANARY(reply_before_sync) ? journal_->appended() : journal_->durable();
  const auto due = [&] { return !pending_.empty() && pending_.front().after <= durable; };
  std::uint64_t bytes = 0;
  do {
    // What was held comes before what follows it.
    for (; !resumed_.empty() && bytes < kBytesPerRelease; resumed_.pop_back())
      bytes += give_held(resumed_.back());
    while (due() && bytes < kBytesPerRelease) {
      Pending pending = std::move(pending_.front());
      pending_.pop_front();
      const auto copied = copied_bytes(pending.reply);
      if (copied == 0 && !wanted(pending)) {
        hold(std::move(pending));
        continue;
      }
      bytes += hand_over(pending);
      if (copied > 0) copy_left(pending.session, copied);
    }
    wake_thirsty();
  } while (!resumed_.empty() && bytes < kBytesPerRelease);
  more_replies_ = due() && bytes >= kBytesPerRelease;
}

std::uint64_t Broker::Impl::hand_over(Pending& pending) {
  if (const auto* happened = std::get_if<engine::Happened>(&pending.reply)) {
    const Happening happening{happened->kind, happened->queue, happened->id, happened->detail,
                              happened->at};
    for (const auto& watcher : watchers_) watcher(happening);
    return 0;
  }
  const auto found = sessions_.find(pending.session);
  if (found == sessions_.end()) {
    // Nobody is there to get them: they don't wait for their leases to run out.
    if (const auto* take = std::get_if<engine::TakeAnswer>(&pending.reply)) give_back(*take);
    return 0;
  }
  ReplySink& sink = *found->second;
  if (const auto* ended = std::get_if<engine::SessionEnded>(&pending.reply))
    return sink.on_ended(ended->reason), 0;
  withhold(pending);
  const auto tag = pending.tag;
  auto bytes = copied_bytes(pending.reply);
  std::visit(
      [&]<class T>(T& reply) {
        if constexpr (std::is_same_v<T, OwnedPublished>) {
          const std::span<const MessageId> ids = reply.first
                                                     ? std::span<const MessageId>(&reply.first, 1)
                                                     : std::span<const MessageId>(reply.ids);
          sink.on_reply(tag, Published{ids, reply.duplicates});
        } else if constexpr (std::is_same_v<T, engine::TakeAnswer>) {
          bytes = deliver(sink, tag, reply);
        } else if constexpr (std::is_same_v<T, OwnedBrowse>) {
          std::vector<BrowsedMessage> messages;
          for (const auto& e : reply.entries) {
            const auto& m = e.message;
            Delivery delivery;
            delivery.id = m.id;
            delivery.lease = m.lease;
            delivery.queue = e.queue;
            delivery.attempts = m.attempts;
            delivery.redelivered = m.redelivered;
            delivery.priority = m.priority;
            delivery.task = m.task;
            delivery.enqueued_at = m.enqueued_at;
            delivery.deadline = m.deadline;
            delivery.expires_at = m.expires_at;
            delivery.group = m.group;
            delivery.headers = as_bytes(e.headers);
            delivery.body = as_bytes(e.body);
            messages.push_back({delivery, e.state, e.not_before, e.history});
          }
          sink.on_reply(tag, Browsed{messages});
        } else if constexpr (std::is_same_v<T, OwnedTask>) {
          sink.on_reply(tag, reply.view());
        } else if constexpr (std::is_same_v<T, OwnedTasks>) {
          std::vector<TaskStatus> tasks;
          for (const auto& task : reply.tasks) tasks.push_back(task.view());
          sink.on_reply(tag, Tasks{tasks});
        } else if constexpr (std::is_same_v<T, OwnedTaskLog>) {
          sink.on_reply(tag, TaskLog{reply.id, reply.lines, reply.ended});
        } else if constexpr (std::is_same_v<T, OwnedQueues>) {
          sink.on_reply(tag, Queues{reply.queues});
        } else if constexpr (requires { Reply(std::move(reply)); }) {
          sink.on_reply(tag, std::move(reply));
        }
      },
      pending.reply);
  return bytes;
}

// Keys in turn lie anywhere in the log: those of their bodies that are on the disk are read in its
// order, where what is near each other is one read, whatever the order they go out in.
void Broker::Impl::gather_bodies(const engine::TakeAnswer& answer) {
  arena_.clear();
  places_.clear();
  bodies_.assign(answer.messages.size(), {});
  const auto& messages = answer.messages;
  for (std::uint32_t n = 0; n < messages.size(); ++n) {
    if (n + 2 * kFetched < messages.size())
      storage_->fetch_place(messages[n + 2 * kFetched].position);
    if (n + kFetched < messages.size()) storage_->fetch_body(messages[n + kFetched].position);
    const auto position = position_of(answer, messages[n]);
    if (!position) continue;
    if (const auto body = storage_->body_in_memory(*position))
      gather_body(messages[n], *body, bodies_[n]);
    else
      places_.push_back({*position, n});
  }
  boost::sort::pdqsort_branchless(places_.begin(), places_.end(), [](auto& a, auto& b) {
    return a.position.value < b.position.value;
  });
  for (const auto& [position, n] : places_)
    if (const auto body = storage_->read_body(position))
      gather_body(messages[n], *body, bodies_[n]);
}

// Cleaning may have moved it since it was leased, and its old segment may be gone. One in memory
// that is gone, as its queue is, has left its place to others.
std::optional<LogPosition> Broker::Impl::position_of(const engine::TakeAnswer& answer,
                                                     const engine::Leased& leased) const {
  const auto& state = engine_.state();
  const bool transient = leased.id.value >= engine::kTransientMessage;
  if (answer.relocations == state.relocations && !transient) return leased.position;
  if (const auto slot = state.find(leased.id, leased.slot); slot != 0)
    return state.messages[slot].position;
  return transient ? std::nullopt : std::optional(leased.position);
}

// The lease of one that cannot be read will run out, and its attempts; then it lies in the dead
// letters, and is not lost.
void Broker::Impl::gather_body(const engine::Leased& leased, ByteView body, Range& into) {
  const auto begin = arena_.size();
  append(arena_, body);
  if (leased.step && !give_input(leased, begin))
    arena_.resize(begin);
  else
    into = {begin, arena_.size()};
}

std::uint64_t Broker::Impl::deliver(ReplySink& sink, Tag tag, const engine::TakeAnswer& answer) {
  gather_bodies(answer);
  deliveries_.clear();
  for (std::size_t n = 0; n < answer.messages.size(); ++n) {
    const auto& leased = answer.messages[n];
    const auto [begin, end] = bodies_[n];
    if (end == 0) continue;
    Cursor in(ByteView(arena_).subspan(begin, end - begin));
    auto& delivery = deliveries_.emplace_back();
    delivery.id = leased.id;
    delivery.lease = leased.lease;
    if (const auto* queue = engine_.state().find_queue(leased.queue)) delivery.queue = queue->name;
    delivery.attempts = leased.attempts;
    delivery.priority = leased.priority;
    delivery.task = leased.task;
    delivery.redelivered = leased.redelivered;
    delivery.bytes = leased.bytes;
    delivery.enqueued_at = leased.enqueued_at;
    delivery.deadline = leased.deadline;
    delivery.expires_at = leased.expires_at;
    delivery.group = leased.group;
    delivery.offset = leased.offset;
    delivery.headers = in.prefixed();
    delivery.body = in.rest();
  }
  const std::uint64_t bytes = arena_.size();
  sink.on_reply(tag, Delivered{deliveries_, answer.left});
  if (arena_.capacity() > (4u << 20)) arena_ = {};
  return bytes;
}

void Broker::Impl::give_back(const engine::TakeAnswer& answer) {
  std::vector<engine::LeaseToken> tokens;
  for (const auto& leased : answer.messages) tokens.push_back(leased.lease);
  if (tokens.empty()) return;
  engine::Settle settle;
  settle.leases = tokens;
  settle.outcome = engine::Outcome::give_back;
  (void)engine_.settle(clock_.now(), settle).index();
}

}  // namespace penstock::broker
