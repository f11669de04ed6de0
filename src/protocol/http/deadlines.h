// When a peer has had time enough to say what it wants. Pure arithmetic over times that are passed
// in.
//
// A request's head is due `head_time` after its first byte, however the bytes drip; a body must
// keep the least rate, after a grace; between requests the peer may be idle. (A peer that does not
// read its answers is the gateway's business.) Threads: one caller at a time.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "protocol/http/settings.h"

namespace penstock::protocol::http {

class Deadlines {
 public:
  enum class Phase : std::uint8_t {
    idle,  // no byte of the next request has come
    head,
    body,
    busy,  // the request is being answered: the broker's time, not the peer's
  };

  Deadlines(const Settings& settings, Time now) : settings_(settings), since_(now) {}

  [[nodiscard]] Phase phase() const { return phase_; }
  // Entering the phase that it is in already changes nothing: a dripped byte buys no time.
  void enter(Phase phase, Time now) {
    if (phase != phase_) restart(phase, now);
  }
  // The same, from now on even when it is in that phase: a request has come and gone.
  void restart(Phase phase, Time now) {
    phase_ = phase;
    since_ = now;
    body_bytes_ = 0;
  }
  void on_body(std::uint64_t bytes) { body_bytes_ += bytes; }

  // When the peer is overdue; Time::max() when nothing is asked of it.
  [[nodiscard]] Time due() const {
    switch (phase_) {
      case Phase::idle:
        return since_ + settings_.idle_time;
      case Phase::head:
        return since_ + settings_.head_time;
      case Phase::body: {
        const auto rate = std::max<std::uint64_t>(settings_.body_bytes_per_second_min, 1);
        return since_ + settings_.body_grace +
               std::chrono::seconds(static_cast<std::int64_t>(body_bytes_ / rate));
      }
      case Phase::busy:
        break;
    }
    return Time::max();
  }

 private:
  const Settings& settings_;
  Phase phase_ = Phase::idle;
  Time since_;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace penstock::protocol::http
