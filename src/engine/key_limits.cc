// Unique, debounced and throttled messages: what their keys say when they come.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "engine/engine.h"

namespace penstock::engine {
namespace {

// More than a finish event takes beside its history: name, error, numbers.
constexpr std::uint64_t kEndBytes = 1024;

Error duplicate(const Queue& queue, const KeyLimit& limit, MessageId id, std::string_view why) {
  return Error{ErrorCode::duplicate,
               fmt::format("unique key {} of queue {} belongs to {}, which {}", quoted(limit.key),
                           queue.name, id.value, why),
               limit.rule == KeyRule::unique_for
                   ? "wait until its time is over, or ask for its id with on_conflict=return"
               : limit.rule == KeyRule::unique_start
                   ? "wait for its start, or ask for its id with on_conflict=return"
                   : "wait for its end, or ask for its id with on_conflict=return",
               id};
}

}  // namespace

Engine::Judged Engine::judge(Time now, Queue& queue, const MessageInput& input) {
  const auto& limit = input.limit;
  if (queue.options.stream)
    return Error{ErrorCode::unsupported,
                 fmt::format("{} is a stream: nothing in it is unique, debounced or throttled",
                             quoted(queue.name))};
  const bool sets_time = limit.rule == KeyRule::debounce || limit.rule == KeyRule::throttle;
  if (sets_time && input.not_before > now)
    return Error{ErrorCode::invalid,
                 "a message that is debounced or throttled has no delay of its own"};
  Verdict verdict;
  verdict.hold.rule = limit.rule;
  verdict.hold.key = hash_key(queue.id, limit.key, kind_of(limit.rule));
  if (!limit_keys_.insert(verdict.hold.key.low).second)
    return Error{ErrorCode::invalid,
                 fmt::format("two messages of one publish have the key {}", quoted(limit.key)),
                 "send them one after the other"};
  auto known = state_.find_key(verdict.hold.key);
  // Its timer is due, and was not fired yet.
  if (known != 0 && !state_.keys[known].is_held() && state_.keys[known].until <= now) known = 0;
  switch (limit.rule) {
    case KeyRule::none:
      break;
    case KeyRule::unique_for:
      verdict.hold.until = now + limit.time;
      [[fallthrough]];
    case KeyRule::unique_start:
    case KeyRule::unique_done:
      return judge_unique(queue, limit, verdict, known);
    case KeyRule::throttle:
      return judge_throttle(now, queue, limit, verdict, known);
    case KeyRule::debounce:
      judge_debounce(now, limit, verdict, known);
      break;
  }
  return verdict;
}

Engine::Judged Engine::judge_unique(Queue& queue, const KeyLimit& limit, Verdict verdict,
                                    std::uint32_t known) {
  if (known == 0) return verdict;
  const auto id = state_.keys[known].id;
  if (limit.on_conflict == OnConflict::give_known) return verdict.known = id, verdict;
  if (limit.on_conflict == OnConflict::replace) {
    if (waits(id)) return verdict.replaced = id, verdict;
    if (state_.find(id) == 0) return verdict;  // it ended, and its time goes on
  }
  ++queue.counters.refused_unique;
  return duplicate(queue, limit, id,
                   limit.on_conflict == OnConflict::replace ? "is being worked on"
                   : state_.find(id) == 0                   ? "has ended, and its time goes on"
                                                            : "is there");
}

// Beyond the last one of a period: the first moment at which there are fewer than so many in it.
Engine::Judged Engine::judge_throttle(Time now, Queue& queue, const KeyLimit& limit,
                                      Verdict verdict, std::uint32_t known) {
  verdict.hold.since = now;
  verdict.hold.most = limit.most;
  if (known != 0) {
    const auto& entry = state_.keys[known];
    const auto& moments = entry.pace->moments;
    const Time free_at =
        moments.size() < limit.most ? Time{} : moments[moments.size() - limit.most] + limit.time;
    if (free_at > now && limit.on_conflict == OnConflict::give_known)
      return verdict.known = entry.id, verdict;
    if (free_at > now && limit.on_conflict == OnConflict::reject) {
      ++queue.counters.refused_throttle;
      return Refusal{
          .queue = queue.name,
          .reason = "throttle",
          .message = fmt::format("{} of key {} came within {}: at most {} may", limit.most,
                                 quoted(limit.key), format_duration(limit.time), limit.most),
          .retry_after = free_at - now};
    }
    if (free_at > now) verdict.due = verdict.hold.since = free_at;
  }
  verdict.hold.until = verdict.hold.since + limit.time;
  return verdict;
}

// Each new one takes the place of the one that waits, and pushes its time back. Once that has come,
// the next begins anew.
void Engine::judge_debounce(Time now, const KeyLimit& limit, Verdict& verdict,
                            std::uint32_t known) {
  verdict.hold.since = now;
  if (known != 0 && waits(state_.keys[known].id)) {
    verdict.replaced = state_.keys[known].id;
    verdict.hold.since = state_.keys[known].pace->first;
  }
  verdict.due = now + limit.time;
  if (limit.max_wait.count() > 0)
    verdict.due = std::min(verdict.due, std::max(verdict.hold.since + limit.max_wait, now));
  verdict.hold.until = std::max(verdict.due, now + Duration(1));
}

// Nobody is working on it.
bool Engine::waits(MessageId id) const {
  const auto slot = state_.find(id);
  return slot != 0 && state_.messages[slot].state != MessageState::leased;
}

std::uint64_t Engine::bytes_to_end(MessageId id) const {
  const Message& message = state_.messages[state_.find(id)];
  const auto* extra = state_.find_extra(message);
  return kEndBytes + (message.task && extra != nullptr ? extra->history_bytes : 0);
}

void Engine::end_replaced(Time now, Queue& queue, MessageId id) {
  const auto slot = state_.find(id);
  if (slot == 0) return;  // it made room
  ++queue.counters.replaced;
  if (state_.messages[slot].task) {
    const auto by = queue.transient() ? state_.next_transient_message : state_.next_message;
    finish_task(now, slot, TaskState::cancelled, {}, fmt::format("replaced by {}", by), false);
  } else {
    const MessageId one[]{id};
    const SettleEvent event{SettleReason::replaced, now, one};
    write(queue, event);
    state_.apply(event);
  }
  happened(now, "replaced", queue, id, "");
}

}  // namespace penstock::engine
