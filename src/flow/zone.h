// A time zone by its name in the IANA database: "Europe/Berlin", "UTC".
//
// GCC 12's <chrono> has no database, so cctz reads the system's (Debian: tzdata). It is the one
// thing in this folder that reads files, and only when a zone is first asked for.
// Threads: any. Lifetime: a zone that was found is kept as long as the process lives.
#pragma once

#include <cctz/time_zone.h>

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::flow {

class Zone {
 public:
  Zone() = default;  // UTC
  // Error::not_found: there is no such zone on this machine.
  [[nodiscard]] static Result<Zone> find(std::string_view name);

  [[nodiscard]] const cctz::time_zone& rules() const { return rules_; }

 private:
  explicit Zone(const cctz::time_zone& rules) : rules_(rules) {}

  cctz::time_zone rules_ = cctz::utc_time_zone();
};

using Seconds = cctz::time_point<cctz::seconds>;

// Of before 1970, too: towards the past.
[[nodiscard]] inline Seconds whole_seconds(Time time) {
  return Seconds(std::chrono::floor<cctz::seconds>(time.time_since_epoch()));
}
[[nodiscard]] inline Time time_of(Seconds seconds) {
  return Time(std::chrono::duration_cast<Duration>(seconds.time_since_epoch()));
}

// RFC 3339, in whole seconds: 2026-12-24T18:00:00Z.
[[nodiscard]] std::string utc_text(Time time);

}  // namespace penstock::flow
