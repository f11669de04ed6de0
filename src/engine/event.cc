#include "engine/event.h"

#include <algorithm>

namespace penstock::engine {
namespace {

void put(Encoder& out, Time time) {
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
}

std::uint64_t zigzag(std::uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}
std::uint64_t unzigzag(std::uint64_t value) {
  return (value >> 1) ^ (0 - (value & 1));
}

// A count, then each id as its difference to the one before. Gathered in slices: a list has
// thousands, and to grow the buffer for each costs more than the rest.
void put(Encoder& out, std::span<const MessageId> ids) {
  out.varint(ids.size());
  constexpr std::size_t kSlice = 256;
  for (std::uint64_t last = 0; !ids.empty(); ids = ids.subspan(std::min(kSlice, ids.size()))) {
    ShortEncoder<kSlice * kVarintMost> slice;
    for (const auto id : ids.first(std::min(kSlice, ids.size()))) {
      slice.varint(zigzag(id.value - last));
      last = id.value;
    }
    out.bytes(slice.view());
  }
}
void id_list(Cursor& in, IdList& ids) {
  ids.clear();
  const auto count = in.varint();
  if (count > in.left()) return in.spoil();  // each takes at least a byte
  std::uint64_t last = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    last += unzigzag(in.varint());
    ids.emplace_back(last);
  }
}

template <class Enum>
Enum enumeration(Cursor& in, Enum first, Enum last) {
  const auto value = in.integer<std::uint8_t>();
  if (value < static_cast<std::uint8_t>(first) || value > static_cast<std::uint8_t>(last))
    return in.spoil(), first;
  return static_cast<Enum>(value);
}

enum PublishFlags : std::uint8_t {
  kTask = 1,
  kNotBefore = 2,
  kExpires = 4,
  kPolicy = 8,
  kKey = 16,
  kGroup = 32,
  kHeld = 64,
  kHold = 128,
};

void put(Encoder& out, const KeyHold& hold) {
  out.integer(static_cast<std::uint8_t>(hold.rule)).integer(hold.key.low).integer(hold.key.high);
  put(out, hold.until);
  put(out, hold.since);
  out.varint(hold.most);
}
KeyHold hold(Cursor& in) {
  KeyHold value;
  value.rule = enumeration(in, KeyRule::unique_start, KeyRule::throttle);
  value.key.low = in.integer<std::uint64_t>();
  value.key.high = in.integer<std::uint64_t>();
  value.until = time(in);
  value.since = time(in);
  value.most = in.varint_of<std::uint32_t>();
  const bool counts = value.rule == KeyRule::throttle;
  const bool lasts = value.rule <= KeyRule::unique_done;
  if (!value.key || (value.most > 0) != counts || value.most > kThrottleMost ||
      (value.until == Time{}) != lasts)
    in.spoil();
  return value;
}

void put(Encoder& out, const flow::Backoff& backoff) {
  out.integer(static_cast<std::uint8_t>(backoff.kind))
      .integer(static_cast<std::uint8_t>(backoff.jitter));
  out.varint(static_cast<std::uint64_t>(backoff.base.count()))
      .varint(static_cast<std::uint64_t>(backoff.cap.count()));
}
flow::Backoff backoff(Cursor& in) {
  flow::Backoff value;
  value.kind = enumeration(in, flow::Backoff::Kind::none, flow::Backoff::Kind::exponential);
  value.jitter = in.integer<std::uint8_t>() != 0;
  value.base = time(in).time_since_epoch();
  value.cap = time(in).time_since_epoch();
  return value;
}

}  // namespace

std::string_view name_of(ReturnReason reason) {
  switch (reason) {
    case ReturnReason::nack:
      return "nack";
    case ReturnReason::lease_expired:
      return "lease_expired";
    case ReturnReason::connection_closed:
      return "connection_closed";
    case ReturnReason::given_back:
      return "given_back";
    case ReturnReason::rejected:
      return "rejected";
    case ReturnReason::declined:
      return "declined";
  }
  return "";
}

std::string_view name_of(MoveReason reason) {
  switch (reason) {
    case MoveReason::none:
      return "";
    case MoveReason::max_attempts:
      return "max_attempts";
    case MoveReason::rejected:
      return "rejected";
    case MoveReason::expired:
      return "expired";
    case MoveReason::overflow:
      return "overflow";
    case MoveReason::redriven:
      return "redriven";
    case MoveReason::poisoned:
      return "poisoned";
  }
  return "";
}

namespace {

constexpr std::string_view kNamesOfCauses[] = {"",       "raised",       "timed_out", "worker_lost",
                                               "killed", "out_of_memory"};
static_assert(std::size(kNamesOfCauses) == kCauses + 1);

}  // namespace

std::string_view name_of(Cause cause) {
  return kNamesOfCauses[static_cast<std::size_t>(cause)];
}

std::optional<Cause> cause_named(std::string_view name) {
  const auto found = std::ranges::find(kNamesOfCauses, name);
  if (name.empty() || found == std::end(kNamesOfCauses)) return std::nullopt;
  return static_cast<Cause>(found - std::begin(kNamesOfCauses));
}

std::string_view name_of(TaskState state) {
  switch (state) {
    case TaskState::unknown:
      return "unknown";
    case TaskState::scheduled:
      return "scheduled";
    case TaskState::queued:
      return "queued";
    case TaskState::running:
      return "running";
    case TaskState::retrying:
      return "retrying";
    case TaskState::done:
      return "done";
    case TaskState::failed:
      return "failed";
    case TaskState::cancelled:
      return "cancelled";
    case TaskState::expired:
      return "expired";
    case TaskState::waiting:
      return "waiting";
  }
  return "";
}

void encode_options(Encoder& out, const QueueOptions& options) {
  out.varint(option_fields().size());
  for (const auto& field : option_fields()) out.text(field.name).text(field.get(options));
}
bool decode_options(Cursor& in, QueueOptions& options) {
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    const auto name = in.text();
    const auto value = in.text();
    // An option of a newer version, or a value outside today's range, leaves the default.
    if (in.ok()) (void)set_option(options, name, value).has_value();
  }
  return in.ok();
}

void encode_policy(Encoder& out, const Policy& policy) {
  out.integer(static_cast<std::uint8_t>((policy.max_attempts ? 1 : 0) | (policy.backoff ? 2 : 0) |
                                        (policy.lease ? 4 : 0) | (policy.result_ttl ? 8 : 0)));
  if (policy.max_attempts) out.varint(*policy.max_attempts);
  if (policy.backoff) put(out, *policy.backoff);
  if (policy.lease) out.varint(static_cast<std::uint64_t>(policy.lease->count()));
  if (policy.result_ttl) out.varint(static_cast<std::uint64_t>(policy.result_ttl->count()));
}
bool decode_policy(Cursor& in, Policy& policy) {
  const auto flags = in.integer<std::uint8_t>();
  if (flags & 1) policy.max_attempts = in.varint_of<std::uint32_t>();
  if (flags & 2) policy.backoff = backoff(in);
  if (flags & 4) policy.lease = time(in).time_since_epoch();
  if (flags & 8) policy.result_ttl = time(in).time_since_epoch();
  return in.ok();
}

void encode(Bytes& head, const GenesisEvent& event) {
  Encoder out(head);
  for (const auto word : event.secret) out.integer(word);
}
bool decode(ByteView head, GenesisEvent& event, IdList&) {
  Cursor in(head);
  for (auto& word : event.secret) word = in.integer<std::uint64_t>();
  return in.ok();
}

void encode(Bytes& head, const QueueSetEvent& event) {
  Encoder out(head);
  out.varint(event.id.value).text(event.name);
  encode_options(out, event.options);
}
bool decode(ByteView head, QueueSetEvent& event, IdList&) {
  Cursor in(head);
  event.id = QueueId(in.varint_of<std::uint32_t>());
  event.name = in.text();
  return decode_options(in, event.options);
}

void encode(Bytes& head, const QueueGoneEvent& event) {
  Encoder(head).varint(event.id.value);
}
bool decode(ByteView head, QueueGoneEvent& event, IdList&) {
  Cursor in(head);
  event.id = QueueId(in.varint_of<std::uint32_t>());
  return in.ok();
}

void encode(Bytes& head, const PolicyEvent& event) {
  Encoder out(head);
  out.varint(event.number);
  encode_policy(out, event.policy);
}
bool decode(ByteView head, PolicyEvent& event, IdList&) {
  Cursor in(head);
  event.number = in.varint_of<std::uint16_t>();
  return decode_policy(in, event.policy);
}

void encode(Bytes& head, const PublishEvent& event) {
  Encoder out(head);
  std::uint8_t flags = 0;
  if (event.task) flags |= kTask;
  if (event.not_before != Time{}) flags |= kNotBefore;
  if (event.expires_at != Time{}) flags |= kExpires;
  if (event.policy != 0) flags |= kPolicy;
  if (event.key) flags |= kKey;
  if (!event.group.empty()) flags |= kGroup;
  if (event.held) flags |= kHeld;
  if (event.hold.rule != KeyRule::none) flags |= kHold;
  out.varint(event.id.value).varint(event.queue.value);
  put(out, event.at);
  out.integer(flags).integer(event.priority);
  if (flags & kNotBefore) put(out, event.not_before);
  if (flags & kExpires) put(out, event.expires_at);
  if (flags & kPolicy) out.varint(event.policy);
  if (flags & kKey) {
    out.integer(event.key.low).integer(event.key.high);
    put(out, event.dedup_until);
  }
  if (flags & kGroup) out.text(event.group);
  if (flags & kHold) put(out, event.hold);
}
bool decode(ByteView head, PublishEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.at = time(in);
  const auto flags = in.integer<std::uint8_t>();
  event.priority = in.integer<std::uint8_t>();
  event.task = (flags & kTask) != 0;
  event.held = (flags & kHeld) != 0;
  if (flags & kNotBefore) event.not_before = time(in);
  if (flags & kExpires) event.expires_at = time(in);
  if (flags & kPolicy) event.policy = in.varint_of<std::uint16_t>();
  if (flags & kKey) {
    event.key.low = in.integer<std::uint64_t>();
    event.key.high = in.integer<std::uint64_t>();
    event.dedup_until = time(in);
    if (event.dedup_until == Time{}) in.spoil();  // nobody would ever forget it
  }
  if (flags & kGroup) event.group = in.text();
  if (flags & kHold) event.hold = hold(in);
  return in.ok() && event.id && event.priority <= kPriorityMax;
}

void encode(Bytes& head, const LeaseEvent& event) {
  Encoder out(head);
  out.varint(event.queue.value);
  put(out, event.at);
  put(out, event.deadline);
  out.integer(
      static_cast<std::uint8_t>((event.connection_bound ? 1 : 0) | (event.of_worker ? 2 : 0)));
  put(out, event.ids);
}
bool decode(ByteView head, LeaseEvent& event, IdList& ids) {
  Cursor in(head);
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.at = time(in);
  event.deadline = time(in);
  const auto flags = in.integer<std::uint8_t>();
  event.connection_bound = (flags & 1) != 0;
  event.of_worker = (flags & 2) != 0;
  id_list(in, ids);
  event.ids = ids;
  return in.ok();
}

void encode(Bytes& head, const ExtendEvent& event) {
  Encoder out(head);
  put(out, event.deadline);
  put(out, event.ids);
}
bool decode(ByteView head, ExtendEvent& event, IdList& ids) {
  Cursor in(head);
  event.deadline = time(in);
  id_list(in, ids);
  event.ids = ids;
  return in.ok();
}

void encode(Bytes& head, const GiveBackEvent& event) {
  Encoder out(head);
  out.integer(static_cast<std::uint8_t>(event.reason));
  put(out, event.at);
  put(out, event.due);
  out.integer(static_cast<std::uint8_t>((event.uncounted ? 1 : 0) |
                                        (event.dying != MoveReason::none ? 2 : 0) |
                                        static_cast<unsigned>(event.dying) << 2));
  put(out, event.ids);
  out.integer(static_cast<std::uint8_t>(event.cause));
}
// Older logs say that, and not why.
MoveReason dying_reason(bool dying, unsigned reason) {
  if (!dying) return MoveReason::none;
  return reason >= 1 && reason <= static_cast<unsigned>(MoveReason::poisoned)
             ? static_cast<MoveReason>(reason)
             : MoveReason::max_attempts;
}

bool decode(ByteView head, GiveBackEvent& event, IdList& ids) {
  Cursor in(head);
  event.reason = enumeration(in, ReturnReason::nack, ReturnReason::declined);
  event.at = time(in);
  event.due = time(in);
  const auto flags = in.integer<std::uint8_t>();
  event.uncounted = (flags & 1) != 0;
  event.dying = dying_reason((flags & 2) != 0, flags >> 2);
  id_list(in, ids);
  event.ids = ids;
  // Older logs end here.
  if (in.ok() && !in.finished()) event.cause = enumeration(in, Cause::none, Cause::out_of_memory);
  return in.ok();
}

void encode(Bytes& head, const SettleEvent& event) {
  Encoder out(head);
  out.integer(static_cast<std::uint8_t>(event.reason));
  put(out, event.at);
  put(out, event.ids);
}
bool decode(ByteView head, SettleEvent& event, IdList& ids) {
  Cursor in(head);
  event.reason = enumeration(in, SettleReason::acked, SettleReason::replaced);
  event.at = time(in);
  id_list(in, ids);
  event.ids = ids;
  return in.ok();
}

void encode(Bytes& head, const FinishEvent& event) {
  Encoder out(head);
  out.varint(event.id.value)
      .integer(static_cast<std::uint8_t>(event.state))
      .varint(event.queue.value);
  put(out, event.at);
  put(out, event.enqueued_at);
  put(out, event.started_at);
  put(out, event.expires_at);
  out.varint(event.attempts).integer(static_cast<std::uint8_t>(event.keeps_message));
}
bool decode(ByteView head, FinishEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  event.state = enumeration(in, TaskState::unknown, TaskState::expired);
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.at = time(in);
  event.enqueued_at = time(in);
  event.started_at = time(in);
  event.expires_at = time(in);
  event.attempts = in.varint_of<std::uint32_t>();
  event.keeps_message = in.integer<std::uint8_t>() != 0;
  return in.ok();
}

void encode(Bytes& head, const MoveEvent& event) {
  Encoder out(head);
  out.varint(event.id.value)
      .varint(event.to.value)
      .integer(static_cast<std::uint8_t>(event.reason));
  put(out, event.at);
}
bool decode(ByteView head, MoveEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  event.to = QueueId(in.varint_of<std::uint32_t>());
  event.reason = enumeration(in, MoveReason::max_attempts, MoveReason::poisoned);
  event.at = time(in);
  return in.ok();
}

void encode(Bytes& head, const PurgeEvent& event) {
  Encoder out(head);
  out.varint(event.queue.value);
  put(out, event.at);
}
bool decode(ByteView head, PurgeEvent& event, IdList&) {
  Cursor in(head);
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.at = time(in);
  return in.ok();
}

void encode(Bytes& head, const CancelEvent& event) {
  Encoder(head).varint(event.id.value);
}
bool decode(ByteView head, CancelEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  return in.ok();
}

void encode(Bytes& head, const HistoryEvent& event) {
  Encoder(head).varint(event.id.value);
}
bool decode(ByteView head, HistoryEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  return in.ok();
}

void encode_exchange(Encoder& out, const ExchangeSpec& exchange) {
  out.text(exchange.name).integer(static_cast<std::uint8_t>(exchange.type));
  out.integer(static_cast<std::uint8_t>((exchange.durable ? 1 : 0) |
                                        (exchange.auto_delete ? 2 : 0) |
                                        (exchange.internal ? 4 : 0) | (exchange.delayed ? 8 : 0)));
  out.text(exchange.alternate).text(exchange.hash_on).text(exchange.arguments);
}
bool decode_exchange(Cursor& in, ExchangeSpec& exchange) {
  exchange.name = in.text();
  exchange.type = enumeration(in, ExchangeType::direct, ExchangeType::consistent_hash);
  const auto flags = in.integer<std::uint8_t>();
  exchange.durable = (flags & 1) != 0;
  exchange.auto_delete = (flags & 2) != 0;
  exchange.internal = (flags & 4) != 0;
  exchange.delayed = (flags & 8) != 0;
  exchange.alternate = in.text();
  exchange.hash_on = in.text();
  exchange.arguments = in.text();
  return in.ok();
}

void encode_binding(Encoder& out, const BindingSpec& binding) {
  out.text(binding.source).integer(static_cast<std::uint8_t>(binding.to_exchange));
  out.text(binding.destination).text(binding.key).text(binding.arguments);
  out.integer(static_cast<std::uint8_t>(binding.match)).varint(binding.fields.size());
  for (const auto& field : binding.fields)
    out.text(field.name).text(field.value).integer(static_cast<std::uint8_t>(field.any_value));
}
bool decode_binding(Cursor& in, BindingSpec& binding, std::vector<MatchField>& fields) {
  binding.source = in.text();
  binding.to_exchange = in.integer<std::uint8_t>() != 0;
  binding.destination = in.text();
  binding.key = in.text();
  binding.arguments = in.text();
  binding.match = enumeration(in, HeaderMatch::none, HeaderMatch::any);
  fields.clear();
  for (auto count = in.varint(); count > 0 && in.ok(); --count) {
    auto& field = fields.emplace_back();
    field.name = in.text();
    field.value = in.text();
    field.any_value = in.integer<std::uint8_t>() != 0;
  }
  binding.fields = fields;
  return in.ok();
}

void encode(Bytes& head, const ExchangeSetEvent& event) {
  Encoder out(head);
  encode_exchange(out, event.exchange);
}
bool decode(ByteView head, ExchangeSetEvent& event, IdList&) {
  Cursor in(head);
  return decode_exchange(in, event.exchange);
}

void encode(Bytes& head, const ExchangeGoneEvent& event) {
  Encoder(head).text(event.name);
}
bool decode(ByteView head, ExchangeGoneEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  return in.ok();
}

void encode(Bytes& head, const BoundEvent& event) {
  Encoder out(head);
  encode_binding(out, event.binding);
}
bool decode(ByteView head, BoundEvent& event, IdList&) {
  Cursor in(head);
  return decode_binding(in, event.binding, event.fields);
}

void encode(Bytes& head, const UnboundEvent& event) {
  Encoder out(head);
  BindingSpec identity = event.binding;
  identity.fields = {};
  encode_binding(out, identity);
}
bool decode(ByteView head, UnboundEvent& event, IdList&) {
  Cursor in(head);
  std::vector<MatchField> none;
  const bool decoded = decode_binding(in, event.binding, none);
  event.binding.fields = {};
  return decoded;
}

void encode(Bytes& head, const HostSetEvent& event) {
  Encoder(head).text(event.name);
}
bool decode(ByteView head, HostSetEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  return in.ok();
}

void encode(Bytes& head, const HostGoneEvent& event) {
  Encoder(head).text(event.name);
}
bool decode(ByteView head, HostGoneEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  return in.ok();
}

}  // namespace penstock::engine
