// The metrics that GET /metrics tells, as tables.
#pragma once

#include <string>
#include <string_view>

namespace penstock::protocol::http {

struct Metric {
  std::string_view name;
  std::string_view type;  // "gauge" or "counter"
  std::string_view help;
};

// Appends `value` with backslash, quote and line end escaped, as the Prometheus text format asks
// for.
void append_label_value(std::string& out, std::string_view value);

// The list of metrics as docs/protocols/http.md has it.
[[nodiscard]] std::string metrics_as_markdown();

}  // namespace penstock::protocol::http
