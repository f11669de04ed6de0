#include <fmt/format.h>

#include <charconv>

#include "broker/broker.h"

namespace penstock::broker {
namespace {

template <class Number>
bool number(std::string_view text, Number& value, int base) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return problem == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::string Broker::to_text(const engine::LeaseToken& token) {
  return fmt::format("{}-{}-{:016x}", token.id.value, token.delivery, token.seal);
}

Result<engine::LeaseToken> Broker::parse_lease(std::string_view text) {
  engine::LeaseToken token;
  const auto first = text.find('-');
  const auto second = first == std::string_view::npos ? first : text.find('-', first + 1);
  if (second == std::string_view::npos || !number(text.substr(0, first), token.id.value, 10) ||
      !number(text.substr(first + 1, second - first - 1), token.delivery, 10) ||
      text.size() - second != 17 || !number(text.substr(second + 1), token.seal, 16))
    return fail(ErrorCode::invalid, "that is not a lease",
                "give the `lease` of a received message as it came");
  return token;
}

}  // namespace penstock::broker
