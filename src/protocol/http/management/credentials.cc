#include "protocol/http/management/credentials.h"

#include "base/text.h"

namespace penstock::protocol::http::management {
namespace {

constexpr std::string_view kScheme = "basic ";
constexpr std::string_view kGuest = "guest";

}  // namespace

std::optional<Credentials> read_credentials(const wire::http::Fields& fields) {
  auto text = fields.value("Authorization");
  if (!ascii_iequals(text.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  const auto decoded = base64_decode(text);
  if (!decoded) return std::nullopt;
  const auto colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Credentials{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

bool admit(Exchange& exchange) {
  // No users are configured: who comes from this machine may do everything, as guest.
  const auto given = read_credentials(exchange.fields());
  const bool guest = given && given->user == kGuest && given->password == kGuest;
  if (guest && exchange.host().peer_is_loopback()) return true;
  exchange.answer_error(
      Error{ErrorCode::denied, given ? "Login failed" : "credentials are needed", {}});
  return false;
}

}  // namespace penstock::protocol::http::management
