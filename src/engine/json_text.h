// Text inside of JSON that the engine itself puts together.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace penstock::engine {

// `text` as the inside of a JSON string; cut at a character's edge.
void append_json(Bytes& out, std::string_view text, std::size_t longest);

}  // namespace penstock::engine
