// Answers that wait beside the log: for their session to read what it has, or for room for copies.
//
// An answer with bodies is made only when there is room for them: of all sessions together, and of
// the session, that one which asks for much does not take it all. What is not copied needs no such
// room; it waits while its session wants no more.
#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/broker_impl.h"

namespace penstock::broker {
namespace {

// Copies of one session on their way, beside one as large as an answer is.
constexpr std::uint64_t kSessionCopiedBytes = 1ull << 20;

bool is_asked(const PendingReply& reply) {
  return std::holds_alternative<AskedBrowse>(reply) || std::holds_alternative<AskedTask>(reply) ||
         std::holds_alternative<AskedLog>(reply);
}

}  // namespace

std::uint64_t copied_bytes(const PendingReply& reply) {
  if (const auto* browse = std::get_if<OwnedBrowse>(&reply)) return browse->bytes;
  if (const auto* task = std::get_if<OwnedTask>(&reply)) return task->bytes();
  if (const auto* log = std::get_if<OwnedTaskLog>(&reply)) return log->bytes;
  return 0;
}

// ---- answers with copies

void Broker::Impl::ask(SessionId session, Tag tag, PendingReply asked) {
  Pending pending{{}, session, tag, std::move(asked)};
  if (!sessions_.contains(session)) return;
  const bool wants = wanted(pending);
  // Those who wait for room go first.
  if (wants && thirsty_.empty() && has_copy_room(session)) return copy(session, tag, pending.reply);
  hold(std::move(pending));
  Backlog& backlog = backlogs_[session];
  if (wants && backlog.copied_bytes < kSessionCopiedBytes) wait_for_room(session, backlog);
}

bool Broker::Impl::has_copy_room(SessionId session) const {
  if (copied_bytes_ >= options_.max_copied_bytes) return false;
  const auto backlog = backlogs_.find(session);
  return backlog == backlogs_.end() || backlog->second.copied_bytes < kSessionCopiedBytes;
}

void Broker::Impl::copy(SessionId session, Tag tag, const PendingReply& asked) {
  const auto asking = asks(session, tag);  // who may have lost the right to it meanwhile
  if (!asking) return;
  if (const auto* task = std::get_if<AskedTask>(&asked)) {
    if (auto allowed = engine_.may_see_task(task->id); !allowed)
      return answer(session, tag, std::move(allowed.error()));
    answer(session, tag, task_status(task->id));
  } else if (const auto* log = std::get_if<AskedLog>(&asked)) {
    if (auto allowed = engine_.may_see_task(log->id); !allowed)
      return answer(session, tag, std::move(allowed.error()));
    answer(session, tag, task_log(log->id, log->after));
  } else {
    const auto& [name, limit] = std::get<AskedBrowse>(asked);
    auto queue = engine_.read_queue(name);
    if (!queue) return answer(session, tag, std::move(queue.error()));
    answer(session, tag, browse(**queue, limit));
  }
  const auto bytes = copied_bytes(pending_.back().reply);
  if (bytes == 0) return;
  copied_bytes_ += bytes;
  backlogs_[session].copied_bytes += bytes;
}

void Broker::Impl::copy_left(SessionId session, std::uint64_t bytes) {
  copied_bytes_ -= bytes;
  const auto found = backlogs_.find(session);
  if (found == backlogs_.end()) return;
  Backlog& backlog = found->second;
  backlog.copied_bytes -= bytes;
  if (backlog.held.empty()) {
    if (backlog.copied_bytes == 0) backlogs_.erase(found);
  } else if (thirsty_.empty()) {
    resume(session);
  } else {
    wait_for_room(session, backlog);
  }
}

void Broker::Impl::wait_for_room(SessionId session, Backlog& backlog) {
  if (std::exchange(backlog.thirsty, true)) return;
  thirsty_.push_back(session);
}

// One at a time: what it copies may be all that there is room for.
void Broker::Impl::wake_thirsty() {
  while (!thirsty_.empty() && copied_bytes_ < options_.max_copied_bytes) {
    const auto session = thirsty_.front();
    thirsty_.pop_front();
    const auto found = backlogs_.find(session);
    if (found == backlogs_.end()) continue;
    found->second.thirsty = false;
    return resume(session);
  }
}

// ---- what is held

bool Broker::Impl::wanted(const Pending& pending) const {
  if (std::holds_alternative<engine::SessionEnded>(pending.reply)) return true;
  const auto found = sessions_.find(pending.session);
  return found == sessions_.end() || found->second->wants_more(pending.tag);
}

void Broker::Impl::hold(Pending pending) {
  ++counters_.replies_put_off;
  ++held_replies_;
  backlogs_[pending.session].held.push_back(std::move(pending));
}

// As much as the session wants now; gives the bytes of bodies that went out.
std::uint64_t Broker::Impl::give_held(SessionId session) {
  auto found = backlogs_.find(session);
  if (found == backlogs_.end()) return 0;
  // Who is told something may ask for more; that goes behind what is left.
  std::deque<Pending> left, held;
  held.swap(found->second.held);
  held_replies_ -= held.size();
  std::uint64_t bytes = 0;
  bool lacks_room = false;
  for (auto& pending : held) {
    const bool asked = is_asked(pending.reply);
    const bool wants = wanted(pending);
    const bool room = !asked || has_copy_room(session);
    lacks_room = lacks_room || (wants && !room);
    if (!wants || !room)
      left.push_back(std::move(pending));
    else if (asked)
      copy(session, pending.tag, pending.reply);
    else
      bytes += hand_over(pending);
  }
  found = backlogs_.find(session);
  if (found == backlogs_.end()) return bytes;  // it has gone meanwhile
  Backlog& backlog = found->second;
  held_replies_ += left.size();
  std::ranges::move(backlog.held, std::back_inserter(left));
  backlog.held = std::move(left);
  if (lacks_room && backlog.copied_bytes < kSessionCopiedBytes) wait_for_room(session, backlog);
  if (backlog.held.empty() && backlog.copied_bytes == 0) backlogs_.erase(found);
  return bytes;
}

// Nobody is there to get it any more.
void Broker::Impl::drop_held(SessionId session) {
  const auto found = backlogs_.find(session);
  if (found == backlogs_.end()) return;
  const auto held = std::move(found->second.held);
  backlogs_.erase(found);
  held_replies_ -= held.size();
  for (const auto& pending : held)
    if (const auto* take = std::get_if<engine::TakeAnswer>(&pending.reply)) give_back(*take);
}

}  // namespace penstock::broker
