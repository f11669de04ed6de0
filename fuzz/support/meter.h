// Counts what a decoder costs: memory through operator new, work through what it touches.
//
// Work is what the C library was asked to search, copy and compare, in bytes; in the fuzzer's build
// also each load of our own code. So "linear" is a count and not a time, and a busy machine changes
// nothing.
#pragma once

#include <cstdint>

namespace penstock::fuzz {

class Meter {
 public:
  Meter();
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  // Above what was allocated when the meter began.
  [[nodiscard]] std::uint64_t peak_bytes() const;
  [[nodiscard]] std::uint64_t allocated_bytes() const;  // in all, whatever was freed again
  [[nodiscard]] std::uint64_t work() const;

  // CHECKs peak_bytes() <= factor * received + constant.
  void check_memory(std::uint64_t received, std::uint64_t factor, std::uint64_t constant) const;

 private:
  std::uint64_t live_;
  std::uint64_t outer_peak_;  // of the meter within which this one counts
  std::uint64_t allocated_;
  std::uint64_t work_;
};

// The work of many calls, without what the target does between them.
class Work {
 public:
  void add(const Meter& call) {
    work_ += call.work();
    ++calls_;
  }
  // CHECKs that it is linear: so much for each byte received and for each call.
  void check(std::uint64_t received, std::uint64_t each_byte, std::uint64_t each_call) const;

 private:
  std::uint64_t work_ = 0;
  std::uint64_t calls_ = 0;
};

}  // namespace penstock::fuzz
