// Commands that need more than the engine: room in the journal, bodies, copies.
#include <algorithm>

#include "base/headers.h"
#include "broker/broker_impl.h"

namespace penstock::broker {
namespace {

constexpr Duration kDiskFullRetry = std::chrono::seconds(2);
constexpr Duration kJournalBusyRetry = std::chrono::milliseconds(20);
constexpr std::uint64_t kHeadBytes =
    1024;  // more than the head of a publish: its group and its numbers

std::uint64_t bytes_of(std::span<const engine::Publish> publishes) {
  std::uint64_t bytes = 0;
  for (const auto& publish : publishes)
    for (const auto& message : publish.messages)
      bytes += message.body.size() + message.headers.size() + kHeadBytes / 8 + message.group.size();
  return bytes;
}
std::uint32_t count_of(std::span<const engine::Publish> publishes) {
  std::size_t count = 0;
  for (const auto& publish : publishes) count += publish.messages.size();
  return static_cast<std::uint32_t>(count);
}

std::string text_of(ByteView bytes) {
  return std::string(as_text(bytes));
}

}  // namespace

PendingReply Broker::Impl::refused(engine::Refusal refusal) {
  return Refused{std::move(refusal.queue), std::string(refusal.reason), std::move(refusal.message),
                 refusal.retry_after};
}

std::optional<PendingReply> Broker::Impl::no_room(std::uint64_t bytes, std::uint32_t records,
                                                  std::string_view queue) {
  // Beside the messages there may be a queue to declare and policies to write.
  const auto need = bytes + std::uint64_t{records} * journal::kRecordOverheadBytes + 4 * kHeadBytes;
  if (storage_->kept_bytes() + bytes > options_.max_transient_bytes && storage_->kept_bytes() > 0 &&
      engine_.is_transient(queue))
    return Refused{std::string(queue), "memory",
                   "the queues that live in memory hold as much as they may", kDiskFullRetry};
  switch (journal_->room_for(need, records + 4)) {
    case journal::Journal::Room::yes:
      return std::nullopt;
    case journal::Journal::Room::batch_full:
      return Refused{std::string(queue), "journal", "the disk is behind with what came in",
                     kJournalBusyRetry};
    case journal::Journal::Room::disk_full:
      return Refused{std::string(queue), "disk",
                     "the disk is full; what is kept free is for settling work", kDiskFullRetry};
    case journal::Journal::Room::too_large:
      break;
  }
  return Error{ErrorCode::too_large,
               "the messages of one publish together are larger than one commit may be",
               "send them in several publishes"};
}

Broker::Impl::Attempt Broker::Impl::attempt(std::span<const engine::Publish> publishes,
                                            Chosen chosen) {
  // Asked for as a whole, so that all of it lies in one batch: it survives together or not at all.
  // A repeat of what was taken adds nothing, and "refused" would say that it was not taken.
  const auto repeats = [this](const auto& publish) { return engine_.adds_nothing(publish); };
  if (auto full = no_room(bytes_of(publishes), count_of(publishes), publishes.front().queue);
      full && !std::ranges::all_of(publishes, repeats))
    return {std::move(*full)};
  ids_.clear();
  auto answer = engine_.publish(clock_.now(), publishes, ids_, chosen);
  const auto* refusal = std::get_if<engine::Refusal>(&answer);
  const bool may_block = refusal != nullptr && refusal->may_block;
  return {published(std::move(answer), ids_), may_block};
}

PendingReply Broker::Impl::published(engine::Engine::PublishAnswer answer,
                                     const engine::IdList& ids) {
  if (auto* error = std::get_if<Error>(&answer)) return std::move(*error);
  if (auto* refusal = std::get_if<engine::Refusal>(&answer)) return refused(std::move(*refusal));
  OwnedPublished reply;
  reply.duplicates = std::get<std::uint32_t>(answer);
  if (ids.size() == 1)
    reply.first = ids.front();
  else
    reply.ids = ids;
  return reply;
}

// Leaves in publishes_ what went to each queue.
PendingReply Broker::Impl::route(const engine::RoutedPublish& publish) {
  auto targets = engine_.route(publish);
  if (!targets) return std::move(targets.error());
  publishes_.clear();
  if (targets->empty()) return OwnedPublished{};
  for (const auto queue : *targets)
    publishes_.push_back(engine::Publish{queue, std::span(&publish.message, 1)});
  return std::move(attempt(publishes_, Chosen::by_exchange).reply);
}

PendingReply Broker::Impl::transact(std::span<const engine::RoutedPublish> publishes,
                                    std::span<const engine::Settle> settles) {
  std::vector<engine::Publish> all;
  for (const auto& publish : publishes) {
    auto targets = engine_.route(publish);
    if (!targets) return std::move(targets.error());
    for (const auto queue : *targets)
      all.push_back(engine::Publish{queue, std::span(&publish.message, 1)});
  }
  if (!all.empty()) {
    auto reply = std::move(attempt(all, Chosen::by_exchange).reply);
    if (!std::holds_alternative<OwnedPublished>(reply)) return reply;
  }
  for (const auto& settle : settles) {
    auto settled = engine_.settle(clock_.now(), settle);
    if (auto* error = std::get_if<Error>(&settled)) return std::move(*error);
  }
  return Done{publishes.size(), false};
}

void Broker::Impl::publish(SessionId session, Tag tag, const engine::Publish& publish,
                           Time wait_until) {
  if (publish.messages.empty())
    return answer(session, tag, Error{ErrorCode::invalid, "there is no message in the batch", {}});
  // What is held back is published later, when nobody asks any more.
  if (auto allowed = engine_.may_publish(publish.queue); !allowed)
    return answer(session, tag, std::move(allowed.error()));
  // Those who wait for room go first.
  const bool may_wait = wait_until > clock_.now();
  if (!may_wait || !blocked_.any(publish.queue)) {
    auto [reply, may_block] = attempt({&publish, 1}, Chosen::by_name);
    if (!may_block || !may_wait) return answer(session, tag, std::move(reply));
  }
  if (!blocked_.hold(session, tag, publish, wait_until))
    return answer(
        session, tag,
        Refused{std::string(publish.queue), "memory", "too many publishes wait for room already",
                std::chrono::milliseconds(500)});
  if (const auto* queue = engine_.state().find_queue(publish.queue)) engine_.want_room(queue->id);
}

void Broker::Impl::settle(SessionId session, Tag tag, const engine::Settle& settle) {
  if (!settle.sends.empty())
    if (auto full = no_room(bytes_of(settle.sends) + settle.result.size(),
                            count_of(settle.sends) + 1, settle.sends.front().queue))
      return answer(session, tag, std::move(*full));
  if (settle.replacement != nullptr)
    if (auto full = no_room_for(*settle.replacement)) return answer(session, tag, std::move(*full));
  auto settled = engine_.settle(clock_.now(), settle);
  if (const auto* counts = std::get_if<engine::SettleAnswer>(&settled))
    return answer(session, tag, Settled{counts->settled, counts->lost, false, {}});
  if (auto* error = std::get_if<Error>(&settled)) return answer(session, tag, std::move(*error));
  answer(session, tag, refused(std::move(std::get<engine::Refusal>(settled))));
}

OwnedTask Broker::Impl::task_status(MessageId id) {
  OwnedTask task;
  auto& state = engine_.state();
  task.status.id = id;
  task.status.state = engine_.task_state(id);
  if (const auto step = state.workflows.find_step(id); step != 0)
    task.name = state.workflows.task_of(step);
  if (const auto slot = state.find_result(id); slot != 0) {
    const auto& result = state.results[slot];
    task.status.attempts = result.attempts;
    task.status.enqueued_at = result.enqueued_at;
    task.status.started_at = result.started_at;
    task.status.finished_at = result.at;
    if (const auto* queue = state.find_queue(result.queue)) task.queue = queue->name;
    if (auto body = storage_->read_body(result.position)) {
      Cursor in(*body);
      if (const auto name = in.text(); !name.empty()) task.name = name;
      task.result = in.text();
      task.error = in.text();
      task.history = in.text();
    } else {
      task.error = body.error().message;
    }
    return task;
  }
  if (workflow_status(id, true, task)) return task;
  const auto slot = state.find(id);
  if (slot == 0 || !state.messages[slot].task) return task;
  const auto& message = state.messages[slot];
  task.queue = state.queue_at(message.queue).name;
  task.status.attempts = state.attempts_of(message);
  task.status.enqueued_at = message.enqueued_at();
  task.status.cancel_requested = message.cancelled;
  if (message.state == engine::MessageState::leased)
    task.status.started_at = state.leases[message.link].since;
  if (message.state == engine::MessageState::scheduled && message.link != 0)
    task.status.next_attempt_at = state.wheel.when(message.link);
  if (const auto* extra = state.find_extra(message)) {
    if (extra->progress) task.status.progress = *extra->progress;
    if (extra->declined && message.state != engine::MessageState::leased) {
      task.declined = extra->declined->why;
      task.status.declined_count = extra->declined->count;
    }
    if (extra->history)
      if (auto history = storage_->read_body(extra->history)) task.history = text_of(*history);
  }
  if (auto body = storage_->read_body(message.position)) {
    Cursor in(*body);
    if (const auto name = find_header(in.prefixed(), kTaskHeader)) task.name = *name;
  }
  return task;
}

OwnedBrowse Broker::Impl::browse(const engine::Queue& queue, std::uint32_t limit) {
  constexpr std::uint64_t kMostBytes = 32ull << 20;
  OwnedBrowse answer;
  auto& state = engine_.state();
  for (const auto slot : engine_.browse(queue, limit)) {
    const auto& message = state.messages[slot];
    if (answer.bytes + message.bytes > kMostBytes && !answer.entries.empty()) break;
    auto& entry = answer.entries.emplace_back();
    answer.bytes += sizeof entry + message.bytes;
    entry.queue = queue.name;
    entry.message.id = message.id;
    entry.message.attempts = state.attempts_of(message);
    entry.message.priority = static_cast<std::uint8_t>(message.priority);
    entry.message.task = message.task;
    entry.message.enqueued_at = message.enqueued_at();
    entry.state = "ready";
    if (message.state == engine::MessageState::leased) {
      entry.state = "leased";
      entry.message.deadline = state.leases[message.link].deadline;
    } else if (message.state == engine::MessageState::scheduled) {
      entry.state = "scheduled";
      if (message.link != 0) entry.not_before = state.wheel.when(message.link);
    }
    if (message.group != 0) entry.message.group = state.groups[message.group].name;
    if (const auto* extra = state.find_extra(message)) {
      entry.message.expires_at = extra->expires_at;
      if (extra->history)
        if (auto history = storage_->read_body(extra->history)) entry.history = text_of(*history);
      answer.bytes += entry.history.size();
    }
    if (auto body = storage_->read_body(message.position)) {
      Cursor in(*body);
      entry.headers = text_of(in.prefixed());
      entry.body = text_of(in.rest());
    } else {
      entry.state = "damaged";
    }
  }
  return answer;
}

}  // namespace penstock::broker
