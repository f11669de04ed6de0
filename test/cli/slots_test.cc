#include "cli/worker/slots.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace penstock::cli {
namespace {

std::vector<SharedAttempt> attempts(std::size_t count) {
  std::vector<SharedAttempt> made;
  for (std::size_t n = 0; n < count; ++n) {
    made.push_back(std::make_shared<Attempt>());
    made.back()->task.id = MessageId(n + 1);
  }
  return made;
}

TEST(Slots, WhatFindsNoRoomGoesBack) {
  Slots slots(2);
  EXPECT_EQ(slots.await_room().slots, 2u);
  const auto back = slots.put(attempts(3));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0]->task.id, MessageId(3));
  EXPECT_EQ(slots.used(), 2u);
}

TEST(Slots, AttemptsAreRunInTheOrderInWhichTheyCame) {
  Slots slots(2);
  EXPECT_TRUE(slots.put(attempts(2)).empty());
  const auto first = slots.get();
  EXPECT_EQ(first->task.id, MessageId(1));
  EXPECT_EQ(slots.get()->task.id, MessageId(2));
  EXPECT_EQ(slots.all().size(), 2u);  // until they leave
  slots.leave(first);
  EXPECT_EQ(slots.await_room().slots, 1u);
}

TEST(Slots, ATakeThatWaitsForMoreThanThereIsRoomForIsEnded) {
  Slots slots(4);
  const auto asked = slots.await_room();
  slots.set(6);
  EXPECT_FALSE(asked.less.stop_requested());
  slots.set(3);
  EXPECT_TRUE(asked.less.stop_requested());
  EXPECT_TRUE(slots.put({}).empty());
  const auto again = slots.await_room();
  EXPECT_EQ(again.slots, 3u);
  EXPECT_FALSE(again.less.stop_requested());
}

TEST(Slots, AQuietWorkerKeepsWhatItHasAndTakesNothing) {
  Slots slots(2);
  EXPECT_TRUE(slots.put(attempts(1)).empty());
  const auto asked = slots.await_room();
  slots.set(0);
  EXPECT_TRUE(asked.less.stop_requested());
  EXPECT_EQ(slots.put(attempts(1)).size(), 1u);
  EXPECT_NE(slots.get(), nullptr);
  std::uint32_t room = 0;
  std::thread taker([&] { room = slots.await_room().slots; });
  slots.set(2);
  taker.join();
  EXPECT_EQ(room, 1u);
}

TEST(Slots, EverybodyWhoWaitsHearsOfTheEnd) {
  Slots slots(0);
  std::thread taker([&] { EXPECT_EQ(slots.await_room().slots, 0u); });
  std::thread runner([&] { EXPECT_EQ(slots.get(), nullptr); });
  slots.close();
  taker.join();
  runner.join();
  slots.set(5);
  EXPECT_EQ(slots.await_room().slots, 0u);
  EXPECT_EQ(slots.put(attempts(1)).size(), 1u);
}

TEST(Slots, WhatIsHereIsRunAlthoughNothingMoreComesIn) {
  Slots slots(2);
  const auto asked = slots.await_room();
  EXPECT_TRUE(slots.put(attempts(1)).empty());
  const auto next = slots.await_room();
  slots.close();
  EXPECT_FALSE(asked.less.stop_requested());
  EXPECT_TRUE(next.less.stop_requested());
  EXPECT_NE(slots.get(), nullptr);
  EXPECT_EQ(slots.get(), nullptr);
}

// One takes, three run, and somebody changes his mind all the time about how many there may be.
TEST(Slots, NothingIsLostOrRunTwiceWhateverTheLimitDoes) {
  constexpr std::uint32_t kTasks = 3000, kMost = 8;
  Slots slots(kMost);
  std::vector<std::atomic<int>> runs(kTasks);
  std::atomic<std::uint32_t> most = 0;
  std::thread taker([&] {
    std::uint32_t next = 0;
    while (next < kTasks) {
      const auto room = slots.await_room().slots;
      std::vector<SharedAttempt> batch;
      for (std::uint32_t n = 0; n < room && next + n < kTasks; ++n) {
        batch.push_back(std::make_shared<Attempt>());
        batch.back()->task.id = MessageId(next + n);
      }
      const auto taken = batch.size();
      next += static_cast<std::uint32_t>(taken - slots.put(std::move(batch)).size());
    }
    slots.close();
  });
  std::vector<std::jthread> runners;
  for (int n = 0; n < 3; ++n)
    runners.emplace_back([&] {
      while (const auto attempt = slots.get()) {
        const auto used = slots.used();
        for (auto seen = most.load(); seen < used && !most.compare_exchange_weak(seen, used);) {
        }
        ++runs[attempt->task.id.value];
        slots.leave(attempt);
      }
    });
  for (std::uint32_t n = 0; n < 2000; ++n) slots.set(n % (kMost + 1));
  slots.set(kMost);
  taker.join();
  runners.clear();
  for (const auto& count : runs) EXPECT_EQ(count, 1);
  EXPECT_LE(most, kMost);
  EXPECT_EQ(slots.used(), 0u);
}

}  // namespace
}  // namespace penstock::cli
