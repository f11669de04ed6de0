// A queue's options and statistics as the API shows them.
#pragma once

#include "engine/statistics.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http {

void write_queue(JsonText& json, const engine::QueueStatistics& queue);

}  // namespace penstock::protocol::http
