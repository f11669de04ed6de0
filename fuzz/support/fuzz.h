// What a fuzz target is made of: one function that states what must hold for any bytes, as CHECKs.
//
// The same target is linked twice: against libFuzzer (make fuzz) and against a program that replays
// the kept inputs (make test).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace penstock::fuzz {

// The target: one file of fuzz/targets defines it. Depends on nothing but `input`.
void fuzz_one(ByteView input);

// Where to cut an input, so that all its ways of arriving are tried: in one piece, byte by byte, or
// in pieces of random sizes. Derived from the input alone, so that a finding can be repeated.
class Cuts {
 public:
  // Different for each `salt`.
  explicit Cuts(ByteView input, std::uint64_t salt = 0);
  // The next piece: at least one byte of the `left` ones.
  [[nodiscard]] std::size_t next(std::size_t left);

 private:
  std::uint64_t state_;
  std::uint64_t largest_;
};

// A digest of what a decoder said, to compare two runs without keeping what it said.
class Digest {
 public:
  Digest& add(std::string_view text);
  Digest& add(std::uint64_t number);
  bool operator==(const Digest&) const = default;

 private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

// Takes an input apart: some bytes for choices, the rest for the decoder.
class Choices {
 public:
  explicit Choices(ByteView input) : rest_(input) {}
  // Below `bound`; 0 when the input is used up.
  [[nodiscard]] std::uint32_t below(std::uint32_t bound);
  // The next piece, with its length in front.
  [[nodiscard]] ByteView piece();
  [[nodiscard]] ByteView rest() const { return rest_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  [[nodiscard]] std::uint32_t byte();
  ByteView rest_;
};

// CHECKs that a text may go into a reply as it is: one line of printable ASCII or UTF-8, no CR, LF
// or NUL, and not longer than an error has reason to be.
void check_line(std::string_view text);

}  // namespace penstock::fuzz
