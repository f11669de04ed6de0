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

// A schedule, and what became of it.
struct ScheduleStatus {
  std::string name;
  When when;
  std::string queue;
  std::string task;  // its name; empty: it publishes plain messages
  Missed missed = Missed::once;
  Overlap overlap = Overlap::allow;
  bool paused = false;
  std::optional<TimePoint> next_at;        // nothing: it fires no more
  std::optional<TimePoint> last_fired_at;  // nothing: not yet
  std::uint64_t last_id = 0;               // what it submitted then
  std::uint64_t fired = 0;
  std::uint64_t passed_by = 0;  // due times that were missed and not made up for
  std::uint64_t skipped = 0;    // while the run before had not ended
  std::uint64_t refused = 0;    // by a full queue, and tried again
  std::string error;            // the last one
};

}  // namespace penstock
