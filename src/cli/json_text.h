// What the server says, as JSON for programs. Times are milliseconds since 1970-01-01 UTC,
// durations milliseconds, as over HTTP; a time that is not set is left out.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "client/api.h"

namespace penstock::cli {

// "body", or "body_base64" when it is no UTF-8.
[[nodiscard]] boost::json::object to_json(const client::Message& message);
[[nodiscard]] boost::json::object to_json(const client::Browsed& browsed);
[[nodiscard]] boost::json::object to_json(const client::TaskStatus& status);
[[nodiscard]] boost::json::object to_json(const client::QueueStatistics& queue);

// `text` itself when it is JSON, else a JSON string of it.
[[nodiscard]] boost::json::value parsed_or_string(std::string_view text);
// The same as text: JSON stays as it was written.
[[nodiscard]] std::string json_or_string(std::string_view text);

// One line to standard output; false when nobody reads any more.
bool print_json(const boost::json::value& value);

}  // namespace penstock::cli
