// A message's headers as names and texts, whichever protocol it came by.
//
// What AMQP publishes is kept as it came; here its properties have the names that AMQP gives them,
// its headers table their own, and where it went is `exchange` and `routing-key`. A value that is
// no text is one: 42, true, or JSON for a table.
#pragma once

#include <functional>
#include <string_view>

#include "base/bytes.h"

namespace penstock::protocol {

using VisitHeader = std::function<void(std::string_view name, std::string_view value)>;
void visit_headers(ByteView headers, const VisitHeader& visit);

}  // namespace penstock::protocol
