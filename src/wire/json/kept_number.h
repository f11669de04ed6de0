// How a number that stays as it was written is told from text, in a value of Boost.JSON.
#pragma once

namespace penstock::wire::json {

// Before its digits, in a string. No JSON text has this byte: it is never part of UTF-8.
inline constexpr char kKeptNumber = '\xff';

}  // namespace penstock::wire::json
