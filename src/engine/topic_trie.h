// Which patterns match a routing key: words between dots, `*` for one word, `#` for any number.
//
// A key is matched against all patterns at once. With `#` in many places the same question comes up
// again and again, so each (node, word) is asked once: time is at most nodes times words.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::engine {

struct Binding;

class TopicTrie {
 public:
  void add(std::string_view pattern, const Binding* binding);
  void remove(std::string_view pattern, const Binding* binding);
  // Appends what matches; a binding may come more than once.
  void match(std::string_view key, std::vector<const Binding*>& into) const;

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> words;
    std::vector<const Binding*> ends;
  };
  struct Search;
  static void walk(const Node& node, std::size_t at, Search& search);
  static bool prune(Node& node, const std::vector<std::string_view>& words, std::size_t at,
                    const Binding* binding);

  Node root_;
};

}  // namespace penstock::engine
