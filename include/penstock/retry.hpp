// Whether and when a task that threw is tried again: a backoff, and rules by the exception's type.
//
//   penstock::task("fetch", fetch, {.max_attempts = 8,
//                                   .retry = {penstock::on<NetworkError>(exponential(1s, 60s)),
//                                             penstock::retry_after<Throttled>(&Throttled::wait),
//                                             penstock::never<BadInput>()}});
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "penstock/error.hpp"

namespace penstock {

// How long to wait before a failed attempt is repeated.
struct Backoff {
  enum class Kind : std::uint8_t { none, fixed, exponential };
  Kind kind = Kind::exponential;
  Duration base = std::chrono::seconds(1);
  Duration cap = std::chrono::minutes(10);
  // A delay d becomes uniform in [d/2, d], so that retries spread out.
  bool jitter = true;

  [[nodiscard]] constexpr Backoff without_jitter() const {
    Backoff exact = *this;
    exact.jitter = false;
    return exact;
  }
};

// base, 2 base, 4 base ..., at most `cap`.
[[nodiscard]] constexpr Backoff exponential(Duration base,
                                            Duration cap = std::chrono::minutes(10)) {
  return {Backoff::Kind::exponential, base, cap, true};
}
[[nodiscard]] constexpr Backoff fixed(Duration delay) {
  return {Backoff::Kind::fixed, delay, delay, true};
}
[[nodiscard]] constexpr Backoff immediately() {
  return {Backoff::Kind::none, Duration(0), Duration(0), false};
}

// What to do after an exception of one type, or of one derived from it.
//
// The first rule of TaskOptions::retry that fits decides; where none does, TaskOptions::backoff. No
// rule overrules Permanent and RetryAfter. TaskOptions::max_attempts bounds all attempts, whatever
// they died of. The rules are those of the program that runs the task.
struct RetryRule {
  bool (*fits)(const std::exception& thrown) = nullptr;
  // Never again, when there is neither.
  std::optional<Backoff> backoff = {};  // by the number of the attempt
  std::function<Duration(const std::exception& thrown)> delay = {};
  std::uint32_t max_attempts = 0;  // the attempt with this number is the last; 0 = no such limit
};

namespace detail {

template <std::derived_from<std::exception> E>
[[nodiscard]] bool is_a(const std::exception& thrown) {
  return dynamic_cast<const E*>(&thrown) != nullptr;
}

}  // namespace detail

template <std::derived_from<std::exception> E>
[[nodiscard]] RetryRule on(Backoff backoff, std::uint32_t max_attempts = 0) {
  return {.fits = detail::is_a<E>, .backoff = backoff, .max_attempts = max_attempts};
}

// Straight to the dead letters.
template <std::derived_from<std::exception> E>
[[nodiscard]] RetryRule never() {
  return {.fits = detail::is_a<E>};
}

template <std::derived_from<std::exception> E>
[[nodiscard]] RetryRule retry_after(Duration delay, std::uint32_t max_attempts = 0) {
  return {.fits = detail::is_a<E>,
          .delay = [delay](const std::exception&) { return delay; },
          .max_attempts = max_attempts};
}

// What `delay` says of the exception: a member, a member function, or any other callable.
template <std::derived_from<std::exception> E, class Delay>
requires std::invocable<const Delay&, const E&>
[[nodiscard]] RetryRule retry_after(Delay delay, std::uint32_t max_attempts = 0) {
  return {.fits = detail::is_a<E>,
          .delay =
              [delay = std::move(delay)](const std::exception& thrown) {
                return Duration(std::invoke(delay, dynamic_cast<const E&>(thrown)));
              },
          .max_attempts = max_attempts};
}

}  // namespace penstock
