// What the cache of the newest batches has, and what it costs, whatever the batches are like.
#include "journal/tail_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace penstock::journal {
namespace {

class TailCacheTest : public testing::Test {
 protected:
  // One that fills `used` bytes, in so much memory; the next begins so many blocks behind its end.
  std::unique_ptr<Batch> batch(std::uint64_t used, std::uint64_t capacity = 0,
                               std::uint64_t gap = 0) {
    auto made = std::make_unique<Batch>();
    made->buffer.extend(std::max(capacity, used));
    made->begin(LogPosition(next_));
    std::byte* at = made->buffer.extend(round_up(used, kBlock) - kBatchHeaderBytes);
    std::memset(at - kBatchHeaderBytes, fill_, round_up(used, kBlock));
    fill_ = fill_ % 250 + 1;
    made->used = used;
    made->has_bodies = true;
    made->record_count = 1;
    next_ += round_up(used, kBlock) + gap * kBlock;
    return made;
  }
  [[nodiscard]] static bool is_all(ByteView bytes, int fill) {
    return std::ranges::all_of(bytes, [&](std::byte b) { return b == std::byte(fill); });
  }

  std::uint64_t next_ = 64 * kBlock;
  int fill_ = 1;
};

TEST_F(TailCacheTest, has_what_was_added_and_not_what_fills_its_last_block) {
  TailCache cache(1 << 20);
  EXPECT_TRUE(cache.find(LogPosition(next_)).empty());
  for (const std::uint64_t used : {100ull, 5'000ull, 70'000ull}) {
    for (const std::uint64_t capacity : {std::uint64_t{0}, used * 4}) {
      const auto base = next_;
      const auto fill = fill_;
      const bool fits = capacity == 0 && used > kBlock / 2;
      EXPECT_EQ(cache.add(batch(used, capacity, 3)) == nullptr, fits) << used << " " << capacity;
      for (const auto offset : {std::uint64_t{0}, used / 2, used - 1}) {
        const auto found = cache.find(LogPosition(base + offset));
        EXPECT_EQ(found.size(), used - offset) << used << " " << capacity;
        EXPECT_TRUE(is_all(found, fill)) << used << " " << capacity;
      }
      EXPECT_TRUE(cache.find(LogPosition(base - 1)).empty());
      EXPECT_TRUE(cache.find(LogPosition(base + used)).empty());
      EXPECT_TRUE(cache.find(LogPosition(base + round_up(used, kBlock))).empty());
    }
  }
  cache.clear();
  EXPECT_TRUE(cache.find(LogPosition(64 * kBlock)).empty());
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST_F(TailCacheTest, keeps_nothing_of_batches_without_bodies) {
  TailCache cache(1 << 20);
  auto without = batch(100);
  const auto base = without->base;
  without->has_bodies = false;
  EXPECT_NE(cache.add(std::move(without)), nullptr) << "its memory serves the next";
  EXPECT_TRUE(cache.find(base).empty());
  EXPECT_EQ(cache.bytes(), 0u);
}

TEST_F(TailCacheTest, drops_the_batches_that_end_before_a_place_and_no_others) {
  for (const std::uint64_t gap : {0, 5}) {
    TailCache cache(1 << 20);
    EXPECT_EQ(cache.begin(), kNowhereInLog);
    std::vector<LogPosition> bases;
    for (int n = 0; n < 10; ++n) {
      bases.emplace_back(next_);
      (void)cache.add(batch(n % 2 == 0 ? 1'280 : 70'000, 0, gap));
    }
    cache.drop_before(bases[0]);
    EXPECT_EQ(cache.begin(), bases[0]);
    cache.drop_before(LogPosition(bases[4].value + 1'000));
    EXPECT_EQ(cache.begin(), bases[4]) << "its end is behind that";
    for (std::size_t n = 0; n < bases.size(); ++n)
      EXPECT_EQ(cache.find(bases[n]).empty(), n < 4) << n;
    cache.drop_before(bases[9]);
    EXPECT_EQ(cache.begin(), bases[9]);
    EXPECT_GT(cache.bytes(), 70'000u);
    cache.drop_before(kNowhereInLog);
    EXPECT_EQ(cache.begin(), kNowhereInLog);
    EXPECT_EQ(cache.bytes(), 0u);
    const LogPosition next(next_);
    (void)cache.add(batch(1'280));
    EXPECT_EQ(cache.find(next).size(), 1'280u);
  }
}

TEST_F(TailCacheTest, small_batches_take_little_more_than_their_records_however_many_there_were) {
  constexpr std::uint64_t kLimit = 1 << 20, kUsed = 1'280;
  constexpr std::size_t kKept = (kLimit - (128 << 10)) / (kUsed + 128);
  TailCache cache(kLimit);
  for (int life = 0; life < 80; ++life) {
    std::vector<std::uint64_t> bases;
    for (std::size_t n = 0; n < 2 * kKept; ++n) {
      bases.push_back(next_);
      (void)cache.add(batch(kUsed));
      ASSERT_LE(cache.bytes(), kLimit);
      const auto oldest = bases[bases.size() - std::min(bases.size(), kKept)];
      ASSERT_FALSE(cache.find(LogPosition(oldest)).empty())
          << life << " " << n << ": in whole blocks a quarter of them would be here";
      ASSERT_GE(cache.bytes(), std::min(bases.size(), kKept) * kUsed);
    }
    // What cannot be beside the memory that they share ends them all, and is not kept itself.
    (void)cache.add(batch(kLimit - (64 << 10)));
    ASSERT_TRUE(cache.find(LogPosition(bases.back())).empty());
    ASSERT_LE(cache.bytes(), kLimit);
  }
}

// After each of many batches of all kinds, it has the newest of them, and as many as its limit
// lets.
class TailCacheLimits : public TailCacheTest, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(TailCacheLimits, have_the_newest_within_them) {
  const std::uint64_t limit = GetParam();
  std::mt19937 random(7);
  const auto below = [&](std::uint64_t n) { return std::uint64_t{random()} % n; };
  TailCache cache(limit);
  std::map<std::uint64_t, std::pair<std::uint64_t, int>> added;  // by base: how many of which bytes
  for (int n = 0; n < 2'000; ++n) {
    constexpr std::uint64_t kMost[]{300, 5'000, 40'000, 200'000};
    const auto used = kBatchHeaderBytes + 1 + below(kMost[below(n % 100 < 50 ? 1 : 4)]);
    const auto gap = below(50) == 0 ? 1 + below(40'000) : below(3);
    const auto base = next_;
    const auto fill = fill_;
    (void)cache.add(batch(used, below(2) == 0 ? 0 : 300'000, gap));
    added[base] = {used, fill};
    EXPECT_LE(cache.bytes(), limit);
    bool older = false;
    for (auto at = added.rbegin(); at != added.rend(); ++at) {
      const auto [bytes, of] = at->second;
      const auto found = cache.find(LogPosition(at->first));
      ASSERT_FALSE(found.empty() && at == added.rbegin() && bytes < limit / 4) << n;
      if (found.empty()) {
        older = true;
        continue;
      }
      ASSERT_FALSE(older) << n << ": an older one is kept, and a newer one is not";
      ASSERT_EQ(found.size(), bytes) << n;
      ASSERT_TRUE(is_all(found.first(std::min<std::size_t>(bytes, 500)), of)) << n;
    }
    if (added.size() > 300) added.erase(added.begin());
  }
}
// With and without memory that small batches share.
INSTANTIATE_TEST_SUITE_P(Of, TailCacheLimits, testing::Values(256u << 10, 1u << 20, 3u << 20));

}  // namespace
}  // namespace penstock::journal
