// What is known already: 64-bit keys and a value each, in a table of fixed size.
//
// A new entry takes the place of an older one that falls together with it, so that what was
// forgotten is found out once more, and nothing else happens. Keys are hashes of all that decides
// the value.
#pragma once

#include <cstdint>
#include <vector>

namespace penstock::sim {

template <class Value>
class Memo {
 public:
  explicit Memo(unsigned bits) : slots_(std::size_t{1} << bits), shift_(64 - bits) {}

  [[nodiscard]] const Value* find(std::uint64_t key) const {
    const Slot& slot = slots_[place(key)];
    return slot.used && slot.key == key ? &slot.value : nullptr;
  }
  void keep(std::uint64_t key, const Value& value) { slots_[place(key)] = {key, value, true}; }

 private:
  struct Slot {
    std::uint64_t key = 0;
    Value value{};
    bool used = false;
  };
  [[nodiscard]] std::size_t place(std::uint64_t key) const {
    return static_cast<std::size_t>(key * 0x9e3779b97f4a7c15 >> shift_);
  }
  std::vector<Slot> slots_;
  unsigned shift_;
};

}  // namespace penstock::sim
