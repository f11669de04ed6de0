// Figures as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::cli {

[[nodiscard]] std::string human_count(std::uint64_t count);  // 12,345
[[nodiscard]] std::string human_rate(double per_second);     // 523/s, 0.25/s
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);  // 1.5 MiB
// To three digits: 350 us, 12.5 ms, 1.25 s, 3 min 20 s, 2 h 5 min, 4 d 3 h.
[[nodiscard]] std::string human_duration(Duration duration);
// 2026-03-02 07:00:00 UTC; "-" for the zero time.
[[nodiscard]] std::string human_time(Time time);

// "500/s", "30/min", "2/h", or a plain number of a second's.
[[nodiscard]] Result<double> parse_rate(std::string_view text);

}  // namespace penstock::cli
