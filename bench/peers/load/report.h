// What the load clients share around a run: how long it lasts, what was counted, what is printed.
//
// Errors: whatever is no success ends the program with exit code 1, saying what was answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::peers {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& why);

[[nodiscard]] inline double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// A whole number, or it gives up.
[[nodiscard]] unsigned long number(const std::string& text);

// Reorders the values.
[[nodiscard]] double percentile(std::vector<double>& values, double p);

// One line of JSON: the rate, the latencies, and what this client itself cost.
void report(std::uint64_t messages, double time, std::vector<double>& latencies_us);

// NAME=VALUE for each option that has a reader; any other word ends the program.
using Readers = std::map<std::string_view, std::function<void(const std::string&)>>;
void read_options(std::span<char*> words, const Readers& readers);

// A blocking connect to the port of 127.0.0.1, with its answers not held back; -1 when nobody
// listens.
[[nodiscard]] int connect_to(std::uint16_t port);
// Waits until something listens on the port of 127.0.0.1.
void wait_for_listener(std::uint16_t port);

// Counts what is answered until the end of the time, and knows when that is.
class Tally {
 public:
  // Ends after `messages`, or after the time when that is 0.
  Tally(std::uint64_t messages, double time)
      : wanted_(messages),
        end_(start_ +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(time))) {}

  // At the moment of the answer: false when it came after the end.
  bool count(std::uint64_t messages, Clock::time_point now) {
    if (over(now)) return false;
    add(messages, now);
    return true;
  }
  // Whenever it came: for who waits until all is answered.
  void add(std::uint64_t messages, Clock::time_point now) {
    done_ += messages;
    last_ = now;
  }
  [[nodiscard]] bool over(Clock::time_point now) const {
    return stopped_ || (wanted_ > 0 ? done_ >= wanted_ : now >= end_);
  }
  void stop() { stopped_ = true; }
  [[nodiscard]] std::uint64_t done() const { return done_; }
  [[nodiscard]] double seconds_taken() const { return seconds(last_ - start_); }
  // Until the end of the time; a minute where messages are counted instead.
  [[nodiscard]] Clock::duration left(Clock::time_point now) const {
    return wanted_ > 0 ? std::chrono::minutes(1) : end_ - now;
  }

 private:
  std::uint64_t wanted_, done_ = 0;
  Clock::time_point start_ = Clock::now(), end_, last_ = start_;
  bool stopped_ = false;
};

}  // namespace penstock::peers
