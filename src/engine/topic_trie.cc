#include "engine/topic_trie.h"

#include <algorithm>
#include <set>

namespace penstock::engine {
namespace {

// An empty text has no words.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  if (text.empty()) return words;
  for (;;) {
    const auto dot = text.find('.');
    words.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return words;
    text.remove_prefix(dot + 1);
  }
}

}  // namespace

struct TopicTrie::Search {
  std::vector<std::string_view> words;
  std::vector<const Binding*>& found;
  std::set<std::pair<const Node*, std::size_t>> seen{};  // of nodes behind a `#`
};

void TopicTrie::add(std::string_view pattern, const Binding* binding) {
  Node* node = &root_;
  for (const auto word : split(pattern)) {
    auto& next = node->words[std::string(word)];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  node->ends.push_back(binding);
}

void TopicTrie::remove(std::string_view pattern, const Binding* binding) {
  prune(root_, split(pattern), 0, binding);
}

// True when nothing is left at or behind `node`.
bool TopicTrie::prune(Node& node, const std::vector<std::string_view>& words, std::size_t at,
                      const Binding* binding) {
  if (at == words.size()) {
    std::erase(node.ends, binding);
  } else if (const auto next = node.words.find(words[at]); next != node.words.end()) {
    if (prune(*next->second, words, at + 1, binding)) node.words.erase(next);
  }
  return node.ends.empty() && node.words.empty();
}

void TopicTrie::match(std::string_view key, std::vector<const Binding*>& into) const {
  Search search{split(key), into};
  walk(root_, 0, search);
}

void TopicTrie::walk(const Node& node, std::size_t at, Search& search) {
  if (const auto any = node.words.find("#"); any != node.words.end()) {
    const Node& behind = *any->second;
    for (auto next = at; next <= search.words.size(); ++next)
      if (search.seen.emplace(&behind, next).second) walk(behind, next, search);
  }
  if (at == search.words.size()) {
    search.found.insert(search.found.end(), node.ends.begin(), node.ends.end());
    return;
  }
  const auto word = search.words[at];
  if (word != "#" && word != "*")
    if (const auto same = node.words.find(word); same != node.words.end())
      walk(*same->second, at + 1, search);
  if (const auto one = node.words.find("*"); one != node.words.end())
    walk(*one->second, at + 1, search);
}

}  // namespace penstock::engine
