#include "base/headers.h"

#include "base/text.h"

namespace penstock {

Result<void> valid_header_value(std::string_view name, std::string_view value) {
  if (name != kTimeoutHeader && name != kHardTimeoutHeader) return {};
  const auto time = parse_duration(value);
  if (time && time->count() > 0) return {};
  return fail(
      ErrorCode::invalid,
      "header " + quoted(name) + " must be a duration as 250ms, 30s or 5m, not " + quoted(value));
}

}  // namespace penstock
