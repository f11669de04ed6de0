// The engine's state without what the journal's live records tell by themselves.
//
// Layout: version; counters and secret; policies; queues; idempotency keys; results; for each
// message that is no longer as its publish record says, what it has come to; virtual hosts,
// exchanges and bindings; users and their permissions; workflows and their steps' results;
// schedules; of what attempts of messages failed; keys of unique, debounced and throttled messages;
// what was set for groups.
#include <fmt/format.h>

#include <algorithm>

#include "base/canary.h"
#include "engine/state.h"

namespace penstock::engine {
namespace {

constexpr std::uint64_t kVersion = 2;
constexpr std::uint64_t kVersionBeforeExchanges = 1;
constexpr std::size_t kMaxPolicies = 1u << 16;  // a message names its by 16 bits

// What one takes at most, as long as a time is one of eight bytes and an id one of five. Of a
// message also what names its record and counts what it failed of; a key as often as it weighs.
constexpr std::uint64_t kHeadBytes = 128;  // counters, the secret, how many there are of each
constexpr std::uint64_t kMessageBytes = 64;
constexpr std::uint64_t kResultBytes = 56;
constexpr std::uint64_t kKeyBytes = 48;
constexpr std::uint64_t kNodeBytes = 32;

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

std::uint64_t State::most_entry_bytes() const {
  return kHeadBytes + messages.size() * kMessageBytes + results.size() * kResultBytes +
         key_weight * kKeyBytes + workflows.nodes() * kNodeBytes;
}

std::uint64_t State::encode_checkpoint(Bytes& bytes) const {
  const auto begin = bytes.size();
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
  const auto entries_at = bytes.size();
  encode_keys(out);
  encode_results(out);
  std::uint64_t changed = 0;
  const auto changed_message = [this](const Message& message) {
    return message.state != MessageState::none && message.id.value < kTransientMessage &&
           (!as_published(message, find_extra(message)) || workflows.find_step(message.id) != 0);
  };
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot)
    changed += changed_message(messages[slot]);
  out.varint(changed);
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot) {
    const Message& message = messages[slot];
    if (!changed_message(message)) continue;
    encode_changed(out, message);
  }
  const auto entries = bytes.size() - entries_at;
  encode_topology(out);
  access.encode(out);
  encode_workflows(out);
  schedules.encode(out);
  encode_causes(out);
  encode_limits(out);
  worker_orders.encode(out);
  return bytes.size() - begin - entries;
}

// Of messages that are told of above: they were delivered.
void State::encode_causes(Encoder& out) const {
  const auto has_causes = [this](const Message& message) {
    return message.state != MessageState::none && message.id.value < kTransientMessage &&
           message.extra != 0 && !extras[message.extra].causes.empty() && !CANARY(forget_cause);
  };
  std::uint64_t count = 0;
  for (std::uint32_t slot = 1; slot < messages.end(); ++slot) count += has_causes(messages[slot]);
  out.varint(count);
  for (std::uint32_t slot = 1; count > 0 && slot < messages.end(); ++slot) {
    if (!has_causes(messages[slot])) continue;
    out.varint(messages[slot].id.value);
    for (std::size_t cause = 1; cause <= kCauses; ++cause)
      out.varint(extras[messages[slot].extra].causes.of(static_cast<Cause>(cause)));
  }
}

bool State::restore_causes(Cursor& in) {
  for (auto count = in.varint(); count > 0; --count) {
    const auto change = overrides_.find(in.varint());
    CauseCounts causes;
    for (std::size_t cause = 1; cause <= kCauses; ++cause)
      causes.set(static_cast<Cause>(cause), in.varint_of<std::uint16_t>());
    if (!in.ok() || change == overrides_.end() || causes.empty()) return false;
    if (change->second.deliveries == 0 || !change->second.causes.empty()) return false;
    change->second.causes = causes;
  }
  return in.ok();
}

void State::encode_keys(Encoder& out) const {
  const auto is_kept = [](const DedupEntry& entry) {
    return entry.key && entry.rule == KeyRule::none && entry.queue.value < kTransientQueue &&
           !CANARY(lose_dedup_key);
  };
  std::uint64_t count = 0;
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) count += is_kept(keys[slot]);
  out.varint(count);
  for (std::uint32_t slot = 1; slot < keys.end(); ++slot) {
    const auto& entry = keys[slot];
    if (!is_kept(entry)) continue;
    out.integer(entry.key.low)
        .integer(entry.key.high)
        .varint(entry.id.value)
        .varint(entry.queue.value);
    put(out, entry.until);
  }
}

void State::encode_results(Encoder& out) const {
  std::uint64_t count = 0;
  for (auto slot = results_by_age.head; slot != 0; slot = results[slot].next)
    count += results[slot].id.value < kTransientMessage;
  out.varint(count);
  for (auto slot = results_by_age.head; slot != 0; slot = results[slot].next) {
    const auto& result = results[slot];
    if (result.id.value >= kTransientMessage) continue;
    encode_result(out, result, result.timer == 0 ? result.at : wheel.when(result.timer));
  }
}

void State::encode_result(Encoder& out, const StoredResult& result, Time expires_at) const {
  out.varint(result.id.value)
      .varint(result.position.value)
      .varint(result.bytes)
      .varint(result.attempts);
  out.varint(result.queue.value).integer(static_cast<std::uint8_t>(result.state));
  for (const auto when : {result.at, result.enqueued_at, result.started_at, expires_at})
    put(out, when);
}

void State::encode_changed(Encoder& out, const Message& message) const {
  const Extra none;
  const Extra& extra = message.extra == 0 ? none : extras[message.extra];
  out.varint(message.id.value).integer(static_cast<std::uint8_t>(message.state));
  out.varint(message.deliveries).varint(extra.uncounted);
  out.varint(queues[message.queue]->id.value).varint(extra.origin.value);
  Time due{};
  Time since{};
  bool bound = false, of_worker = false;
  if (message.state == MessageState::leased) {
    due = leases[message.link].deadline;
    since = leases[message.link].since;
    bound = leases[message.link].connection_bound;
    of_worker = leases[message.link].of_worker;
  } else if (message.state == MessageState::scheduled) {
    if (!is_held(message)) due = wheel.when(message.link);
  }
  put(out, due);
  put(out, since);
  put(out, extra.expires_at);
  out.varint(extra.history.value).varint(extra.history_bytes);
  out.integer(static_cast<std::uint8_t>((bound ? 1 : 0) | (message.cancelled ? 2 : 0) |
                                        (message.dying ? 4 : 0) | (message.holds_group ? 8 : 0) |
                                        (extra.moved ? 16 : 0) |
                                        (message.dying   ? static_cast<unsigned>(extra.dying) << 5
                                         : extra.suspect ? 32u | (extra.spared != 0 ? 64u : 0u)
                                                         : 0u) |
                                        (of_worker ? 128u : 0u)));
  if (extra.suspect && extra.spared != 0 && !message.dying) out.integer(extra.spared);
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

bool State::restore_topology(Cursor& in) {
  for (auto count = in.varint(); count > 0; --count) {
    const auto name = in.text();
    if (!in.ok()) return false;
    topology.set_host(name);
  }
  for (auto count = in.varint(); count > 0; --count) {
    ExchangeSpec exchange;
    if (!decode_exchange(in, exchange) || exchange.name.empty() || !exchange.durable) return false;
    if (topology.find(exchange.name) != nullptr) return false;
    topology.set_exchange(exchange);
  }
  for (auto count = in.varint(); count > 0; --count) {
    BindingSpec binding;
    std::vector<MatchField> fields;
    if (!decode_binding(in, binding, fields) || topology.find(binding) != nullptr) return false;
    if (!topology.bind(binding) || !is_durable(*topology.find(binding))) return false;
  }
  for (auto count = in.varint(); count > 0; --count) {
    Queue* queue = find_queue(QueueId(in.varint_of<std::uint32_t>()));
    const auto first = in.varint();
    if (!in.ok() || queue == nullptr || !queue->options.stream) return false;
    queue->first_offset = first;
  }
  return in.ok();
}

// Under a checksum that holds, content that cannot have been written is damage as well: what is
// taken is what is written again.
Result<void> State::restore_checkpoint(ByteView bytes) {
  Cursor in(bytes);
  const auto version = in.varint();
  if (version != kVersion && version != kVersionBeforeExchanges)
    return fail(
        ErrorCode::unsupported,
        fmt::format("the checkpoint has version {}, this build reads {}", version, kVersion),
        "start the newer Penstock that wrote it");
  const auto damaged = [](std::string_view part) {
    return fail(ErrorCode::corrupt, fmt::format("the checkpoint's {} make no sense", part));
  };
  next_message = in.varint();
  next_queue = in.varint_of<std::uint32_t>();
  for (auto& word : secret) word = in.integer<std::uint64_t>();
  if (!in.ok() || next_message == 0 || next_message > kTransientMessage || next_queue == 0 ||
      next_queue > kTransientQueue)
    return damaged("counters");
  policies.clear();
  for (auto count = in.varint(); count > 0; --count)
    if (!decode_policy(in, policies.emplace_back())) return damaged("policies");
  if (policies.empty() || policies.size() > kMaxPolicies) return damaged("policies");
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_queue(in)) return damaged("queues");
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_key(in)) return damaged("idempotency keys");
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_result(in)) return damaged("results");
  for (auto count = in.varint(); count > 0; --count)
    if (!restore_override(in)) return damaged("messages");
  if (version != kVersionBeforeExchanges && !restore_topology(in))
    return damaged("exchanges and bindings");
  // Those that were written before there were users end here.
  if (version != kVersionBeforeExchanges && !in.finished() &&
      (!access.restore(in) || !access.fits(topology.hosts())))
    return damaged("users");
  // And those from before there were workflows here.
  if (version != kVersionBeforeExchanges && !in.finished() && !restore_workflows(in))
    return damaged("workflows");
  for (const auto& [id, change] : overrides_)
    if (change.is_held() && workflows.find_step(MessageId(id)) == 0) return damaged("messages");
  // And here those from before there were schedules.
  if (version != kVersionBeforeExchanges && !in.finished() &&
      (!schedules.restore(in) || !schedules.fit(topology.hosts())))
    return damaged("schedules");
  // And those from before causes were counted.
  if (version != kVersionBeforeExchanges && !in.finished() && !restore_causes(in))
    return damaged("causes of failures");
  // And here those from before keys could be held.
  if (version != kVersionBeforeExchanges && !in.finished() && !restore_limits(in))
    return damaged("limits");
  // And here those from before there were orders to workers.
  if (version != kVersionBeforeExchanges && !in.finished() && !worker_orders.restore(in))
    return damaged("orders to workers");
  if (!in.finished()) return damaged("last bytes");
  return {};
}

bool State::restore_queue(Cursor& in) {
  QueueSetEvent event;
  event.id = QueueId(in.varint_of<std::uint32_t>());
  event.name = in.text();
  if (!decode_options(in, event.options) || event.name.empty()) return false;
  if (!event.id || event.id.value >= next_queue || !event.options.durable) return false;
  if (find_queue(event.id) != nullptr || find_queue(event.name) != nullptr) return false;
  apply(event);
  return true;
}

bool State::restore_key(Cursor& in) {
  KeyHash key;
  key.low = in.integer<std::uint64_t>();
  key.high = in.integer<std::uint64_t>();
  const MessageId id(in.varint());
  const QueueId queue_id(in.varint_of<std::uint32_t>());
  const auto until = time(in);
  if (!in.ok() || !key || find_key(key) != 0) return false;
  // The first ones of this version told of keys of queues in memory, which are gone.
  if (queue_id.value >= kTransientQueue) return true;
  Queue* queue = find_queue(queue_id);
  if (queue == nullptr) return false;
  add_key(key, id, *queue, until);
  return true;
}

bool State::restore_result(Cursor& in) {
  StoredResult result;
  Time expires;
  if (!decode_result(in, result, expires)) return false;
  // As with keys: it lay in the memory of another process.
  if (result.id.value < kTransientMessage) add_result(result, expires);
  return true;
}

bool State::decode_result(Cursor& in, StoredResult& result, Time& expires) const {
  result.id = MessageId(in.varint());
  result.position = LogPosition(in.varint());
  result.bytes = in.varint_of<std::uint32_t>();
  result.attempts = in.varint_of<std::uint32_t>();
  result.queue = QueueId(in.varint_of<std::uint32_t>());
  const auto state = in.integer<std::uint8_t>();
  result.state = static_cast<TaskState>(state);
  result.at = time(in);
  result.enqueued_at = time(in);
  result.started_at = time(in);
  expires = time(in);
  return in.ok() && result.id && find_result(result.id) == 0 &&
         state <= static_cast<std::uint8_t>(TaskState::expired);
}

bool State::restore_override(Cursor& in) {
  const MessageId id(in.varint());
  if (!id || id.value >= next_message) return false;
  const auto [found, is_new] = overrides_.try_emplace(id.value);
  Override& change = found->second;
  const auto state = in.integer<std::uint8_t>();
  change.state = static_cast<MessageState>(state);
  change.deliveries = in.varint_of<std::uint16_t>();
  change.uncounted = in.varint_of<std::uint16_t>();
  change.queue = QueueId(in.varint_of<std::uint32_t>());
  change.origin = QueueId(in.varint_of<std::uint32_t>());
  change.due = time(in);
  change.since = time(in);
  change.expires_at = time(in);
  change.history = LogPosition(in.varint());
  change.history_bytes = in.varint_of<std::uint32_t>();
  const auto flags = in.integer<std::uint8_t>();
  change.connection_bound = (flags & 1) != 0;
  change.cancelled = (flags & 2) != 0;
  change.of_worker = change.state == MessageState::leased && (flags & 128) != 0;
  change.dying = dying_reason((flags & 4) != 0, flags >> 5);
  change.suspect = (flags & 4) == 0 && (flags & 32) != 0;
  if (change.suspect && (flags & 64) != 0) change.spared = in.integer<std::uint8_t>();
  change.holds_group = (flags & 8) != 0;
  change.moved = (flags & 16) != 0;
  if (!in.ok() || !is_new || find_queue(change.queue) == nullptr) return false;
  switch (change.state) {
    case MessageState::ready:
      return change.due == Time{} && change.since == Time{} && !change.connection_bound;
    case MessageState::leased:
      return change.deliveries > 0;  // the present one names the lease
    case MessageState::scheduled:
      return change.since == Time{} && !change.connection_bound;
    default:
      return false;
  }
}

Result<void> State::restore_live(const PublishEvent& published, LogPosition position,
                                 std::uint32_t body_bytes) {
  const auto found = overrides_.find(published.id.value);
  PublishEvent event = published;
  if (published.id.value >= next_message)
    return fail(
        ErrorCode::corrupt,
        fmt::format("message {} at position {} is newer than the checkpoint that tells of it",
                    published.id.value, position.value));
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
  if (change.uncounted != 0 || change.origin || change.history || change.moved ||
      !change.causes.empty()) {
    Extra& extra = extra_of(slot);
    extra.uncounted = change.uncounted;
    extra.causes = change.causes;
    extra.origin = change.origin;
    extra.moved = change.moved;
    extra.history = change.history;
    extra.history_bytes = change.history_bytes;
  }
  if (change.suspect) {
    note_suspect(slot);
    extra_of(slot).spared = change.spared;
  }
  switch (change.state) {
    case MessageState::leased:
      lease(slot, change.since, change.due, change.connection_bound, change.of_worker);
      break;
    case MessageState::scheduled:
      if (!change.is_held())
        place(slot, Time{}, change.due, false);
      else
        hold(slot);
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
  if (!link_keys())
    return fail(ErrorCode::corrupt,
                "the checkpoint tells of a unique key whose message is not there");
  if (const auto id = workflows.step_without(index))
    return fail(ErrorCode::corrupt,
                fmt::format("step {} of a workflow should run, and no segment has it", id.value));
  // Records lie in the order in which they were last written; messages go in the order of their
  // ids.
  std::ranges::sort(restored_ready_, {}, [this](std::uint32_t slot) { return messages[slot].id; });
  for (const auto slot : restored_ready_) put_ready(slot, false);
  restored_ready_ = {};
  return {};
}

}  // namespace penstock::engine
