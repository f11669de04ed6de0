// Streams: messages stay when they were read, in the order in which they came. Each reader has its
// own place; what is forgotten goes from the beginning.
#include <algorithm>

#include "engine/engine.h"

namespace penstock::engine {
namespace {

constexpr std::int64_t kMostAtOnce = 512;

}  // namespace

void Engine::seek(Consumer& consumer, const Queue& queue, const StreamStart& start) const {
  const auto& list = queue.ready[0];
  const auto end = queue.first_offset + queue.ready_count;
  using Kind = StreamStart::Kind;
  auto slot = list.head;
  auto offset = queue.first_offset;
  const auto arrived = [&] {
    switch (start.kind) {
      case Kind::first:
        return true;
      case Kind::last:
        return offset + 1 >= end;
      case Kind::next:
        return false;
      case Kind::offset:
        return offset >= start.offset;
      case Kind::time:
        return state_.messages[slot].enqueued_at() >= start.at;
    }
    return true;
  };
  std::uint32_t before = 0;
  for (; slot != 0 && !arrived(); ++offset) {
    before = slot;
    slot = state_.messages[slot].next;
  }
  consumer.next_offset = offset;
  consumer.last_slot = before;
  consumer.last_id = before == 0 ? MessageId{} : state_.messages[before].id;
  // Beyond the end: what comes before that offset is passed over.
  if (slot == 0 && start.kind == Kind::offset) consumer.skip_until = start.offset;
}

// The message that this reader gets next, or 0. What it had last may have been forgotten, and what
// would come next, too: then it goes on at the beginning.
std::uint32_t Engine::next_of_stream(Consumer& consumer, const Queue& queue) const {
  const auto head = queue.ready[0].head;
  if (consumer.last_slot == 0 || consumer.next_offset <= queue.first_offset) {
    consumer.next_offset = queue.first_offset;
    return head;
  }
  const Message& last = state_.messages[consumer.last_slot];
  if (last.id == consumer.last_id) return last.next;
  consumer.next_offset = queue.first_offset;
  return head;
}

void Engine::serve_stream(Time now, Queue& queue) {
  for (const auto slot : queue.consumers) {
    Consumer& consumer = consumers_[slot];
    for (;;) {
      std::vector<Leased> got;
      const auto most = std::min(consumer.allowance(), kMostAtOnce);
      std::int64_t bytes = 0;
      while (static_cast<std::int64_t>(got.size()) < most && bytes < consumer.bytes) {
        const auto next = next_of_stream(consumer, queue);
        if (next == 0) break;
        const Message& message = state_.messages[next];
        const auto offset = consumer.next_offset++;
        consumer.last_slot = next;
        consumer.last_id = message.id;
        if (offset < consumer.skip_until) continue;
        Leased& leased = got.emplace_back();
        leased.id = message.id;
        leased.position = message.position;
        leased.queue = queue.id;
        leased.bytes = message.bytes;
        leased.enqueued_at = message.enqueued_at();
        leased.offset = offset;
        bytes += message.bytes;
      }
      if (got.empty()) break;
      queue.counters.delivered += got.size();
      consumer.use(static_cast<std::int64_t>(got.size()), bytes);
      answer_take(consumer.session, consumer.tag, std::move(got), 0);
    }
  }
  changed(now, queue);
}

void Engine::trim_stream(Time now, Queue& queue) {
  if (queue.options.max_age.count() == 0) return;
  for (auto head = queue.ready[0].head; head != 0; head = queue.ready[0].head) {
    if (state_.messages[head].enqueued_at() + queue.options.max_age > now) return;
    ++queue.counters.expired;
    end_message(now, head, SettleReason::expired, {});
  }
}

}  // namespace penstock::engine
