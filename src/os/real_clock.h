// The machine's clock and randomness behind the interfaces of base/clock.h.
#pragma once

#include <memory>

#include "base/clock.h"

namespace penstock {

// The steady clock, anchored to the wall clock. A wall clock set forward is followed at once; one
// set back is approached by running slower, so that time never goes back. Safe to call from any
// thread.
[[nodiscard]] std::unique_ptr<Clock> make_real_clock();

// Seeded from the kernel, once; fast afterwards. One thread.
[[nodiscard]] std::unique_ptr<Random> make_real_random();

// Fills `into` with bytes fit for secrets.
void secure_random(void* into, std::size_t count);

}  // namespace penstock
