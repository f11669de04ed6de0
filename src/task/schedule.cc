#include "task/schedule.h"

#include "base/headers.h"
#include "base/text.h"
#include "flow/zone.h"
#include "penstock/app.hpp"
#include "task/backend.h"
#include "task/core.h"
#include "task/failure.h"

namespace penstock {
namespace detail {

ScheduleStatus schedule_status(const engine::Schedule& schedule) {
  ScheduleStatus made;
  made.name = schedule.name;
  made.when = {std::string(schedule.when), std::string(schedule.zone)};
  made.queue = schedule.queue;
  if (schedule.task) made.task = find_header(as_bytes(schedule.headers), kTaskHeader).value_or("");
  made.missed = static_cast<Missed>(schedule.missed_policy);
  made.overlap = static_cast<Overlap>(schedule.overlap);
  made.paused = schedule.paused;
  made.next_at = moment(schedule.next_due.value_or(Time{}));
  made.last_fired_at = moment(schedule.last_fired_at);
  made.last_id = schedule.last_message.value;
  made.fired = schedule.fired;
  made.passed_by = schedule.missed;
  made.skipped = schedule.skipped;
  made.refused = schedule.refused;
  made.error = schedule.problem.empty() ? schedule.last_error : schedule.problem;
  return made;
}

ScheduleStatus schedule_status(client::Schedule&& from) {
  ScheduleStatus made;
  made.name = std::move(from.name);
  made.when = {std::move(from.when), std::move(from.zone)};
  made.queue = std::move(from.queue);
  made.task = std::move(from.task);
  for (const auto missed : {Missed::skip, Missed::once, Missed::all})
    if (engine::name_of(static_cast<engine::Missed>(missed)) == from.missed) made.missed = missed;
  for (const auto overlap : {Overlap::allow, Overlap::skip, Overlap::queue})
    if (engine::name_of(static_cast<engine::Overlap>(overlap)) == from.overlap)
      made.overlap = overlap;
  made.paused = from.paused;
  made.next_at = moment(from.next_at);
  made.last_fired_at = moment(from.last_fired_at);
  made.last_id = from.last_id.value;
  made.fired = from.fired;
  made.passed_by = from.passed_by;
  made.skipped = from.skipped;
  made.refused = from.refused;
  made.error = std::move(from.error);
  return made;
}

}  // namespace detail

When every(Duration interval) {
  return {"@every " + format_duration(interval), "UTC"};
}
When at(TimePoint time) {
  return {"@at " + flow::utc_text(detail::to_time(time)), "UTC"};
}

void App::unschedule(std::string_view name) {
  detail::value_or_throw(core_->backend().remove_schedule(name));
}
void App::pause_schedule(std::string_view name) {
  detail::value_or_throw(core_->backend().pause_schedule(name, true));
}
void App::resume_schedule(std::string_view name) {
  detail::value_or_throw(core_->backend().pause_schedule(name, false));
}
std::vector<ScheduleStatus> App::schedules() {
  return detail::value_or_throw(core_->backend().schedules());
}
std::uint64_t App::trigger_schedule(std::string_view name) {
  const auto answer = detail::value_or_throw(core_->backend().trigger_schedule(name));
  if (!answer) throw Refused(detail::to_refusal(answer.error()));
  return answer->front().value;
}

}  // namespace penstock
