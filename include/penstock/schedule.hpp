// When a task is to be submitted again and again, for App::schedule().
//
//   app.schedule("nightly", cron("30 3 * * *", "Europe/Berlin"), report, "daily");
//   app.schedule("tick", every(90s), {.overlap = Overlap::skip}, tick);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "penstock/options.hpp"

namespace penstock {

// docs/concepts/schedules.md says what may stand in `text`; what is wrong with it App::schedule()
// throws.
struct When {
  std::string text;
  std::string zone = "UTC";
};

// A line as in a crontab, of five fields, or six with the seconds in front; "@daily" and the like.
[[nodiscard]] inline When cron(std::string_view line, std::string_view zone = "UTC") {
  return {std::string(line), std::string(zone)};
}
// From when it is put, and at least a second.
[[nodiscard]] When every(Duration interval);
// Once, to the second.
[[nodiscard]] When at(TimePoint time);

// Which fires are made up for that were missed while no server was there: none, the last, or each
// (of more than 1,000, the last 1,000).
enum class Missed : std::uint8_t { skip, once, all };
// What a fire does while the run of the one before has not ended. queue: one waits for it.
enum class Overlap : std::uint8_t { allow, skip, queue };

struct ScheduleOptions {
  Missed missed = Missed::once;
  Overlap overlap = Overlap::allow;
  std::optional<bool> paused = {};  // nothing: as it is
};

}  // namespace penstock
