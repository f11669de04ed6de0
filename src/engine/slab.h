// Objects of one type in pages, named by a small number, reused without ever moving.
//
// Index 0 is never given out: it means "none" everywhere. A page that has been taken is kept until
// nothing is in use any more, or until tidy() finds that the last thing in use lies before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"

namespace penstock::engine {

template <class T, unsigned kPageBits = 10>
class Slab {
 public:
  static constexpr std::uint32_t kPageSize = 1u << kPageBits;

  [[nodiscard]] std::uint32_t take() {
    std::uint32_t index;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
      (*this)[index] = T{};
    } else {
      if ((next_ & (kPageSize - 1)) == 0 || pages_.empty())
        pages_.push_back(std::make_unique<T[]>(kPageSize));
      if (next_ == 0) next_ = 1;
      index = next_++;
    }
    ++size_;
    return index;
  }
  void give_back(std::uint32_t index) {
    CHECK(index != 0 && index < next_ && size_ > 0);
    free_.push_back(index);
    ++freed_;
    if (--size_ == 0) shrink();
  }
  // For a moment when there is nothing else to do: from now on what comes lies together again, from
  // the front, and the pages behind the last thing in use are given back. An index that was given
  // back before may be beyond end() then. Takes time by end(), but no more often than an eighth of
  // that was given back since the last time.
  void tidy() {
    if (size_ == 0 || freed_ <= next_ / 8) return;
    freed_ = 0;
    std::vector<bool> is_free(next_);
    for (const auto index : free_) is_free[index] = true;
    const auto before = std::exchange(next_, last_used(is_free) + 1);
    pages_.resize((next_ + kPageSize - 1) >> kPageBits);
    for (auto index = next_; index < std::min(before, page_end()); ++index) (*this)[index] = T{};
    std::erase_if(free_, [this](std::uint32_t index) { return index >= next_; });
    free_.shrink_to_fit();
    std::size_t n = free_.size();
    for (std::uint32_t index = 1; index < next_; ++index)
      if (is_free[index]) free_[--n] = index;
  }
  [[nodiscard]] T& operator[](std::uint32_t index) {
    return pages_[index >> kPageBits][index & (kPageSize - 1)];
  }
  [[nodiscard]] const T& operator[](std::uint32_t index) const {
    return pages_[index >> kPageBits][index & (kPageSize - 1)];
  }
  // It will be looked at soon. One that is not there does no harm.
  void fetch(std::uint32_t index) const {
    static_assert(sizeof(T) <= 2 * kCacheLine);
    if (index >= next_) return;
    const auto* bytes = reinterpret_cast<const char*>(&(*this)[index]);
    __builtin_prefetch(bytes);
    if constexpr (alignof(T) < kCacheLine || sizeof(T) > kCacheLine)
      __builtin_prefetch(bytes + sizeof(T) - 1);
  }
  // Only its first cache line will be.
  void fetch_head(std::uint32_t index) const {
    if (index < next_) __builtin_prefetch(&(*this)[index]);
  }
  // Whether it was ever given out, as far as that is still known.
  [[nodiscard]] bool reaches(std::uint32_t index) const { return index < next_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t end() const { return next_; }  // one past the highest index given out
  [[nodiscard]] std::uint64_t bytes() const {
    return pages_.size() * sizeof(T) * kPageSize + free_.capacity() * sizeof(std::uint32_t);
  }

 private:
  static constexpr std::size_t kCacheLine = 64;

  [[nodiscard]] std::uint32_t page_end() const {
    return static_cast<std::uint32_t>(pages_.size()) << kPageBits;
  }
  [[nodiscard]] std::uint32_t last_used(const std::vector<bool>& is_free) const {
    auto last = next_ - 1;
    while (is_free[last]) --last;
    return last;
  }
  // Nothing is in use: give back all but one page.
  void shrink() {
    freed_ = 0;
    if (pages_.size() <= 1) return;
    pages_.resize(1);
    free_ = {};
    next_ = 1;
    for (std::uint32_t i = 0; i < kPageSize; ++i) pages_[0][i] = T{};
  }

  std::vector<std::unique_ptr<T[]>> pages_;
  std::vector<std::uint32_t> free_;
  std::uint32_t next_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t freed_ = 0;  // since tidy()
};

}  // namespace penstock::engine
