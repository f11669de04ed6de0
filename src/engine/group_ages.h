// Which group's first message has waited longest: asked for each message that goes when a full
// queue drops its oldest.
//
// A heap of what was first in its group. Messages that were delivered meanwhile are found out when
// they come to the top. Nothing is kept before the first question; of a queue that fills more
// groups than it drops messages, all is forgotten now and then, and looked up anew when asked.
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
  // It is the first of its group now.
  void note(MessageId message, std::uint32_t group) {
    if (most_ == 0) return;
    if (heap_.size() == most_) return forget();
    push(message, group);
  }
  // 0: nothing waits in any group. `first` gives a group's first message, 0 where none waits.
  template <class First>
  [[nodiscard]] std::uint32_t oldest(const GroupIndex& groups, const First& first) {
    if (most_ == 0) look_up(groups, first);
    while (!heap_.empty()) {
      const auto [message, group] = heap_.front();
      const MessageId now = first(group);
      if (now == message) return group;
      std::ranges::pop_heap(heap_, std::greater{});
      heap_.pop_back();
      if (message < now) push(now, group);
    }
    return 0;
  }
  // Whether it would be found: this or an older one is noted for the group.
  [[nodiscard]] bool knows(MessageId message, std::uint32_t group) const {
    return most_ == 0 || std::ranges::any_of(heap_, [&](const auto& entry) {
             return entry.second == group && entry.first <= message;
           });
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
