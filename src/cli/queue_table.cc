#include "cli/queue_table.h"

#include <fmt/format.h>

#include "cli/format.h"

namespace penstock::cli {

Table queue_table(std::span<const client::QueueStatistics> queues) {
  constexpr Align kRight = Align::right;
  Table table({{"QUEUE", Align::left, true},
               {"READY", kRight},
               {"LEASED", kRight},
               {"LATER", kRight},
               {"L", kRight},
               {"λ", kRight},
               {"μ", kRight},
               {"W", kRight},
               {"PREDICTED", kRight},
               {"OLDEST", kRight},
               {"REFUSED", kRight}});
  for (const auto& queue : queues) {
    const bool known = queue.service_rate_known;
    table.add({queue.paused ? queue.name + " (paused)" : queue.name, human_count(queue.ready),
               human_count(queue.leased), human_count(queue.scheduled),
               fmt::format("{:.0f}", queue.in_system), human_rate(queue.arrival_rate),
               known ? human_rate(queue.service_rate) : "?", human_duration(queue.mean_time),
               known ? human_duration(queue.predicted_wait) : "?", human_duration(queue.oldest_age),
               human_count(queue.refused)});
  }
  return table;
}

}  // namespace penstock::cli
