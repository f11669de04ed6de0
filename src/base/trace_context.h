// The grammar of W3C Trace Context (Recommendation of 23 November 2021), sections 3.2 and 3.3.
#pragma once

#include <optional>
#include <string_view>

namespace penstock {

inline constexpr std::string_view kTraceParentHeader = "traceparent";
inline constexpr std::string_view kTraceStateHeader = "tracestate";

// Views into what was parsed.
struct TraceParent {
  std::string_view trace_id;   // 32 lower-case hexadecimal digits, not all zero
  std::string_view parent_id;  // 16 of them
  bool sampled = false;
};

// Nothing for what the grammar does not allow; of later versions as much as this one knows.
[[nodiscard]] std::optional<TraceParent> parse_traceparent(std::string_view text);
// A list of at most 32 members with different keys.
[[nodiscard]] bool is_valid_tracestate(std::string_view text);

}  // namespace penstock
