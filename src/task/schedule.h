// What the library says of schedules, from what the engine or a server says.
#pragma once

#include "client/api.h"
#include "engine/schedule.h"
#include "penstock/schedule.hpp"

namespace penstock::detail {

[[nodiscard]] ScheduleStatus schedule_status(const engine::Schedule& schedule);
[[nodiscard]] ScheduleStatus schedule_status(client::Schedule&& schedule);

}  // namespace penstock::detail
