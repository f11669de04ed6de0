// Consumers: messages go out to them as they come, as far as their credit allows.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/engine.h"
#include "engine/names.h"

namespace penstock::engine {
namespace {

// So that a slow reader's credit does not take a whole queue in one go.
constexpr std::int64_t kMostAtOnce = 512;

}  // namespace

std::optional<Error> Engine::consume(Time now, SessionId session, std::uint64_t tag,
                                     const Consume& consume) {
  if (auto allowed = may(Right::read, Resource::queue, consume.queue); !allowed)
    return allowed.error();
  auto found = usable_queue(session, consume.queue);
  if (!found) return found.error();
  Queue& queue = **found;
  const auto name = quoted(split_name(queue.name).name);
  if (queue.has_exclusive_consumer || (consume.exclusive && !queue.consumers.empty()))
    return Error{ErrorCode::denied, fmt::format("queue {} is in exclusive use", name),
                 "end the other consumers first"};
  if (consume.exclusive && queue.options.single_active_consumer)
    return Error{
        ErrorCode::denied,
        fmt::format("queue {} has a single active consumer, and takes no exclusive ones", name),
        {}};
  const auto slot = consumers_.take();
  Consumer& consumer = consumers_[slot];
  consumer.session = session;
  consumer.tag = tag;
  consumer.queue = queue.id;
  consumer.credit = consume.credit;
  consumer.bytes = consume.bytes;
  consumer.priority = consume.priority;
  consumer.exclusive = consume.exclusive;
  if (consume.pool != 0) {
    auto& pool = pools_[{session, consume.pool}];
    ++pool.consumers;
    consumer.pool = &pool;
    consumer.pool_number = consume.pool;
  }
  // A single active consumer is the one that came first.
  const auto lower = [&](std::uint32_t other) {
    return consumers_[other].priority < consumer.priority;
  };
  const auto place = queue.options.single_active_consumer
                         ? queue.consumers.end()
                         : std::ranges::find_if(queue.consumers, lower);
  queue.consumers.insert(place, slot);
  if (queue.options.stream) seek(consumer, queue, consume.start);
  queue.has_exclusive_consumer = consume.exclusive;
  queue.had_consumer = true;
  session_consumers_[session][tag] = slot;
  touch(now, queue);
  state_.mark(queue);
  return std::nullopt;
}

void Engine::add_credit(SessionId session, std::uint64_t tag, std::int64_t credit,
                        std::int64_t bytes) {
  const auto session_at = session_consumers_.find(session);
  if (session_at == session_consumers_.end()) return;
  const auto found = session_at->second.find(tag);
  if (found == session_at->second.end()) return;
  Consumer& consumer = consumers_[found->second];
  consumer.credit += credit;
  consumer.bytes += bytes;
  if (consumer.allowance() > 0)
    if (Queue* queue = state_.find_queue(consumer.queue)) state_.mark(*queue);
}

void Engine::add_pool_credit(SessionId session, std::uint64_t pool, std::int64_t credit) {
  auto& shared = pools_[{session, pool}];
  const bool was_empty = shared.credit <= 0;
  shared.credit += credit;
  if (!was_empty || shared.credit <= 0 || shared.consumers == 0) return;
  const auto consumers = session_consumers_.find(session);
  if (consumers == session_consumers_.end()) return;
  for (const auto& [tag, slot] : consumers->second)
    if (consumers_[slot].pool == &shared && consumers_[slot].allowance() > 0)
      if (Queue* queue = state_.find_queue(consumers_[slot].queue)) state_.mark(*queue);
}

void Engine::forget_pool(SessionId session, std::uint64_t pool) {
  pools_.erase({session, pool});
}

bool Engine::cancel_consumer(Time now, SessionId session, std::uint64_t tag) {
  const auto session_at = session_consumers_.find(session);
  if (session_at == session_consumers_.end()) return false;
  const auto found = session_at->second.find(tag);
  if (found == session_at->second.end()) return false;
  Queue* queue = drop_consumer(now, found->second);
  if (queue != nullptr && queue->options.auto_delete && queue->consumers.empty())
    remove_queue(now, *queue);
  return true;
}

// Its queue, if that is there.
Queue* Engine::drop_consumer(Time now, std::uint32_t slot) {
  const Consumer consumer = std::exchange(consumers_[slot], {});
  consumers_.give_back(slot);
  const auto session_at = session_consumers_.find(consumer.session);
  session_at->second.erase(consumer.tag);
  if (session_at->second.empty()) session_consumers_.erase(session_at);
  if (consumer.pool != nullptr) --consumer.pool->consumers;
  Queue* queue = state_.find_queue(consumer.queue);
  if (queue == nullptr) return nullptr;
  std::erase(queue->consumers, slot);
  if (consumer.exclusive) queue->has_exclusive_consumer = false;
  touch(now, *queue);
  state_.mark(*queue);  // the next one may be the single active consumer now
  return queue;
}

void Engine::end_consumers(Time now, Queue& queue) {
  while (!queue.consumers.empty()) {
    const auto slot = queue.consumers.back();
    effects_.emplace_back(ConsumerEnded{consumers_[slot].session, consumers_[slot].tag});
    drop_consumer(now, slot);
  }
}

// Whose turn it is: of the highest priority that has credit, one after the other. Zero: nobody.
std::uint32_t Engine::next_consumer(Queue& queue, std::uint64_t& sharing) {
  sharing = 0;
  const auto& all = queue.consumers;
  if (all.empty()) return 0;
  if (queue.options.single_active_consumer) {
    sharing = 1;
    return consumers_[all.front()].allowance() > 0 ? all.front() : 0;
  }
  const auto has_credit = [this](std::uint32_t slot) { return consumers_[slot].allowance() > 0; };
  const auto first = std::ranges::find_if(all, has_credit);
  if (first == all.end()) return 0;
  const auto priority = consumers_[*first].priority;
  const auto last = std::find_if(
      first, all.end(), [&](std::uint32_t slot) { return consumers_[slot].priority != priority; });
  sharing = static_cast<std::uint64_t>(std::count_if(first, last, has_credit));
  const auto begin = static_cast<std::size_t>(first - all.begin());
  const auto end = static_cast<std::size_t>(last - all.begin());
  auto at = queue.next_consumer;
  for (std::size_t tries = 0; tries <= end - begin; ++tries, ++at) {
    if (at < begin || at >= end) at = begin;
    if (has_credit(all[at])) {
      queue.next_consumer = at + 1;
      return all[at];
    }
  }
  return 0;
}

bool Engine::serve_consumer(Time now, Queue& queue) {
  std::uint64_t sharing = 0;
  const auto slot = next_consumer(queue, sharing);
  if (slot == 0) return false;
  Consumer& consumer = consumers_[slot];
  WaitingTake take;
  take.session = consumer.session;
  take.connection_bound = take.unlimited = true;
  const auto share = static_cast<std::int64_t>((queue.ready_count + sharing - 1) / sharing);
  take.max = static_cast<std::uint32_t>(
      std::clamp(std::min(consumer.allowance(), share), std::int64_t{1}, kMostAtOnce));
  take.max_bytes = static_cast<std::uint64_t>(consumer.bytes);
  std::vector<Leased> got;
  const auto bytes = collect(now, queue, take, got);
  if (got.empty()) return false;
  consumer.use(static_cast<std::int64_t>(got.size()), static_cast<std::int64_t>(bytes));
  answer_take(consumer.session, consumer.tag, std::move(got), queue.ready_count);
  return true;
}

}  // namespace penstock::engine
