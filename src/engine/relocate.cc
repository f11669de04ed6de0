// Cleaning: what is still needed of an old segment is written anew at the log's end.
#include "engine/engine.h"

namespace penstock::engine {

Result<bool> Engine::relocate(std::uint8_t kind, ByteView head, LogPosition position) {
  switch (static_cast<EventKind>(kind)) {
    case EventKind::publish:
    case EventKind::relocate: {
      PublishEvent event;
      return decode(head, event, ids_) ? relocate_message(event.id, position) : false;
    }
    case EventKind::finish: {
      FinishEvent event;
      return decode(head, event, ids_) ? relocate_result(event.id, position) : false;
    }
    case EventKind::give_back: {
      GiveBackEvent event;
      if (!decode(head, event, ids_) || ids_.size() != 1) return false;
      return relocate_history(ids_.front(), position);
    }
    case EventKind::move: {
      MoveEvent event;
      return decode(head, event, ids_) ? relocate_history(event.id, position) : false;
    }
    case EventKind::history: {
      HistoryEvent event;
      return decode(head, event, ids_) ? relocate_history(event.id, position) : false;
    }
    default:
      return false;
  }
}

Result<bool> Engine::relocate_message(MessageId id, LogPosition position) {
  const auto slot = state_.find(id);
  if (slot == 0 || state_.messages[slot].position != position) return false;
  const Message& message = state_.messages[slot];
  auto body = storage_->read_body(position);
  if (!body) return fail(body.error());
  const auto* extra = state_.find_extra(message);
  PublishEvent event;
  event.id = id;
  event.queue = state_.queue_at(message.queue).id;
  event.at = message.enqueued_at();
  event.priority = static_cast<std::uint8_t>(message.priority);
  event.task = message.task;
  event.policy = message.policy;
  if (message.state == MessageState::scheduled && message.deliveries == 0 && message.link != 0)
    event.not_before = state_.wheel.when(message.link);
  if (extra != nullptr) event.expires_at = extra->expires_at;
  if (message.group != 0) event.group = state_.groups[message.group].name;
  body_.assign(body->begin(), body->end());
  head_.clear();
  encode(head_, event);
  const auto copy = storage_->append(static_cast<std::uint8_t>(EventKind::relocate), head_, body_);
  state_.relocate(event, copy, static_cast<std::uint32_t>(body_.size()));
  return true;
}

Result<bool> Engine::relocate_result(MessageId id, LogPosition position) {
  const auto slot = state_.find_result(id);
  if (slot == 0 || state_.results[slot].position != position ||
      (state_.results[slot].timer == 0 && !state_.results[slot].pinned))
    return false;
  auto body = storage_->read_body(position);
  if (!body) return fail(body.error());
  body_.assign(body->begin(), body->end());
  const StoredResult& result = state_.results[slot];
  FinishEvent event;
  event.id = id;
  event.state = result.state;
  event.queue = result.queue;
  event.at = result.at;
  event.enqueued_at = result.enqueued_at;
  event.started_at = result.started_at;
  event.expires_at = result.pinned ? result.at : state_.wheel.when(result.timer);
  event.attempts = result.attempts;
  event.keeps_message = true;
  state_.apply(event, write(event, body_), static_cast<std::uint32_t>(body_.size()));
  return true;
}

Result<bool> Engine::relocate_history(MessageId id, LogPosition position) {
  const auto slot = state_.find(id);
  const auto* extra = slot == 0 ? nullptr : state_.find_extra(state_.messages[slot]);
  if (extra == nullptr || extra->history != position) return false;
  auto body = storage_->read_body(position);
  if (!body) return fail(body.error());
  body_.assign(body->begin(), body->end());
  const HistoryEvent event{id};
  state_.apply(event, write(event, body_), static_cast<std::uint32_t>(body_.size()));
  return true;
}

}  // namespace penstock::engine
