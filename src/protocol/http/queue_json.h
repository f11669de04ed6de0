// A queue's options and statistics as the API shows them.
#pragma once

#include <span>

#include "engine/statistics.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http {

// A plain count of a queue since the process started, as JSON and /metrics name it.
struct QueueCounter {
  std::string_view name;
  std::string_view help;
  std::uint64_t engine::QueueStatistics::*value;
};
[[nodiscard]] std::span<const QueueCounter> queue_counters();

void write_queue(JsonText& json, const engine::QueueStatistics& queue);

}  // namespace penstock::protocol::http
