// Field tables as JSON, for people and for protocols that speak it.
//
//   table            JSON
//   integers         number
//   float, double    number; null where JSON has none (infinite, not a number)
//   decimal          number, all its digits
//   long string      string; bytes that are no UTF-8 become U+FFFD
//   bytes            string, base64
//   timestamp        number, seconds since 1970-01-01 UTC
//   table, array     object, array
//   void             null
//
// From JSON: whole numbers become int64, others double, strings long strings, null void. So a table
// of those types comes back as it was.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "base/result.h"
#include "wire/amqp/table.h"

namespace penstock::wire::amqp {

// Names in the order of the table, a name given twice stays twice.
[[nodiscard]] std::string to_json(const TableView& table);
[[nodiscard]] std::string to_json(const Value& value);

// Appends the fields, as a TableWriter does. Fails for what a table cannot hold: a name of more
// than 255 bytes, a number beyond 64 bits with sign, more than kTableDepthMax levels; `out` is then
// as it was.
[[nodiscard]] Result<void> table_from_json(const boost::json::object& object, std::string& out);

}  // namespace penstock::wire::amqp
