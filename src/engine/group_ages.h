// Which group's first message has waited longest: asked for each message that goes when a full
// queue drops its oldest.
//
// A heap of what was first in its group. What is not any more is found out when it comes to the
// top. Nothing is kept before the first question; of a queue that fills more groups than it drops
// messages, all is forgotten now and then, and looked up anew when asked.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "engine/group_index.h"
#include "engine/message.h"

namespace penstock::engine {

class GroupAges {
 public:
  [[nodiscard]] bool is_kept() const { return most_ != 0; }
  // It is the first of its group now.
  void note(MessageId message, std::uint32_t group) {
    if (!is_kept()) return;
    if (heap_.size() == most_) return forget();
    push(message, group);
  }
  // 0: nothing waits in any group. `first` gives a group's first message, 0 where none waits.
  template <class First>
  [[nodiscard]] std::uint32_t oldest(const GroupIndex& groups, const First& first) {
    if (most_ == 0) look_up(groups, first);
    while (!heap_.empty() && first(heap_.front().second) != heap_.front().first) {
      std::ranges::pop_heap(heap_, std::greater{});
      heap_.pop_back();
    }
    return heap_.empty() ? 0 : heap_.front().second;
  }
  // Whether it would be found.
  [[nodiscard]] bool knows(MessageId message, std::uint32_t group) const {
    return most_ == 0 || std::ranges::find(heap_, std::pair(message, group)) != heap_.end();
  }

 private:
  static constexpr std::size_t kSpare = 64;

  void push(MessageId message, std::uint32_t group) {
    heap_.emplace_back(message, group);
    std::ranges::push_heap(heap_, std::greater{});
  }
  void forget() {
    heap_ = {};
    most_ = 0;
  }
  template <class First>
  void look_up(const GroupIndex& groups, const First& first) {
    most_ = 2 * groups.size() + kSpare;
    groups.for_each([&](std::uint32_t group) {
      if (const MessageId message = first(group); message != MessageId()) push(message, group);
    });
  }

  std::vector<std::pair<MessageId, std::uint32_t>> heap_;  // the oldest on top
  std::size_t most_ = 0;                                   // 0: nothing is kept
};

}  // namespace penstock::engine
