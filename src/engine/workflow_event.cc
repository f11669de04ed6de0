// Events of workflows, to and from bytes.
#include <algorithm>
#include <bitset>

#include "base/canary.h"
#include "engine/event.h"

namespace penstock::engine {
namespace {

constexpr unsigned kTakesInput = 16;
constexpr unsigned kHasTask = 32;

void put(Encoder& out, Time time) {
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
}
Duration duration(Cursor& in) {
  return time(in).time_since_epoch();
}

template <class Event>
bool decode_id_and_time(ByteView head, Event& event) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  event.at = time(in);
  return in.ok() && event.id;
}

}  // namespace

void encode(Bytes& head, const WorkflowSetEvent& event) {
  Encoder out(head);
  out.varint(event.id.value).varint(event.replaces.value);
  put(out, event.at);
  out.integer(static_cast<std::uint8_t>(event.policy));
  out.varint(static_cast<std::uint64_t>(event.ttl.count()))
      .varint(static_cast<std::uint64_t>(event.failed_ttl.count()))
      .varint(event.queue.value)
      .varint(event.nodes)
      .text(event.name);
  if (!event.key || CANARY(lose_workflow_key)) return;
  out.integer(event.key.low).integer(event.key.high);
  put(out, event.key_until);
}
bool decode(ByteView head, WorkflowSetEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  event.replaces = MessageId(in.varint());
  event.at = time(in);
  const auto policy = in.integer<std::uint8_t>();
  event.policy = static_cast<FailurePolicy>(policy);
  event.ttl = duration(in);
  event.failed_ttl = duration(in);
  event.queue = QueueId(static_cast<std::uint32_t>(in.varint()));
  event.nodes = static_cast<std::uint32_t>(in.varint());
  event.name = in.text();
  event.key = {};
  if (in.left() > 0) {
    event.key.low = in.integer<std::uint64_t>();
    event.key.high = in.integer<std::uint64_t>();
    event.key_until = time(in);
    if (!event.key || event.key_until == Time{}) in.spoil();  // nobody would ever forget it
  }
  return in.ok() && event.id && event.nodes > 0 && policy >= 1 &&
         policy <= static_cast<std::uint8_t>(FailurePolicy::collect);
}

void encode(Bytes& head, const WorkflowNodesEvent& event) {
  Encoder out(head);
  put(out, event.at);
  out.varint(event.nodes.size());
  std::uint64_t last = 0;
  std::bitset<kTaskNamesMax + 1> told;
  for (const auto& node : event.nodes) {
    const bool named = node.task != 0 && node.task <= event.tasks.size();
    out.integer(static_cast<std::uint8_t>(
        static_cast<unsigned>(node.kind) | static_cast<unsigned>(node.role) << 2 |
        (node.takes_input ? kTakesInput : 0) | (named ? kHasTask : 0)));
    out.varint(node.children);
    if (node.kind != NodeKind::step) continue;
    out.varint(node.step.value - last)
        .varint(static_cast<std::uint64_t>(node.delay.count() / 1000));
    last = node.step.value;
    if (!named) continue;
    out.integer(node.task);
    if (!told.test(node.task)) out.text(event.tasks[node.task - 1]);
    told.set(node.task);
  }
}
bool decode(ByteView head, WorkflowNodesEvent& event, IdList&) {
  Cursor in(head);
  event.at = time(in);
  const auto count = in.varint();
  if (count > in.left()) return false;
  event.decoded.clear();
  event.tasks.clear();
  event.decoded.reserve(static_cast<std::size_t>(count));
  std::uint64_t last = 0;
  for (std::uint64_t n = 0; n < count && in.ok(); ++n) {
    WorkflowNode& node = event.decoded.emplace_back();
    const auto flags = in.integer<std::uint8_t>();
    node.kind = static_cast<NodeKind>(flags & 3);
    node.role = static_cast<NodeRole>(flags >> 2 & 3);
    node.takes_input = (flags & kTakesInput) != 0;
    node.children = static_cast<std::uint32_t>(in.varint());
    if ((flags & 3) == 0 || (flags >> 2 & 3) == 0) return false;
    if (node.kind != NodeKind::step) continue;
    node.step = MessageId(last += in.varint());
    node.delay = Duration(static_cast<std::int64_t>(in.varint() & 0xffffffff) * 1000);
    if (!node.step) return false;
    if ((flags & kHasTask) == 0) continue;
    node.task = in.integer<std::uint8_t>();
    if (node.task == 0) return false;
    if (event.tasks.size() < node.task) event.tasks.resize(node.task);
    auto& name = event.tasks[node.task - 1];
    if (name.empty()) name = in.text();
    if (name.empty()) return false;
  }
  event.nodes = event.decoded;
  return in.ok();
}

void encode(Bytes& head, const WorkflowCancelledEvent& event) {
  Encoder out(head);
  out.varint(event.id.value);
  put(out, event.at);
}
bool decode(ByteView head, WorkflowCancelledEvent& event, IdList&) {
  return decode_id_and_time(head, event);
}

void encode(Bytes& head, const WorkflowResumedEvent& event) {
  Encoder out(head);
  out.varint(event.id.value);
  put(out, event.at);
}
bool decode(ByteView head, WorkflowResumedEvent& event, IdList&) {
  return decode_id_and_time(head, event);
}

void encode(Bytes& head, const WorkflowGoneEvent& event) {
  Encoder(head).varint(event.id.value);
}
bool decode(ByteView head, WorkflowGoneEvent& event, IdList&) {
  Cursor in(head);
  event.id = MessageId(in.varint());
  return in.ok() && event.id;
}

}  // namespace penstock::engine
