// A message's AMQP properties as JSON: {"content_type":"text/plain","headers":{"a":1}}.
#pragma once

#include <boost/json/value.hpp>

#include "base/result.h"
#include "protocol/http/json_text.h"
#include "wire/amqp/properties.h"

namespace penstock::protocol::http::management {

// Views into `value`, an object, and into `table`, which takes the headers. What is no property is
// let pass.
[[nodiscard]] Result<wire::amqp::Properties> read_properties(const boost::json::value& value,
                                                             std::string& table);
void write_properties(JsonText& json, const wire::amqp::Properties& properties);

}  // namespace penstock::protocol::http::management
