#include <gtest/gtest.h>

#include <vector>

#include "base/headers.h"
#include "wire/resp/packed.h"

namespace penstock::wire::resp {
namespace {

PackedMessage message(std::uint64_t id, std::string_view queue, std::string_view body) {
  PackedMessage made;
  made.lease = {MessageId(id), 3, 0xfedcba9876543210, 0x12345678};
  made.attempts = 2;
  made.priority = 9;
  made.enqueued_at = time_from_micros(1'700'000'000'000'001);
  made.deadline = time_from_micros(1'700'000'030'000'002);
  made.queue = queue;
  made.body = as_bytes(body);
  return made;
}

Bytes packed_messages() {
  static const HeaderWriter headers = HeaderWriter().add(kTaskHeader, "resize");
  Bytes rows;
  MessagePacker packer(rows);
  auto first = message(1, "mail", "a");
  first.headers = headers.view();
  first.group = "tenant";
  first.expires_at = time_from_micros(1'800'000'000'000'003);
  packer.add(first);
  packer.add(message(300, "mail", ""));
  packer.add(message(~0ull, "post", "body"));
  return rows;
}

std::vector<PackedMessage> read(ByteView rows, bool* damaged) {
  std::vector<PackedMessage> all;
  MessageReader reader(rows);
  while (auto row = reader.next()) all.push_back(*row);
  *damaged = reader.damaged();
  return all;
}

TEST(RespPacked, MessagesComeBackAsTheyWere) {
  const auto rows = packed_messages();
  bool damaged = true;
  const auto all = read(rows, &damaged);
  EXPECT_FALSE(damaged);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].lease, (PackedLease{MessageId(1), 3, 0xfedcba9876543210, 0x12345678}));
  EXPECT_EQ(all[0].attempts, 2u);
  EXPECT_EQ(all[0].priority, 9u);
  EXPECT_EQ(micros(all[0].enqueued_at), 1'700'000'000'000'001);
  EXPECT_EQ(micros(all[0].deadline), 1'700'000'030'000'002);
  EXPECT_EQ(micros(all[0].expires_at), 1'800'000'000'000'003);
  EXPECT_EQ(all[0].queue, "mail");
  EXPECT_EQ(all[0].group, "tenant");
  EXPECT_EQ(find_header(all[0].headers, kTaskHeader), "resize");
  EXPECT_EQ(as_text(all[0].body), "a");
  EXPECT_EQ(all[1].queue, "mail") << "said by the row before";
  EXPECT_EQ(all[1].expires_at, Time{});
  EXPECT_EQ(all[2].lease.id.value, ~0ull);
  EXPECT_EQ(all[2].queue, "post");
  EXPECT_EQ(as_text(all[2].body), "body");
}

TEST(RespPacked, TheLongestNumbersComeBack) {
  auto longest = message(~0ull, "mail", "a");
  longest.lease.delivery = longest.lease.place = longest.attempts = ~0u;
  longest.priority = 255;
  longest.enqueued_at = longest.deadline = longest.expires_at = Time::max();
  Bytes rows;
  MessagePacker(rows).add(longest);
  bool damaged = true;
  const auto all = read(rows, &damaged);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(damaged);
  EXPECT_EQ(all[0].lease, longest.lease);
  EXPECT_EQ(all[0].attempts, ~0u);
  EXPECT_EQ(all[0].priority, 255);
  EXPECT_EQ(all[0].enqueued_at, Time::max());
  EXPECT_EQ(all[0].deadline, Time::max());
  EXPECT_EQ(all[0].expires_at, Time::max());
  EXPECT_EQ(as_text(all[0].body), "a");
}

TEST(RespPacked, NoMessagesAreNoDamage) {
  Bytes rows;
  (void)MessagePacker(rows);
  bool damaged = true;
  EXPECT_TRUE(read(rows, &damaged).empty());
  EXPECT_FALSE(damaged);
}

TEST(RespPacked, WhatIsCutOffIsDamageUnlessItEndsBehindARow) {
  const auto rows = packed_messages();
  std::size_t whole = 0;
  for (std::size_t size = 0; size < rows.size(); ++size) {
    bool damaged = false;
    (void)read(ByteView(rows).first(size), &damaged);
    whole += damaged ? 0 : 1;
  }
  EXPECT_EQ(whole, 3u) << "behind the version, the first row and the second";
}

TEST(RespPacked, AnotherVersionIsDamage) {
  auto rows = packed_messages();
  rows[0] = std::byte{kPackedVersion + 1};
  bool damaged = false;
  EXPECT_TRUE(read(rows, &damaged).empty());
  EXPECT_TRUE(damaged);
}

TEST(RespPacked, EndsComeBackAsTheyWere) {
  Bytes rows;
  EndPacker packer(rows);
  packer.add({.lease = {MessageId(7), 1, 5, 9}, .result = "[1]"});
  packer.add({.lease = {MessageId(8), 2, 6}, .result = ""});
  EndReader reader(rows);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->lease, (PackedLease{MessageId(7), 1, 5, 9}));
  EXPECT_EQ(first->result, "[1]");
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->lease, (PackedLease{MessageId(8), 2, 6}));
  EXPECT_EQ(second->result, "");
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.damaged());
}

}  // namespace
}  // namespace penstock::wire::resp
