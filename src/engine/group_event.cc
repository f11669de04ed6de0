// Events of groups, to and from bytes.
#include <bit>

#include "engine/event.h"

namespace penstock::engine {
namespace {

enum Flags : std::uint8_t { kRate = 1, kLimit = 2 };

}  // namespace

void encode(Bytes& head, const GroupSetEvent& event) {
  Encoder out(head);
  out.varint(event.queue.value).text(event.name);
  encode_group_setting(out, event.setting);
}
bool decode(ByteView head, GroupSetEvent& event, IdList&) {
  Cursor in(head);
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.name = in.text();
  return decode_group_setting(in, event.setting) && !event.name.empty();
}

void encode(Bytes& head, const GroupGoneEvent& event) {
  Encoder(head).varint(event.queue.value).text(event.name);
}
bool decode(ByteView head, GroupGoneEvent& event, IdList&) {
  Cursor in(head);
  event.queue = QueueId(in.varint_of<std::uint32_t>());
  event.name = in.text();
  return in.ok();
}

void encode_group_setting(Encoder& out, const GroupSetting& setting) {
  out.varint(setting.weight)
      .integer(
          static_cast<std::uint8_t>((setting.rate ? kRate : 0) | (setting.limit ? kLimit : 0)));
  if (setting.rate) out.integer(std::bit_cast<std::uint64_t>(*setting.rate));
  if (setting.limit) out.varint(*setting.limit);
}
bool decode_group_setting(Cursor& in, GroupSetting& setting) {
  setting.weight = in.varint_of<std::uint32_t>();
  const auto flags = in.integer<std::uint8_t>();
  if (flags & kRate) setting.rate = std::bit_cast<double>(in.integer<std::uint64_t>());
  if (flags & kLimit) setting.limit = in.varint_of<std::uint32_t>();
  return in.ok() && flags <= (kRate | kLimit) && setting.weight >= 1 &&
         setting.weight <= kGroupWeightMax &&
         (!setting.rate || (*setting.rate >= 0 && *setting.rate <= kGroupRateMax));
}

}  // namespace penstock::engine
