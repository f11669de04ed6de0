#include "engine/topic_trie.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/topology.h"

namespace penstock::engine {
namespace {

// What the words mean, in the plainest way: a pattern against a key, from the left.
bool matches(std::vector<std::string> pattern, std::vector<std::string> key) {
  if (pattern.empty()) return key.empty();
  const auto first = pattern.front();
  const std::vector rest(pattern.begin() + 1, pattern.end());
  if (first == "#") {
    for (std::size_t skip = 0; skip <= key.size(); ++skip)
      if (matches(rest, {key.begin() + static_cast<std::ptrdiff_t>(skip), key.end()})) return true;
    return false;
  }
  if (key.empty() || (first != "*" && first != key.front())) return false;
  return matches(rest, {key.begin() + 1, key.end()});
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text.append(text.empty() ? "" : ".").append(word);
  return text;
}

std::vector<std::vector<std::string>> all_of(const std::vector<std::string>& alphabet,
                                             std::size_t longest) {
  std::vector<std::vector<std::string>> all{{}};
  for (std::size_t at = 0; at < all.size(); ++at)
    if (all[at].size() < longest)
      for (const auto& word : alphabet) {
        auto more = all[at];
        more.push_back(word);
        all.push_back(more);
      }
  return all;
}

TEST(TopicTrie, MatchesWhatTheWordsMeanForAllShortPatternsAndKeys) {
  const auto patterns = all_of({"a", "b", "*", "#"}, 4);
  std::vector<Binding> bindings(patterns.size());
  TopicTrie trie;
  for (std::size_t n = 0; n < patterns.size(); ++n) trie.add(joined(patterns[n]), &bindings[n]);
  for (const auto& key : all_of({"a", "b", "c"}, 5)) {
    std::vector<const Binding*> found;
    trie.match(joined(key), found);
    for (std::size_t n = 0; n < patterns.size(); ++n) {
      const bool is_found = std::ranges::find(found, &bindings[n]) != found.end();
      EXPECT_EQ(is_found, matches(patterns[n], key)) << joined(patterns[n]) << " " << joined(key);
    }
  }
}

TEST(TopicTrie, ForgetsAPatternAndKeepsItsNeighbours) {
  Binding one, two;
  TopicTrie trie;
  trie.add("a.*.c", &one);
  trie.add("a.*", &two);
  trie.remove("a.*.c", &one);
  std::vector<const Binding*> found;
  trie.match("a.b.c", found);
  EXPECT_TRUE(found.empty());
  trie.match("a.b", found);
  EXPECT_EQ(found, std::vector<const Binding*>{&two});
}

TEST(TopicTrie, ManyHashesTakeNoLongerThanTheirNumber) {
  std::string pattern = "#";
  for (int n = 0; n < 60; ++n) pattern += ".a.#";
  std::string key = "a";
  for (int n = 0; n < 120; ++n) key += ".a";
  Binding binding;
  TopicTrie trie;
  trie.add(pattern + ".b", &binding);
  std::vector<const Binding*> found;
  trie.match(key, found);  // would not end in this life, were every way tried
  EXPECT_TRUE(found.empty());
}

}  // namespace
}  // namespace penstock::engine
