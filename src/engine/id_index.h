// From a message's id to its place in the slab.
//
// Ids are given out in order, so neighbours live and die together: 64 of them share a page of 256
// bytes, found through a hash of the page number. A dense queue costs 4 bytes a message and a few
// more bits; a lonely old message among millions of dead ones costs one page.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/ids.h"
#include "engine/slab.h"

namespace penstock::engine {

class IdIndex {
 public:
  [[nodiscard]] std::uint32_t find(MessageId id) const {
    const auto page = page_of(id);
    return page == 0 ? 0 : pages_[page].slots[id.value & kMask];
  }
  // 0: it is not there.
  [[nodiscard]] std::uint32_t page_of(MessageId id) const {
    if (id.value >> kBits == cached_key_ && cached_page_ != 0) return cached_page_;
    const auto found = directory_.find(id.value >> kBits);
    if (found == directory_.end()) return 0;
    cached_key_ = found->first;
    return cached_page_ = found->second;
  }
  // Answers its page's number, which is good until it is erased.
  std::uint32_t insert(MessageId id, std::uint32_t slot) {
    const auto number = need_page(id.value >> kBits);
    Page& page = pages_[number];
    CHECK(page.slots[id.value & kMask] == 0);
    page.slots[id.value & kMask] = slot;
    ++page.used;
    return number;
  }
  void erase(MessageId id) {
    const auto page = page_of(id);
    CHECK(page != 0);
    erase(id, page);
  }
  // Without a search: `number` is what insert() answered.
  void erase(MessageId id, std::uint32_t number) {
    Page& page = pages_[number];
    CHECK(page.slots[id.value & kMask] != 0);
    page.slots[id.value & kMask] = 0;
    if (--page.used > 0) return;
    cached_page_ = 0;
    pages_.give_back(number);
    directory_.erase(id.value >> kBits);
  }
  void tidy() { pages_.tidy(); }
  // It will be erased soon. Of a page 0 nothing is.
  void fetch(MessageId id, std::uint32_t number) const {
    if (number != 0) __builtin_prefetch(&pages_[number].slots[id.value & kMask]);
  }
  [[nodiscard]] std::uint64_t bytes() const {
    return pages_.bytes() + directory_.size() * 32 + directory_.bucket_count() * sizeof(void*);
  }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr std::uint64_t kMask = (1u << kBits) - 1;
  struct Page {
    std::array<std::uint32_t, 1u << kBits> slots{};
    std::uint32_t used = 0;
  };

  std::uint32_t need_page(std::uint64_t key) {
    if (key == cached_key_ && cached_page_ != 0) return cached_page_;
    auto [at, added] = directory_.try_emplace(key, 0u);
    if (added) at->second = pages_.take();
    cached_key_ = key;
    return cached_page_ = at->second;
  }

  Slab<Page, 6> pages_;
  std::unordered_map<std::uint64_t, std::uint32_t> directory_;
  mutable std::uint64_t cached_key_ = 0;
  mutable std::uint32_t cached_page_ = 0;
};

}  // namespace penstock::engine
