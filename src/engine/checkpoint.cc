// The engine's state without what the journal's live records tell by themselves.
//
// Layout: version; counters and secret; policies; queues; idempotency keys; results; for each
// message that is no longer as its publish record says, what it has come to; virtual hosts,
// exchanges and bindings; users and their permissions.
#include <fmt/format.h>

#include <algorithm>

#include "base/canary.h"
#include "engine/state.h"

namespace penstock::engine {
namespace {

constexpr std::uint64_t kVersion = 2;
constexpr std::uint64_t kVersionBeforeExchanges = 1;

void put(Encoder& out, Time time) {
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
}

// A publish record alone would bring this message back as it is now.
bool as_published(const Message& message, const Extra* extra) {
  if (message.deliveries != 0 || message.cancelled || message.dying || message.holds_group)
    return false;
  if (message.state == MessageState::leased) return false;
  return extra == nullptr || (!extra->history && !extra->moved && extra->uncounted == 0);
}

}  // namespace

void State::encode_checkpoint(Bytes& bytes) const {
  Encoder out(bytes);
  out.varint(kVersion).varint(next_message).varint(next_queue);
  for (const auto word : secret) out.integer(word);
  out.varint(policies.size());
  for (const auto& policy : policies) encode_policy(out, policy);

  const auto is_kept = [](const auto& queue) { return queue && !queue->transient(); };
  out.varint(static_cast<std::uint64_t>(std::ranges::count_if(queues, is_kept)));
  for (const auto& queue : queues) {
    if (!is_kept(queue)) continue;
    out.varint(queue->id.value).text(queue->name);
    encode_options(out, queue->options);
  }
  out.varint(CANARY(lose_dedup_key) ? 0 : keys.size());
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) {
    const auto& entry = keys[slot];
    if (!entry.key || CANARY(lose_dedup_key)) continue;
    out.integer(entry.key.low)
        .integer(entry.key.high)
        .varint(entry.id.value)
        .varint(entry.queue.value);
    put(out, entry.until);
  }
  out.varint(results.size());
  for (auto slot = results_by_age.head; slot != 0; slot = results[slot].next) {
    const auto& result = results[slot];
    out.varint(result.id.value)
        .varint(result.position.value)
        .varint(result.bytes)
        .varint(result.attempts);
    out.varint(result.queue.value).integer(static_cast<std::uint8_t>(result.state));
    for (const auto when : {result.at, result.enqueued_at, result.started_at,
                            result.timer == 0 ? result.at : wheel.when(result.timer)})
      put(out, when);
  }
  std::uint64_t changed = 0;
  const auto changed_message = [this](const Message& message) {
    return message.state != MessageState::none && message.id.value < kTransientMessage &&
           !as_published(message, find_extra(message));
  };
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot)
    changed += changed_message(messages[slot]);
  out.varint(changed);
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot) {
    const Message& message = messages[slot];
    if (!changed_message(message)) continue;
    encode_changed(out, message);
  }
  encode_topology(out);
  access.encode(out);
}

void State::encode_changed(Encoder& out, const Message& message) const {
  const Extra none;
  const Extra& extra = message.extra == 0 ? none : extras[message.extra];
  out.varint(message.id.value).integer(static_cast<std::uint8_t>(message.state));
  out.varint(message.deliveries).varint(extra.uncounted);
  out.varint(queues[message.queue]->id.value).varint(extra.origin.value);
  Time due{};
  Time since{};
  bool bound = false;
  if (message.state == MessageState::leased) {
    due = leases[message.link].deadline;
    since = leases[message.link].since;
    bound = leases[message.link].connection_bound;
  } else if (message.state == MessageState::scheduled) {
    due = wheel.when(message.link);
  }
  put(out, due);
  put(out, since);
  put(out, extra.expires_at);
  out.varint(extra.history.value).varint(extra.history_bytes);
  out.integer(static_cast<std::uint8_t>((bound ? 1 : 0) | (message.cancelled ? 2 : 0) |
                                        (message.dying ? 4 : 0) | (message.holds_group ? 8 : 0) |
                                        (extra.moved ? 16 : 0) |
                                        static_cast<unsigned>(extra.dying) << 5));
}

// What hangs on something that lives in memory only is not kept either.
void State::encode_topology(Encoder& out) const {
  out.varint(topology.hosts().size());
  for (const auto& host : topology.hosts()) out.text(host);
  const auto kept = [](const Exchange& exchange) { return exchange.durable; };
  std::uint64_t exchanges = 0;
  std::vector<const Binding*> bindings;
  for (const auto& [name, exchange] : topology.exchanges()) {
    if (!kept(exchange)) continue;
    exchanges += exchange.predeclared ? 0 : 1;
    for (const auto& [identity, binding] : exchange.bindings)
      if (is_durable(*binding)) bindings.push_back(binding.get());
  }
  out.varint(exchanges);
  for (const auto& [name, exchange] : topology.exchanges())
    if (kept(exchange) && !exchange.predeclared) encode_exchange(out, exchange.spec());
  out.varint(bindings.size());
  for (const auto* binding : bindings) encode_binding(out, binding->spec());
  const auto is_kept_stream = [](const auto& queue) {
    return queue && queue->options.stream && !queue->transient();
  };
  out.varint(static_cast<std::uint64_t>(std::ranges::count_if(queues, is_kept_stream)));
  for (const auto& queue : queues)
    if (is_kept_stream(queue)) out.varint(queue->id.value).varint(queue->first_offset);
}

bool State::is_durable(const Binding& binding) const {
  const auto* source = topology.find(binding.source);
  if (source == nullptr || !source->durable) return false;
  if (binding.to_exchange) {
    const auto* destination = topology.find(binding.destination);
    return destination != nullptr && destination->durable;
  }
  const auto found = queue_names_.find(binding.destination);
  return found != queue_names_.end() && !queues[found->second]->transient();
}

bool State::restore_queues(Cursor& in) {
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    QueueSetEvent event;
    event.id = QueueId(static_cast<std::uint32_t>(in.varint()));
    event.name = in.text();
    if (!decode_options(in, event.options)) return false;
    apply(event);
  }
  return in.ok();
}

bool State::restore_topology(Cursor& in) {
  for (auto count = in.varint(); count > 0 && in.ok(); --count) topology.set_host(in.text());
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    ExchangeSpec exchange;
    if (!decode_exchange(in, exchange)) return false;
    topology.set_exchange(exchange);
  }
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    BindingSpec binding;
    std::vector<MatchField> fields;
    if (!decode_binding(in, binding, fields)) return false;
    topology.bind(binding);
  }
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    Queue* queue = find_queue(QueueId(static_cast<std::uint32_t>(in.varint())));
    const auto first = in.varint();
    if (queue != nullptr) queue->first_offset = first;
  }
  return in.ok();
}

Result<void> State::restore_checkpoint(ByteView bytes) {
  Cursor in(bytes);
  const auto version = in.varint();
  if (version != kVersion && version != kVersionBeforeExchanges)
    return fail(
        ErrorCode::unsupported,
        fmt::format("the checkpoint has version {}, this build reads {}", version, kVersion),
        "start the newer Penstock that wrote it");
  const auto damaged = [] {
    return fail(ErrorCode::corrupt, "the checkpoint's content does not decode");
  };
  next_message = in.varint();
  next_queue = static_cast<std::uint32_t>(in.varint());
  for (auto& word : secret) word = in.integer<std::uint64_t>();
  policies.clear();
  for (auto count = in.varint(); count > 0 && in.ok(); --count)
    if (!decode_policy(in, policies.emplace_back())) return damaged();
  if (policies.empty()) policies.emplace_back();
  if (!restore_queues(in)) return damaged();
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    KeyHash key;
    key.low = in.integer<std::uint64_t>();
    key.high = in.integer<std::uint64_t>();
    const MessageId id(in.varint());
    Queue* queue = find_queue(QueueId(static_cast<std::uint32_t>(in.varint())));
    const auto until = time(in);
    if (queue != nullptr && in.ok()) add_key(key, id, *queue, until);
  }
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    StoredResult result;
    result.id = MessageId(in.varint());
    result.position = LogPosition(in.varint());
    result.bytes = static_cast<std::uint32_t>(in.varint());
    result.attempts = static_cast<std::uint32_t>(in.varint());
    result.queue = QueueId(static_cast<std::uint32_t>(in.varint()));
    result.state = static_cast<TaskState>(in.integer<std::uint8_t>());
    result.at = time(in);
    result.enqueued_at = time(in);
    result.started_at = time(in);
    const auto expires = time(in);
    if (in.ok()) add_result(result, expires);
  }
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    Override& change = overrides_[in.varint()];
    change.state = static_cast<MessageState>(in.integer<std::uint8_t>());
    change.deliveries = static_cast<std::uint16_t>(in.varint());
    change.uncounted = static_cast<std::uint16_t>(in.varint());
    change.queue = QueueId(static_cast<std::uint32_t>(in.varint()));
    change.origin = QueueId(static_cast<std::uint32_t>(in.varint()));
    change.due = time(in);
    change.since = time(in);
    change.expires_at = time(in);
    change.history = LogPosition(in.varint());
    change.history_bytes = static_cast<std::uint32_t>(in.varint());
    const auto flags = in.integer<std::uint8_t>();
    change.connection_bound = (flags & 1) != 0;
    change.cancelled = (flags & 2) != 0;
    change.dying = dying_reason((flags & 4) != 0, flags >> 5);
    change.holds_group = (flags & 8) != 0;
    change.moved = (flags & 16) != 0;
  }
  if (version != kVersionBeforeExchanges && !restore_topology(in)) return damaged();
  // Those that were written before there were users end here.
  if (!in.finished() && !access.restore(in)) return damaged();
  if (!in.finished()) return damaged();
  return {};
}

Result<void> State::restore_live(const PublishEvent& published, LogPosition position,
                                 std::uint32_t body_bytes) {
  const auto found = overrides_.find(published.id.value);
  PublishEvent event = published;
  if (found != overrides_.end()) {
    event.queue = found->second.queue;
    event.expires_at = found->second.expires_at;
  }
  const auto slot = insert(event, position, body_bytes);
  if (slot == 0)
    return fail(ErrorCode::corrupt,
                fmt::format("message {} at position {} is in no queue of the checkpoint, or twice",
                            published.id.value, position.value));
  if (found == overrides_.end()) {
    if (event.not_before > event.at)
      place(slot, event.at, event.not_before, false);
    else
      restored_ready_.push_back(slot);
    return {};
  }
  const Override change = found->second;
  overrides_.erase(found);
  Message& message = messages[slot];
  message.cancelled = change.cancelled;
  message.dying = change.dying != MoveReason::none;
  if (message.dying) extra_of(slot).dying = change.dying;
  if (change.uncounted != 0 || change.origin || change.history || change.moved) {
    Extra& extra = extra_of(slot);
    extra.uncounted = change.uncounted;
    extra.origin = change.origin;
    extra.moved = change.moved;
    extra.history = change.history;
    extra.history_bytes = change.history_bytes;
  }
  switch (change.state) {
    case MessageState::leased:
      lease(slot, change.since, change.due, change.connection_bound);
      break;
    case MessageState::scheduled:
      place(slot, Time{}, change.due, false);
      if (change.holds_group) hold_group(slot, true);
      break;
    default:
      restored_ready_.push_back(slot);
  }
  message.deliveries = change.deliveries;
  return {};
}

Result<void> State::restore_done() {
  if (!overrides_.empty())
    return fail(ErrorCode::corrupt,
                fmt::format("the checkpoint tells of message {}, and no segment has it",
                            overrides_.begin()->first));
  // Records lie in the order in which they were last written; messages go in the order of their
  // ids.
  std::ranges::sort(restored_ready_, {}, [this](std::uint32_t slot) { return messages[slot].id; });
  for (const auto slot : restored_ready_) put_ready(slot, false);
  restored_ready_ = {};
  return {};
}

}  // namespace penstock::engine
