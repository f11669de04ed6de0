#include "broker/blocked.h"

#include <algorithm>

namespace penstock::broker {

bool BlockedPublishes::hold(SessionId session, Tag tag, const engine::Publish& publish,
                            Time until) {
  std::uint64_t bytes = sizeof(Held);
  for (const auto& message : publish.messages)
    bytes += sizeof message + message.body.size() + message.headers.size() + message.key.size() +
             message.group.size() + message.limit.key.size();
  if (bytes > max_bytes_ - bytes_) return false;
  Held held;
  held.session = session;
  held.tag = tag;
  held.until = until;
  held.bytes = bytes;
  held.arena.reserve(bytes);
  held.messages.assign(publish.messages.begin(), publish.messages.end());
  const auto keep = [&](ByteView view) {
    const auto at = held.arena.size();
    append(held.arena, view);  // never moves: all of it was reserved
    return ByteView(held.arena.data() + at, view.size());
  };
  for (auto& message : held.messages) {
    message.body = keep(message.body);
    message.headers = keep(message.headers);
    message.key = as_text(keep(as_bytes(message.key)));
    message.group = as_text(keep(as_bytes(message.group)));
    message.limit.key = as_text(keep(as_bytes(message.limit.key)));
  }
  bytes_ += bytes;
  queues_[std::string(publish.queue)].push_back(std::move(held));
  return true;
}

BlockedPublishes::Held* BlockedPublishes::first(std::string_view queue) {
  const auto found = queues_.find(std::string(queue));
  return found == queues_.end() ? nullptr : &found->second.front();
}

void BlockedPublishes::pop(std::string_view queue) {
  const auto found = queues_.find(std::string(queue));
  drop(found, found->second.begin());
}

std::optional<std::pair<std::string, BlockedPublishes::Held>> BlockedPublishes::expired(Time now) {
  for (auto queue = queues_.begin(); queue != queues_.end(); ++queue) {
    const auto held =
        std::ranges::find_if(queue->second, [&](const Held& h) { return h.until <= now; });
    if (held == queue->second.end()) continue;
    std::pair result(queue->first, std::move(*held));
    drop(queue, held);
    return result;
  }
  return std::nullopt;
}

void BlockedPublishes::forget(SessionId session) {
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    auto& held = queue->second;
    std::erase_if(held,
                  [&](const Held& h) { return h.session == session && (bytes_ -= h.bytes, true); });
    queue = held.empty() ? queues_.erase(queue) : std::next(queue);
  }
}

Time BlockedPublishes::next() const {
  Time next = Time::max();
  for (const auto& [name, held] : queues_)
    for (const auto& one : held) next = std::min(next, one.until);
  return next;
}

void BlockedPublishes::drop(std::map<std::string, std::deque<Held>>::iterator queue,
                            std::deque<Held>::iterator held) {
  bytes_ -= held->bytes;
  queue->second.erase(held);
  if (queue->second.empty()) queues_.erase(queue);
}

}  // namespace penstock::broker
