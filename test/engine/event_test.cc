// Lists of ids, in the form that they have in the log.
#include "engine/event.h"

#include <gtest/gtest.h>

namespace penstock::engine {
namespace {

// As a settle has them: written, read, and compared; the bytes that they took.
std::size_t written_and_read(const IdList& ids) {
  Bytes head;
  encode(head, SettleEvent{SettleReason::acked, Time{}, ids});
  SettleEvent event;
  IdList read;
  EXPECT_TRUE(decode(head, event, read)) << ids.size() << " ids";
  EXPECT_EQ(read, ids);
  return head.size();
}

TEST(IdLists, of_any_length_come_back) {
  for (const std::size_t size : {0, 1, 2, 255, 256, 257, 511, 512, 513, 4096}) {
    IdList ids;
    for (std::size_t n = 0; n < size; ++n) ids.emplace_back(1'000'000 + n * n);
    written_and_read(ids);
  }
}

TEST(IdLists, that_jump_as_far_as_ids_can_come_back) {
  IdList ids;
  for (std::uint64_t n = 1; n <= 1000; ++n) ids.emplace_back(n % 2 == 0 ? ~0ull - n : n);
  written_and_read(ids);
}

TEST(IdLists, that_count_up_take_a_byte_for_each) {
  IdList ids;
  for (std::uint64_t n = 1; n <= 4096; ++n) ids.emplace_back((1ull << 40) + n);
  EXPECT_LT(written_and_read(ids), 4096u + 20);
}

}  // namespace
}  // namespace penstock::engine
