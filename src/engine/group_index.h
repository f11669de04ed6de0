// From a group's name to its slot: what is looked up for each message that comes with one.
//
// Open addressing, 8 bytes a place, at most half of them in use: a lookup touches one place and
// then the group, which has the name. The names are in the slab, so it is given to those calls that
// compare them. Names come from outside, a tenant's from the tenant: they are hashed with a secret,
// or somebody could find names that all meet in one place.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/siphash.h"
#include "engine/message.h"
#include "engine/slab.h"

namespace penstock::engine {

class GroupIndex {
 public:
  using Groups = Slab<Group, 6>;
  struct Secret {
    std::uint64_t low = 0, high = 0;
  };

  GroupIndex() = default;
  explicit GroupIndex(Secret secret) : secret_(secret) {}

  // 0: there is none.
  [[nodiscard]] std::uint32_t find(const Groups& groups, std::string_view name) const {
    if (size_ == 0) return 0;
    const auto hash = hash_of(name);
    for (auto at = home_of(hash); places_[at].group != 0; at = after(at))
      if (places_[at].hash == hash && groups[places_[at].group].name == name)
        return places_[at].group;
    return 0;
  }
  // Where a search for it begins, and, once that is fetched, which group it is likely to be.
  [[nodiscard]] std::size_t prefetch(std::string_view name) const {
    if (size_ == 0) return 0;
    const auto home = home_of(hash_of(name));
    __builtin_prefetch(&places_[home]);
    return home;
  }
  [[nodiscard]] std::uint32_t guess(std::size_t home) const {
    return size_ == 0 ? 0 : places_[home].group;
  }
  // A group that is not in it yet.
  void insert(std::string_view name, std::uint32_t group) {
    if ((size_ + 1) * 2 > places_.size()) grow();
    put({hash_of(name), group});
    ++size_;
  }
  void erase(std::string_view name, std::uint32_t group) {
    auto gap = home_of(hash_of(name));
    while (places_[gap].group != group) gap = after(gap);
    // Those behind it that are not at home move up, so that no search ends too soon.
    for (auto at = after(gap); places_[at].group != 0; at = after(at)) {
      const auto home = home_of(places_[at].hash);
      if (((at - home) & mask()) < ((at - gap) & mask())) continue;
      places_[gap] = places_[at];
      gap = at;
    }
    places_[gap] = {};
    if (--size_ == 0) places_ = {};
  }
  template <class Tell>
  void for_each(const Tell& tell) const {
    for (const auto& place : places_)
      if (place.group != 0) tell(place.group);
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t group = 0;  // 0: free
  };
  static constexpr std::size_t kLeast = 8;

  [[nodiscard]] std::uint32_t hash_of(std::string_view name) const {
    return static_cast<std::uint32_t>(siphash(secret_.low, secret_.high, as_bytes(name)));
  }
  [[nodiscard]] std::size_t mask() const { return places_.size() - 1; }
  [[nodiscard]] std::size_t home_of(std::uint32_t hash) const { return hash & mask(); }
  [[nodiscard]] std::size_t after(std::size_t at) const { return (at + 1) & mask(); }
  void put(Place place) {
    auto at = home_of(place.hash);
    while (places_[at].group != 0) at = after(at);
    places_[at] = place;
  }
  void grow() {
    const auto old = std::exchange(places_, {});
    places_.resize(old.empty() ? kLeast : old.size() * 2);
    for (const auto& place : old)
      if (place.group != 0) put(place);
  }

  Secret secret_;
  std::vector<Place> places_;  // a power of two, or none
  std::size_t size_ = 0;
};

}  // namespace penstock::engine
