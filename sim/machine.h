// What a simulated process sees of its machine besides the disk, and how it dies.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/clock.h"

namespace penstock::sim {

class SimClock final : public Clock {
 public:
  Time now() override { return now_; }
  void advance(Duration by) { now_ += by; }
  void set(Time now) { now_ = now; }

 private:
  Time now_ = time_from_micros(1'700'000'000'000'000);
};

// The splitmix64 generator: any seed is as good as any other, and forks don't overlap.
class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// fatal(), or a CHECK that did not hold: thrown through the process that dies of it.
struct ProcessDeath {
  std::string what, why;
};

// While one lives, fatal() throws ProcessDeath. One at a time.
class MortalProcess {
 public:
  MortalProcess() {
    set_fatal_handler([](std::string_view what, std::string_view why) {
      throw ProcessDeath{std::string(what), std::string(why)};
    });
  }
  ~MortalProcess() { set_fatal_handler(nullptr); }
  MortalProcess(const MortalProcess&) = delete;
  MortalProcess& operator=(const MortalProcess&) = delete;
};

// A running hash of all that happened: two runs of one seed must agree.
class Trace {
 public:
  void add(std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x100000001b3;
    hash_ ^= hash_ >> 31;
  }
  void add(std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    add(text.size());
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

  // What happened in words, for a person who looks at one run; `line` is called only then.
  template <class Line>
  void say(const Line& line) {
    if (listener) listener(line());
  }
  std::function<void(const std::string&)> listener;

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace penstock::sim
