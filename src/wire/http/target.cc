#include "wire/http/target.h"

#include <algorithm>

#include "base/text.h"

namespace penstock::wire::http {
namespace {

std::unexpected<Error> bad_target(std::string message) {
  return fail(ErrorCode::invalid, "request target: " + std::move(message));
}

// Calls `visit` for each piece of `text` between separators until it returns false.
template <class Visit>
void split(std::string_view text, char separator, Visit visit) {
  for (;;) {
    const auto end = text.find(separator);
    if (!visit(text.substr(0, end)) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::pair<std::string_view, std::string_view> name_and_value(std::string_view pair) {
  const auto equals = pair.find('=');
  if (equals == std::string_view::npos) return {pair, {}};
  return {pair.substr(0, equals), pair.substr(equals + 1)};
}

// "." and ".." name directories in some parsers and not in others: no route has them.
bool has_dot_segment(std::string_view path) {
  bool found = false;
  split(path, '/', [&](std::string_view segment) {
    if (segment.size() > 6) return true;  // "%2e%2E" is the longest spelling
    const auto plain = percent_decode(segment);
    found = plain && (*plain == "." || *plain == "..");
    return !found;
  });
  return found;
}

Result<void> check_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= 0x20 || c == 0x7f || c == '#' || static_cast<unsigned char>(c) >= 0x80) {
      return bad_target("has a character that must be percent-encoded");
    }
    if (c != '%') continue;
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) return bad_target("has a % without two hexadecimal digits");
    const int byte = high << 4 | low;
    if (byte < 0x20 || byte == 0x7f) return bad_target("has an encoded control character");
  }
  return {};
}

}  // namespace

Result<std::string> percent_decode(std::string_view text, bool form) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && form) {
      result.push_back(' ');
    } else if (text[i] != '%') {
      result.push_back(text[i]);
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return fail(ErrorCode::invalid, "a % without two hexadecimal digits after it");
      }
      result.push_back(static_cast<char>(high << 4 | low));
      i += 2;
    }
  }
  return result;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      result.push_back(c);
    } else {
      result.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
  }
  return result;
}

Result<std::vector<std::string>> path_segments(std::string_view raw_path) {
  std::vector<std::string> segments;
  if (!raw_path.starts_with('/')) return bad_target("the path does not begin with /");
  raw_path.remove_prefix(1);
  if (raw_path.empty()) return segments;
  Result<void> good;
  split(raw_path, '/', [&](std::string_view segment) {
    auto plain = percent_decode(segment);
    if (!plain) {
      good = fail(std::move(plain.error()));
      return false;
    }
    segments.push_back(std::move(*plain));
    return true;
  });
  if (!good) return fail(std::move(good.error()));
  return segments;
}

Result<Pairs> parse_form(std::string_view text) {
  Pairs pairs;
  Result<void> good;
  split(text, '&', [&](std::string_view pair) {
    if (pair.empty()) return true;
    if (pairs.size() == kFormPairsMax) {
      good = fail(ErrorCode::too_large, "more than 1024 parameters");
      return false;
    }
    const auto [raw_name, raw_value] = name_and_value(pair);
    auto name = percent_decode(raw_name, true);
    auto value = percent_decode(raw_value, true);
    if (!name || !value) {
      good = fail(std::move(name ? value.error() : name.error()));
      return false;
    }
    pairs.emplace_back(std::move(*name), std::move(*value));
    return true;
  });
  if (!good) return fail(std::move(good.error()));
  return pairs;
}

std::optional<std::string> query_value(std::string_view raw_query, std::string_view name) {
  std::optional<std::string> found;
  split(raw_query, '&', [&](std::string_view pair) {
    const auto [raw_name, raw_value] = name_and_value(pair);
    const bool coded = raw_name.find_first_of("%+") != std::string_view::npos;
    if (coded ? percent_decode(raw_name, true) != std::string(name) : raw_name != name) return true;
    if (auto value = percent_decode(raw_value, true)) found = std::move(*value);
    return false;
  });
  return found;
}

Result<Target> parse_target(std::string_view target) {
  Target result;
  auto rest = target;
  if (auto good = check_characters(rest); !good) return fail(std::move(good.error()));
  if (rest == "*") {
    result.path = rest;
    return result;
  }
  if (!rest.starts_with('/')) {
    const auto scheme = rest.substr(0, rest.find("://"));
    if (scheme.size() == rest.size() ||
        !(ascii_iequals(scheme, "http") || ascii_iequals(scheme, "https"))) {
      return bad_target("must begin with /, http:// or https://");
    }
    rest.remove_prefix(scheme.size() + 3);
    const auto end = std::min(rest.find_first_of("/?"), rest.size());
    result.authority = rest.substr(0, end);
    rest.remove_prefix(end);
    if (result.authority.empty()) return bad_target("has no host");
  }
  const auto question = std::min(rest.find('?'), rest.size());
  result.path = question == 0 ? std::string_view("/") : rest.substr(0, question);
  if (question < rest.size()) result.query = rest.substr(question + 1);
  if (has_dot_segment(result.path)) return bad_target("has a . or .. segment");
  return result;
}

}  // namespace penstock::wire::http
