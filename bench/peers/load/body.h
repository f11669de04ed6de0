// What every message of a measurement holds.
#pragma once

#include <cstddef>
#include <string>

namespace penstock::peers {

// Every message is this long and differs from every other.
inline constexpr std::size_t kBodyBytes = 1024;
void append_body(std::string& out);

}  // namespace penstock::peers
