#include "wire/resp/packed.h"

namespace penstock::wire::resp {
namespace {

// What else a message's row holds.
constexpr std::uint8_t kOtherQueue = 1;  // than the row before
constexpr std::uint8_t kGroup = 2;
constexpr std::uint8_t kExpires = 4;
constexpr std::uint8_t kKnown = kOtherQueue | kGroup | kExpires;

void add_time(auto& to, Time time) {
  to.varint(static_cast<std::uint64_t>(std::max<std::int64_t>(micros(time), 0)));
}
Time read_time(Cursor& from) {
  constexpr auto kLast = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto us = from.varint();
  if (us > kLast) from.spoil();
  return time_from_micros(static_cast<std::int64_t>(std::min(us, kLast)));
}

void add_lease(auto& to, const PackedLease& lease) {
  to.varint(lease.id.value).varint(lease.delivery).integer(lease.seal).integer(lease.place);
}
// Into where it stays: a copy of what was just written in parts would wait for all of them.
void read_lease(Cursor& from, PackedLease& lease) {
  lease.id = MessageId(from.varint());
  lease.delivery = from.varint_of<std::uint32_t>();
  lease.seal = from.integer<std::uint64_t>();
  lease.place = from.integer<std::uint32_t>();
}

constexpr std::size_t kLeaseMost = 2 * kVarintMost + 12;
constexpr std::size_t kNumbersMost = kLeaseMost + 4 * kVarintMost + 2;

void begin(Bytes& out) {
  Encoder(out).integer(kPackedVersion);
}
// At its rows; bad when they are of another version.
Cursor rows_of(ByteView bytes) {
  Cursor cursor(bytes);
  if (cursor.integer<std::uint8_t>() != kPackedVersion) cursor.spoil();
  return cursor;
}

}  // namespace

MessagePacker::MessagePacker(Bytes& out) : out_(out) {
  begin(out_);
}

void MessagePacker::add(const PackedMessage& message) {
  const bool other_queue = message.queue != queue_;
  const bool expires = message.expires_at != Time{};
  const auto has = (other_queue ? kOtherQueue : 0) | (message.group.empty() ? 0 : kGroup) |
                   (expires ? kExpires : 0);
  ShortEncoder<kNumbersMost> numbers;
  numbers.integer(static_cast<std::uint8_t>(has));
  add_lease(numbers, message.lease);
  numbers.varint(message.attempts).integer(message.priority);
  add_time(numbers, message.enqueued_at);
  add_time(numbers, message.deadline);
  if (expires) add_time(numbers, message.expires_at);
  Encoder to(out_);
  to.bytes(numbers.view());
  if (other_queue) to.text(message.queue);
  if (!message.group.empty()) to.text(message.group);
  to.prefixed(message.headers).prefixed(message.body);
  queue_ = message.queue;
}

MessageReader::MessageReader(ByteView bytes) : rows_(rows_of(bytes)) {}

std::optional<PackedMessage> MessageReader::next() {
  std::optional<PackedMessage> message;
  if (rows_.left() == 0) return message;
  message.emplace();
  const auto has = rows_.integer<std::uint8_t>();
  if ((has & ~kKnown) != 0) rows_.spoil();
  read_lease(rows_, message->lease);
  message->attempts = rows_.varint_of<std::uint32_t>();
  message->priority = rows_.integer<std::uint8_t>();
  message->enqueued_at = read_time(rows_);
  message->deadline = read_time(rows_);
  if ((has & kExpires) != 0) message->expires_at = read_time(rows_);
  if ((has & kOtherQueue) != 0) queue_ = rows_.text();
  if ((has & kGroup) != 0) message->group = rows_.text();
  message->queue = queue_;
  message->headers = rows_.prefixed();
  message->body = rows_.prefixed();
  if (!rows_.ok()) message.reset();
  return message;
}

EndPacker::EndPacker(Bytes& out) : out_(out) {
  begin(out_);
}

void EndPacker::add(const PackedEnd& end) {
  ShortEncoder<kLeaseMost> lease;
  add_lease(lease, end.lease);
  Encoder(out_).bytes(lease.view()).text(end.result);
}

EndReader::EndReader(ByteView bytes) : rows_(rows_of(bytes)) {}

std::optional<PackedEnd> EndReader::next() {
  std::optional<PackedEnd> end;
  if (rows_.left() == 0) return end;
  end.emplace();
  read_lease(rows_, end->lease);
  end->result = rows_.text();
  if (!rows_.ok()) end.reset();
  return end;
}

}  // namespace penstock::wire::resp
