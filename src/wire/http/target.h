// Request targets, queries and forms: percent-encoding on its way in and out.
//
// Threads: pure functions. Lifetime: views point into the text given.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace penstock::wire::http {

// `%41` -> "A"; with `form` also "+" -> " ". Fails at a % that two hexadecimal digits don't follow.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text, bool form = false);
// Everything but letters, digits and "-._~" as %XX: fit for a path segment and for a query.
[[nodiscard]] std::string percent_encode(std::string_view text);

// "/v1/queues/a%2Fb" -> {"v1", "queues", "a/b"}: split first, decoded afterwards, so that a slash
// in a name is a name's. "/" gives nothing; "/a/" ends with an empty segment.
[[nodiscard]] Result<std::vector<std::string>> path_segments(std::string_view raw_path);

using Pairs = std::vector<std::pair<std::string, std::string>>;
inline constexpr std::size_t kFormPairsMax = 1024;

// "a=1&b=x+y" -> {{"a", "1"}, {"b", "x y"}}: a query, or a body of
// application/x-www-form-urlencoded. At most kFormPairsMax pairs.
[[nodiscard]] Result<Pairs> parse_form(std::string_view text);
// The first value called `name` in a query; empty text for a name without "=".
[[nodiscard]] std::optional<std::string> query_value(std::string_view raw_query,
                                                     std::string_view name);

// A request target taken apart (RFC 9112 section 3.2); views into it.
struct Target {
  std::string_view authority;  // of the absolute form, "http://host:port/path"; else empty
  std::string_view path;       // begins with "/", or is "*"; not decoded
  std::string_view query;      // behind "?", not decoded
};
// Fails for anything that a client has no business to send: other forms, fragments, spaces, bytes
// outside of ASCII, broken percent-encoding, encoded control characters, and "." or ".." as a
// segment.
[[nodiscard]] Result<Target> parse_target(std::string_view target);

}  // namespace penstock::wire::http
