// Events about orders to workers, to and from bytes.
#include <algorithm>

#include "engine/event.h"

namespace penstock::engine {

void encode(Bytes& head, const WorkerOrderedEvent& event) {
  Encoder out(head);
  out.varint(event.number);
  out.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(event.at), 0)));
  out.integer(static_cast<std::uint8_t>(event.kind)).varint(event.slots);
  out.text(event.name).text(event.queue).text(event.version);
  out.varint(event.targets.size());
  for (const auto id : event.targets) out.integer(id);
}
bool decode(ByteView head, WorkerOrderedEvent& event, IdList&) {
  Cursor in(head);
  event.number = in.varint();
  event.at = time_from_micros(static_cast<std::int64_t>(in.varint() & (~0ull >> 1)));
  const auto kind = in.integer<std::uint8_t>();
  event.kind = static_cast<OrderKind>(kind);
  event.slots = in.varint_of<std::uint32_t>();
  event.name = in.text();
  event.queue = in.text();
  event.version = in.text();
  const auto count = in.varint();
  if (!in.ok() || kind > static_cast<std::uint8_t>(OrderKind::resize) ||
      count > in.left() / sizeof(std::uint64_t))
    return false;
  event.decoded.clear();
  for (std::uint64_t n = 0; n < count; ++n) event.decoded.push_back(in.integer<std::uint64_t>());
  event.targets = event.decoded;
  const bool stops = event.kind == OrderKind::stop;
  const bool resizes = event.kind == OrderKind::resize;
  // Another number follows it.
  return in.ok() && event.number != 0 && event.number < (1ull << 63) && stops == (count > 0) &&
         resizes == (event.slots != 0);
}

void encode(Bytes& head, const WorkerOrderGoneEvent& event) {
  Encoder(head).varint(event.number);
}
bool decode(ByteView head, WorkerOrderGoneEvent& event, IdList&) {
  Cursor in(head);
  event.number = in.varint();
  return in.ok();
}

}  // namespace penstock::engine
