#include "os/real_clock.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>

#include "base/check.h"
#include "os/clock_discipline.h"

namespace penstock {
namespace {

class RealClock : public Clock {
 public:
  Time now() override {
    using std::chrono::duration_cast;
    const std::scoped_lock guard(mutex_);
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return discipline_.step(duration_cast<std::chrono::nanoseconds>(steady).count(),
                            duration_cast<std::chrono::microseconds>(wall).count());
  }

 private:
  std::mutex mutex_;
  ClockDiscipline discipline_;
};

// xoshiro256** (Blackman and Vigna, 2018).
class RealRandom : public Random {
 public:
  RealRandom() { secure_random(state_.data(), sizeof state_); }
  std::uint64_t next() override {
    const auto rotate = [](std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); };
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t moved = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= moved;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace

std::unique_ptr<Clock> make_real_clock() {
  return std::make_unique<RealClock>();
}
std::unique_ptr<Random> make_real_random() {
  return std::make_unique<RealRandom>();
}

void secure_random(void* into, std::size_t count) {
  auto* at = static_cast<unsigned char*>(into);
  while (count > 0) {
    const auto got = ::getrandom(at, count, 0);
    if (got < 0 && errno == EINTR) continue;
    // Secrets from anything weaker would be worse than none.
    if (got <= 0) fatal("getrandom", std::generic_category().message(errno));
    at += got;
    count -= static_cast<std::size_t>(got);
  }
}

}  // namespace penstock
