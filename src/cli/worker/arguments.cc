#include "cli/worker/arguments.h"

#include <algorithm>
#include <ranges>

#include "wire/json/json.h"

namespace penstock::cli {

namespace json = wire::json;

Arguments Arguments::of(std::string_view payload) {
  Arguments result;
  if (!json::check(payload, {.max_bytes = payload.size()})) return result;
  for (json::Parts parts(payload); parts.next();) {
    if (parts.name() == "\"args\"") {
      result.args.clear();
      if (parts.value().starts_with('['))
        for (json::Parts args(parts.value()); args.next();) result.args.emplace_back(args.value());
    } else if (parts.name() == "\"kwargs\"") {
      result.kwargs.clear();
      if (parts.value().starts_with('{'))
        for (json::Parts named(parts.value()); named.next();)
          result.kwargs.emplace_back(as_word(named.name()), named.value());
    }
  }
  return result;
}

std::optional<std::string_view> Arguments::named(std::string_view name) const {
  for (const auto& [known, value] : kwargs | std::views::reverse)
    if (known == name) return value;
  return {};
}

std::string as_word(std::string_view text) {
  if (!text.starts_with('"')) return std::string(text);
  const auto value = json::parse(text, {.max_bytes = text.size()});
  return value && value->is_string() ? std::string(value->get_string()) : std::string(text);
}

}  // namespace penstock::cli
