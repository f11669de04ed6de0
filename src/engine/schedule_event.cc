// Events about schedules, to and from bytes.
#include <algorithm>

#include "engine/event.h"

namespace penstock::engine {
namespace {

enum ScheduleFlags : std::uint8_t { kTask = 1, kPaused = 2 };

void put(Encoder& out, Time time) {
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time time(Cursor& in) {
  return time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
}

}  // namespace

void encode(Bytes& head, const ScheduleSetEvent& event) {
  const auto& schedule = event.schedule;
  Encoder out(head);
  out.text(schedule.name).text(schedule.when).text(schedule.zone).text(schedule.queue);
  out.prefixed(schedule.body).prefixed(schedule.headers);
  out.text(schedule.key).text(schedule.group).integer(schedule.priority);
  out.integer(static_cast<std::uint8_t>((schedule.task ? kTask : 0) |
                                        (schedule.paused.value_or(false) ? kPaused : 0)));
  out.integer(static_cast<std::uint8_t>(schedule.missed));
  out.integer(static_cast<std::uint8_t>(schedule.overlap));
  encode_policy(out, schedule.policy);
  put(out, event.since);
  put(out, event.cursor);
}
bool decode(ByteView head, ScheduleSetEvent& event, IdList&) {
  Cursor in(head);
  auto& schedule = event.schedule;
  schedule.name = in.text();
  schedule.when = in.text();
  schedule.zone = in.text();
  schedule.queue = in.text();
  schedule.body = in.prefixed();
  schedule.headers = in.prefixed();
  schedule.key = in.text();
  schedule.group = in.text();
  schedule.priority = in.integer<std::uint8_t>();
  const auto flags = in.integer<std::uint8_t>();
  schedule.task = (flags & kTask) != 0;
  schedule.paused = (flags & kPaused) != 0;
  const auto missed = in.integer<std::uint8_t>();
  const auto overlap = in.integer<std::uint8_t>();
  if (missed > static_cast<std::uint8_t>(Missed::all) ||
      overlap > static_cast<std::uint8_t>(Overlap::queue))
    return false;
  schedule.missed = static_cast<Missed>(missed);
  schedule.overlap = static_cast<Overlap>(overlap);
  if (!decode_policy(in, schedule.policy)) return false;
  event.since = time(in);
  event.cursor = time(in);
  return in.ok();
}

void encode(Bytes& head, const ScheduleGoneEvent& event) {
  Encoder(head).text(event.name);
}
bool decode(ByteView head, ScheduleGoneEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  return in.ok();
}

void encode(Bytes& head, const ScheduleFiredEvent& event) {
  Encoder out(head);
  out.text(event.name);
  for (const auto when : {event.at, event.cursor, event.due}) put(out, when);
  out.varint(event.message.value).varint(event.missed).varint(event.skipped);
  put(out, event.waiting);
}
bool decode(ByteView head, ScheduleFiredEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  event.at = time(in);
  event.cursor = time(in);
  event.due = time(in);
  event.message = MessageId(in.varint());
  event.missed = in.varint();
  event.skipped = in.varint();
  event.waiting = time(in);
  return in.ok();
}

void encode(Bytes& head, const SchedulePausedEvent& event) {
  Encoder out(head);
  out.text(event.name).integer(static_cast<std::uint8_t>(event.paused));
  put(out, event.at);
}
bool decode(ByteView head, SchedulePausedEvent& event, IdList&) {
  Cursor in(head);
  event.name = in.text();
  event.paused = in.integer<std::uint8_t>() != 0;
  event.at = time(in);
  return in.ok();
}

}  // namespace penstock::engine
