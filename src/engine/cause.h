// Of what an attempt ended.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::engine {

// Why an attempt failed; each is counted, and may be capped, on its own.
enum class Cause : std::uint8_t {
  none,  // it did not fail, or was none
  raised,
  timed_out,
  worker_lost,  // the lease ran out, or its connection ended
  killed,       // by a signal, or it ended its process
  out_of_memory
};
inline constexpr std::size_t kCauses = 5;  // without none
[[nodiscard]] std::string_view name_of(Cause cause);
// Cause::none has no name to find it by.
[[nodiscard]] std::optional<Cause> cause_named(std::string_view name);
inline constexpr std::string_view kCauseNames =
    "raised, timed_out, worker_lost, killed, out_of_memory";

// How many attempts of a message ended so.
class CauseCounts {
 public:
  [[nodiscard]] std::uint16_t of(Cause cause) const {
    return cause == Cause::none ? std::uint16_t{0} : counts_[at(cause)];
  }
  void set(Cause cause, std::uint16_t count) { counts_[at(cause)] = count; }
  void count(Cause cause) {
    if (cause != Cause::none && counts_[at(cause)] < 0xffff) ++counts_[at(cause)];
  }
  [[nodiscard]] bool empty() const { return counts_ == std::array<std::uint16_t, kCauses>{}; }

 private:
  static std::size_t at(Cause cause) { return static_cast<std::size_t>(cause) - 1; }
  std::array<std::uint16_t, kCauses> counts_{};
};

}  // namespace penstock::engine
