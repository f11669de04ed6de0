// Places that come and go, and what is left of them when it is quiet.
#include "engine/slab.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace penstock::engine {
namespace {

using Numbers = Slab<std::uint64_t, 4>;

std::vector<std::uint32_t> take(Numbers& slab, std::uint32_t count) {
  std::vector<std::uint32_t> taken;
  for (std::uint32_t n = 0; n < count; ++n) {
    taken.push_back(slab.take());
    slab[taken.back()] = taken.back();
  }
  return taken;
}

TEST(SlabTest, tidied_gives_back_what_lies_behind_the_last_in_use) {
  Numbers slab;
  const auto taken = take(slab, 1'000);
  const auto most = slab.bytes();
  for (const auto index : taken)
    if (index != 5 && index != 100) slab.give_back(index);
  EXPECT_EQ(slab.end(), 1'001u);
  slab.tidy();
  EXPECT_EQ(slab.end(), 101u);
  EXPECT_LT(slab.bytes(), most / 5);
  EXPECT_EQ(slab[5], 5u);
  EXPECT_EQ(slab[100], 100u);
  EXPECT_FALSE(slab.reaches(101));
}

TEST(SlabTest, tidied_gives_out_from_the_front_and_what_it_gives_is_new) {
  Numbers slab;
  auto taken = take(slab, 40);
  std::ranges::shuffle(taken, std::mt19937(3));
  for (const auto index : taken)
    if (index != 2 && index != 20) slab.give_back(index);
  slab.tidy();
  for (std::uint32_t index = 1; index < 60; ++index) {
    if (index == 2 || index == 20) continue;
    ASSERT_EQ(slab.take(), index);
    EXPECT_EQ(slab[index], 0u) << index;
  }
}

TEST(SlabTest, looks_at_its_places_only_when_many_were_given_back) {
  Numbers slab;
  (void)take(slab, 160);
  for (std::uint32_t index = 141; index <= 160; ++index) slab.give_back(index);
  slab.tidy();
  EXPECT_EQ(slab.end(), 161u) << "an eighth of all, and no more";
  slab.give_back(140);
  slab.tidy();
  EXPECT_EQ(slab.end(), 140u);
}

TEST(SlabTest, keeps_what_is_in_use_whatever_comes_and_goes_and_is_tidied) {
  Numbers slab;
  std::map<std::uint32_t, std::uint64_t> known;
  std::mt19937 random(11);
  for (int step = 0; step < 100'000; ++step) {
    const auto most = step / 10'000 % 2 == 0 ? 2'000u : 30u;
    if (known.size() < random() % most) {
      const auto index = slab.take();
      ASSERT_FALSE(known.contains(index));
      ASSERT_EQ(slab[index], 0u);
      known[index] = slab[index] = random() | 1u;
    } else if (!known.empty()) {
      auto at = known.lower_bound(static_cast<std::uint32_t>(random() % slab.end()));
      if (at == known.end()) at = known.begin();
      ASSERT_EQ(slab[at->first], at->second);
      slab.give_back(at->first);
      known.erase(at);
    }
    if (random() % 100 == 0) slab.tidy();
    ASSERT_EQ(slab.size(), known.size());
  }
  for (const auto& [index, value] : known) EXPECT_EQ(slab[index], value);
}

}  // namespace
}  // namespace penstock::engine
