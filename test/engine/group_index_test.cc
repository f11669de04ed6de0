// The table of a queue's groups, beside a map that is known to be right.
#include "engine/group_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace penstock::engine {
namespace {

TEST(GroupIndexTest, FindsWhatAMapFindsWhateverComesAndGoes) {
  GroupIndex::Groups groups;
  GroupIndex index;
  std::map<std::string, std::uint32_t> known;
  std::mt19937 random(7);
  for (int step = 0; step < 200'000; ++step) {
    // Between a few groups and many, so that the table grows, empties and is full of gaps.
    const auto most = step / 20'000 % 2 == 0 ? 3'000u : 12u;
    const auto name = "customer-" + std::to_string(random() % most);
    const auto at = known.find(name);
    ASSERT_EQ(index.find(groups, name), at == known.end() ? 0 : at->second) << name;
    if (at == known.end()) {
      const auto number = groups.take();
      groups[number].name = name;
      index.insert(name, number);
      known.emplace(name, number);
    } else if (random() % 2 == 0) {
      index.erase(name, at->second);
      groups.give_back(at->second);
      known.erase(at);
    }
    ASSERT_EQ(index.size(), known.size());
  }
  for (const auto& [name, number] : known) EXPECT_EQ(index.find(groups, name), number);
  std::size_t told = 0;
  index.for_each([&](std::uint32_t number) { told += known.at(groups[number].name) == number; });
  EXPECT_EQ(told, known.size());
}

TEST(GroupIndexTest, that_is_empty_finds_and_guesses_nothing) {
  const GroupIndex index;
  index.prefetch("any");
  EXPECT_EQ(index.guess("any"), 0u);
}

}  // namespace
}  // namespace penstock::engine
