// Time-outs that come with a task, instead of what its worker would say: "30s".
#pragma once

#include <string_view>

namespace penstock {

inline constexpr std::string_view kTimeoutHeader = "penstock-timeout";
inline constexpr std::string_view kHardTimeoutHeader = "penstock-hard-timeout";

}  // namespace penstock
