// The table of a queue's groups, beside a map that is known to be right.
#include "engine/group_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

#include "engine/group_ages.h"

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
  EXPECT_EQ(index.guess(index.prefetch("any")), 0u);
}

TEST(GroupIndexTest, scatters_by_its_secret_what_meets_under_another) {
  GroupIndex known({1, 2}), secret({3, 4});
  for (std::uint32_t n = 1; n <= 1'000; ++n) {
    known.insert("customer-" + std::to_string(n), n);
    secret.insert("customer-" + std::to_string(n), n);
  }
  const auto home = known.prefetch("a name");
  std::set<std::size_t> homes;
  int meet = 0;
  for (int n = 0; n < 100'000; ++n) {
    const auto name = "attack-" + std::to_string(n);
    if (known.prefetch(name) != home) continue;
    ++meet;
    homes.insert(secret.prefetch(name));
  }
  EXPECT_GT(meet, 20);
  EXPECT_GT(homes.size(), static_cast<std::size_t>(meet) * 9 / 10);
}

// ---- which of them has waited longest

TEST(GroupAgesTest, know_the_first_message_of_each_group) {
  GroupIndex index;
  index.insert("a", 1);
  index.insert("b", 2);
  std::map<std::uint32_t, MessageId> first = {{1, MessageId(5)}, {2, MessageId(7)}};
  const auto first_of = [&](std::uint32_t group) { return first[group]; };
  GroupAges ages;
  ages.note(MessageId(1), 3);
  EXPECT_TRUE(ages.knows(MessageId(1), 1)) << "nothing is noted yet, all will be looked up";
  EXPECT_EQ(ages.oldest(index, first_of), 1u);
  EXPECT_TRUE(ages.knows(MessageId(5), 1));
  EXPECT_FALSE(ages.knows(MessageId(4), 1)) << "it would be found too late";
  EXPECT_FALSE(ages.knows(MessageId(9), 3));
  first = {{1, MessageId()}, {2, MessageId(8)}};
  ages.note(MessageId(8), 2);
  EXPECT_EQ(ages.oldest(index, first_of), 2u);
  first.clear();
  EXPECT_EQ(ages.oldest(index, first_of), 0u);
}

}  // namespace
}  // namespace penstock::engine
