// How a delivery ends: done, tried again, or buried; and what a lease proves.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/canary.h"
#include "base/headers.h"
#include "base/siphash.h"
#include "engine/engine.h"
#include "engine/json_text.h"
#include "engine/workflow.h"
#include "flow/admission.h"

namespace penstock::engine {
namespace {

constexpr std::size_t kLongestError = 1024;
constexpr std::size_t kLongestHistory = 16 * 1024;
using Q = QueueStatistics;
constexpr std::uint64_t Q::*kFailed[kCauses] = {&Q::raised, &Q::timed_out, &Q::worker_lost,
                                                &Q::killed, &Q::out_of_memory};

}  // namespace

std::uint64_t Engine::seal_of(MessageId id, std::uint32_t delivery) const {
  const std::uint64_t words[2]{id.value, delivery};
  return siphash(state_.secret[1], state_.secret[2],
                 ByteView(reinterpret_cast<const std::byte*>(words), sizeof words));
}

std::uint32_t Engine::leased_slot(const LeaseToken& token) const {
  return leased_slot(token, state_.find(token.id, token.place));
}

std::uint32_t Engine::leased_slot(const LeaseToken& token, std::uint32_t slot) const {
  if (slot == 0 || state_.messages[slot].state != MessageState::leased) return 0;
  if (state_.messages[slot].deliveries != token.delivery && !CANARY(double_settle)) return 0;
  return token.seal == seal_of(token.id, token.delivery) ? slot : 0;
}

Engine::SettleOutcome Engine::settle(Time now, const Settle& settle) {
  if (settle.result.size() > options_.max_message_bytes)
    return Error{ErrorCode::too_large,
                 fmt::format("the result has {} bytes, at most {} are taken", settle.result.size(),
                             options_.max_message_bytes),
                 "store it elsewhere and return a reference"};
  look_up(settle.leases);
  SettleAnswer answer;
  answer.settled = static_cast<std::uint32_t>(leased_.ids.size());
  answer.lost = static_cast<std::uint32_t>(settle.leases.size()) - answer.settled;
  if (settle.replacement != nullptr) {
    if (auto error = invalid(*settle.replacement)) return std::move(*error);
    if (leased_.ids.empty()) return answer;
    return replace(now, settle);
  }
  if (!settle.sends.empty() && answer.lost == 0) {
    IdList sent;
    auto published = publish(now, settle.sends, sent);
    if (auto* refused = std::get_if<Refusal>(&published)) return std::move(*refused);
    if (auto* error = std::get_if<Error>(&published)) return std::move(*error);
  } else if (!settle.sends.empty()) {
    return SettleAnswer{0, static_cast<std::uint32_t>(settle.leases.size())};
  }
  if (settle.outcome == Outcome::ack) {
    acknowledge(now, settle);
    return answer;
  }
  end_deliveries(now, settle);
  return answer;
}

// Those that hold, in their order; one that is named twice holds once.
void Engine::look_up(std::span<const LeaseToken> tokens) {
  leased_.ids.clear();
  leased_.slots.clear();
  ++settles_;
  std::array<std::uint32_t, State::kFetched> slots;
  const auto from = [&](std::size_t at) {
    at = std::min(at, tokens.size());
    return tokens.subspan(at, std::min(slots.size(), tokens.size() - at));
  };
  state_.fetch(from(0));
  for (std::size_t at = 0; at < tokens.size(); at += slots.size()) {
    const auto some = from(at);
    state_.fetch(from(at + slots.size()));
    for (std::size_t n = 0; n < some.size(); ++n) slots[n] = state_.find(some[n].id, some[n].place);
    if (some.size() > 1) state_.fetch(std::span(slots).first(some.size()));
    for (std::size_t n = 0; n < some.size(); ++n) {
      const auto slot = leased_slot(some[n], slots[n]);
      if (slot == 0) continue;
      Lease& lease = state_.leases[state_.messages[slot].link];
      if (lease.named == settles_) continue;
      lease.named = settles_ & (~0ull >> (64 - Lease::kNamedBits));
      leased_.ids.push_back(some[n].id);
      leased_.slots.push_back(slot);
    }
  }
}

// All that is not done, from the youngest back: each goes before the one put back last.
void Engine::end_deliveries(Time now, const Settle& settle) {
  const Failure failure{settle.error, settle.cause == Cause::none ? Cause::raised : settle.cause};
  std::ranges::sort(leased_.ids, std::greater<>{});
  for (const auto id : leased_.ids) {
    const auto slot = state_.find(id);
    Queue& queue = state_.queue_at(state_.messages[slot].queue);
    switch (settle.outcome) {
      case Outcome::ack:
        break;
      case Outcome::nack:
        ++queue.counters.nacked;
        fail_delivery(now, slot, ReturnReason::nack, failure, settle.delay);
        break;
      case Outcome::requeue:
        ++queue.counters.nacked;
        requeue(now, slot, ReturnReason::nack, failure.cause);
        break;
      case Outcome::reject:
        ++queue.counters.rejected;
        note_failed(queue, failure.cause);
        bury(now, slot, MoveReason::rejected, failure);
        break;
      case Outcome::decline:
        decline(now, slot, settle.error);
        break;
      case Outcome::give_back: {
        if (state_.messages[slot].cancelled) {
          fail_delivery(now, slot, ReturnReason::given_back, {settle.error}, std::nullopt);
          break;
        }
        if (has_expired(now, state_.messages[slot])) {
          expire(now, slot);
          break;
        }
        const MessageId one[]{id};
        GiveBackEvent event{.reason = ReturnReason::given_back, .at = now, .ids = one};
        event.uncounted = true;
        state_.apply(event, write(queue, event), 0);
        changed(now, queue);
        break;
      }
    }
  }
}

Engine::SettleOutcome Engine::replace(Time now, const Settle& settle) {
  const auto slot = leased_.slots.front();
  if (settle.outcome != Outcome::ack || leased_.slots.size() != 1 || !state_.messages[slot].task ||
      !settle.sends.empty())
    return Error{ErrorCode::invalid, "a workflow takes the place of one task that is done", {}};
  if (!settle.replacement->key.empty())
    return Error{ErrorCode::invalid, "a workflow in the place of a task has no idempotency key",
                 "a settle counts once anyway"};
  const Message message = state_.messages[slot];
  const auto since = state_.leases[message.link].since;
  auto submitted = take_in(now, *settle.replacement, message.id);
  if (auto* refused = std::get_if<Refusal>(&submitted)) return std::move(*refused);
  if (auto* error = std::get_if<Error>(&submitted)) return std::move(*error);
  Queue& queue = state_.queue_at(message.queue);
  ++queue.counters.acked;
  queue.meter.completed(now, 1, now - message.enqueued_at(), now - since);
  changed(now, queue);
  return SettleAnswer{1, 0};
}

void Engine::acknowledge(Time now, const Settle& settle) {
  Found plain, transient;
  for (std::size_t n = 0; n < leased_.ids.size(); ++n) {
    const auto id = leased_.ids[n];
    const auto slot = state_.find(id, leased_.slots[n]);
    const Message& message = state_.messages[slot];
    Queue& queue = state_.queue_at(message.queue);
    ++queue.counters.acked;
    note_settled(now, queue, message, 1);
    if (message.task && leaves_result(message)) {
      finish_task(now, slot, TaskState::done, settle.result, {}, false);
    } else {
      Found& found = queue.transient() ? transient : plain;
      found.ids.push_back(id);
      found.slots.push_back(slot);
    }
    if (touched_.empty() || touched_.back() != queue.slot) touched_.push_back(queue.slot);
  }
  for (std::size_t at = 0; at < plain.ids.size(); at += kMostIdsInEvent) {
    const auto count = std::min(kMostIdsInEvent, plain.ids.size() - at);
    const SettleEvent event{SettleReason::acked, now, std::span(plain.ids).subspan(at, count)};
    write(event);
    state_.apply(event, std::span(plain.slots).subspan(at, count));
  }
  if (!transient.ids.empty())
    state_.apply(SettleEvent{SettleReason::acked, now, transient.ids}, transient.slots);
  for (const auto* ended : {&plain, &transient})
    for (const auto id : ended->ids) wake_watchers(id);
  for (const auto queue : touched_) changed(now, state_.queue_at(queue));
  touched_.clear();
}

// Somebody may ask for it later, or a workflow goes on with it.
bool Engine::leaves_result(const Message& message) const {
  return result_ttl(message).count() > 0 || state_.workflows.find_step(message.id) != 0;
}

Duration Engine::result_ttl(const Message& message) const {
  return state_.policies[message.policy].result_ttl.value_or(options_.default_result_ttl);
}

void Engine::note_settled(Time now, Queue& queue, const Message& message, std::uint64_t count) {
  const auto since = state_.leases[message.link].since;
  queue.meter.completed(now, count, now - message.enqueued_at(), now - since);
  if (!room_wanted_.empty() && room_wanted_.erase(queue.id.value) > 0)
    effects_.emplace_back(RoomMade{queue.id});
}

void Engine::finish_task(Time now, std::uint32_t slot, TaskState state, ByteView result,
                         std::string_view error, bool keeps_message, ByteView history) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  FinishEvent event;
  event.id = message.id;
  event.state = state;
  event.queue = queue.id;
  event.at = now;
  event.enqueued_at = message.enqueued_at();
  event.attempts = state_.attempts_of(message);
  event.keeps_message = keeps_message;
  if (message.state == MessageState::leased) event.started_at = state_.leases[message.link].since;
  auto ttl = result_ttl(message);
  // A step's result stays as long as its workflow.
  if (state_.workflows.find_step(message.id) != 0) ttl = std::max(ttl, Duration(1));
  body_.clear();
  if (ttl.count() > 0) {
    event.expires_at = now + ttl;
    std::string name;
    if (auto body = storage_->read_body(message.position)) {
      Cursor in(*body);
      if (const auto found = find_header(in.prefixed(), kTaskHeader)) name = *found;
    }
    Encoder out(body_);
    out.text(name).prefixed(result).text(error);
    const auto* extra = state_.find_extra(message);
    if (history.empty() && extra != nullptr && extra->history)
      if (auto kept = storage_->read_body(extra->history)) history = *kept;
    out.prefixed(history);
  }
  const auto id = message.id;
  state_.apply(event, write(event, body_), static_cast<std::uint32_t>(body_.size()), slot);
  wake_watchers(id);
  stir(now);
  switch (state) {
    case TaskState::done:
      return happened(now, "task_done", queue, id, "");
    case TaskState::failed:
      return happened(now, "task_failed", queue, id, error);
    case TaskState::cancelled:
      return happened(now, "task_cancelled", queue, id, error);
    case TaskState::expired:
      return happened(now, "task_expired", queue, id, error);
    default:
      return;
  }
}

std::uint32_t Engine::max_attempts(const Message& message, const Queue& queue) const {
  return state_.policies[message.policy].max_attempts.value_or(queue.options.max_attempts);
}

ByteView Engine::history_with(Time now, const Message& message, std::string_view reason,
                              const Failure& failure) {
  history_.clear();
  if (const auto* extra = state_.find_extra(message); extra != nullptr && extra->history)
    if (auto old = storage_->read_body(extra->history)) append(history_, *old);
  // The oldest entries go when it grows too long: each is an object, so cut behind one.
  while (history_.size() > kLongestHistory) {
    const auto text = as_text(history_);
    const auto next = text.find("},{");
    if (next == std::string_view::npos) {
      history_.clear();
      break;
    }
    history_.erase(history_.begin() + 1, history_.begin() + static_cast<std::ptrdiff_t>(next + 2));
  }
  if (history_.empty())
    history_.push_back(std::byte{'['});
  else
    history_.back() = std::byte{','};
  append(history_, as_bytes(fmt::format(R"({{"attempt":{},"at":{},)", state_.attempts_of(message),
                                        micros(now) / 1000)));
  if (failure.cause != Cause::none)
    append(history_, as_bytes(fmt::format(R"("cause":"{}",)", name_of(failure.cause))));
  append(history_, as_bytes(fmt::format(R"("reason":"{}","error":")", reason)));
  append_json(history_, failure.error, kLongestError);
  append(history_, as_bytes("\"}]"));
  return history_;
}

// With this attempt as many have ended of `cause` as the queue allows.
bool Engine::is_poisoned(const Message& message, Cause cause) {
  const auto most = most_of(state_.queue_at(message.queue).options, cause);
  const auto* extra = state_.find_extra(message);
  auto before = extra == nullptr ? std::uint16_t{0} : extra->causes.of(cause);
  if (CANARY(miscount_cause) && extra != nullptr && !extra->causes.empty()) ++before;
  return most != 0 && before + 1u >= most;
}

void Engine::note_failed(Queue& queue, Cause cause) {
  if (cause != Cause::none) ++(queue.counters.*kFailed[static_cast<std::size_t>(cause) - 1]);
}

void Engine::fail_delivery(Time now, std::uint32_t slot, ReturnReason reason,
                           const Failure& failure, std::optional<Duration> delay) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  const auto attempts = state_.attempts_of(message);
  const auto most = max_attempts(message, queue);
  if (message.cancelled) {
    constexpr std::string_view kWhy = "cancelled while it ran";
    const auto step = state_.workflows.find_step(message.id);
    if (step != 0 && !state_.workflows.is_cancelled(step))
      return fail_step(now, slot, TaskState::cancelled, name_of(reason), {kWhy});
    return finish_task(now, slot, TaskState::cancelled, {}, kWhy, false);
  }
  note_failed(queue, failure.cause);
  if (most != 0 && attempts >= most) return bury(now, slot, MoveReason::max_attempts, failure);
  if (is_poisoned(message, failure.cause)) return bury(now, slot, MoveReason::poisoned, failure);
  if (has_expired(now, message)) return expire(now, slot);
  const auto& backoff = state_.policies[message.policy].backoff;
  const auto wait = delay ? *delay
                          : flow::delay_after(backoff ? *backoff : queue.options.backoff, attempts,
                                              random_.next());
  const auto history = history_with(now, message, name_of(reason), failure);
  const MessageId one[]{message.id};
  GiveBackEvent event{.reason = reason, .at = now, .ids = one, .cause = failure.cause};
  if (wait.count() > 0) event.due = now + wait;
  state_.apply(event, write(queue, event, history), static_cast<std::uint32_t>(history.size()));
  changed(now, queue);
}

// Back in its place at once. Nothing is told of it in a history: where attempts are not limited
// that would be written again and again.
void Engine::requeue(Time now, std::uint32_t slot, ReturnReason reason, Cause cause) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  const auto most = max_attempts(message, queue);
  if (message.task || (most != 0 && state_.attempts_of(message) >= most) ||
      most_of(queue.options, cause) != 0)
    return fail_delivery(now, slot, reason, {{}, cause}, Duration(0));
  if (has_expired(now, message)) return expire(now, slot);
  const MessageId one[]{message.id};
  const GiveBackEvent event{.reason = reason, .at = now, .ids = one};
  state_.apply(event, write(queue, event), 0);
  note_failed(queue, cause);
  changed(now, queue);
}

// For good, without dead letters.
void Engine::end_message(Time now, std::uint32_t slot, SettleReason reason,
                         std::string_view error) {
  Message& message = state_.messages[slot];
  Queue& queue = state_.queue_at(message.queue);
  if (message.state == MessageState::leased) note_settled(now, queue, message, 1);
  if (message.task) {
    finish_task(now, slot, reason == SettleReason::expired ? TaskState::expired : TaskState::failed,
                {}, error, false);
  } else {
    const MessageId one[]{message.id};
    const SettleEvent event{reason, now, one};
    write(queue, event);
    state_.apply(event);
  }
  changed(now, queue);
  if (!room_wanted_.empty() && room_wanted_.erase(queue.id.value) > 0)
    effects_.emplace_back(RoomMade{queue.id});
}

Engine::ExtendAnswer Engine::extend(Time now, SessionId session, std::span<const LeaseToken> tokens,
                                    Duration duration) {
  ExtendAnswer answer;
  IdList ids, transient;
  for (const auto& token : tokens) {
    const auto slot = leased_slot(token);
    if (slot == 0) {
      ++answer.lost;
      continue;
    }
    const Message& message = state_.messages[slot];
    answer.cancelled |= message.cancelled != 0;
    const Lease& lease = state_.leases[message.link];
    if (lease.connection_bound && !lease.owner) state_.own(slot, session);
    if (duration.count() == 0)
      duration = state_.policies[message.policy].lease.value_or(
          state_.queue_at(message.queue).options.lease);
    (message.id.value >= kTransientMessage ? transient : ids).push_back(message.id);
  }
  answer.extended = static_cast<std::uint32_t>(ids.size() + transient.size());
  if (answer.extended == 0) return answer;
  answer.deadline = now + duration;
  if (!transient.empty()) state_.apply(ExtendEvent{answer.deadline, transient});
  for (std::size_t at = 0; at < ids.size(); at += kMostIdsInEvent) {
    const ExtendEvent event{answer.deadline,
                            std::span(ids.data() + at, std::min(kMostIdsInEvent, ids.size() - at))};
    write(event);
    state_.apply(event);
  }
  return answer;
}

Engine::ExtendAnswer Engine::progress(const LeaseToken& token, const Progress& progress) {
  ExtendAnswer answer;
  const auto slot = leased_slot(token);
  if (slot == 0) return answer.lost = 1, answer;
  answer.extended = 1;
  answer.cancelled = state_.messages[slot].cancelled != 0;
  answer.deadline = state_.leases[state_.messages[slot].link].deadline;
  auto& kept = state_.extra_of(slot).progress;
  if (!kept) kept = std::make_unique<Progress>();
  *kept = progress;
  if (kept->text.size() > kLongestError) kept->text.resize(kLongestError);
  return answer;
}

}  // namespace penstock::engine
