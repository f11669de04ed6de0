#include "protocol/http/management/admission.h"

#include "protocol/http/credentials.h"

namespace penstock::protocol::http::management {
namespace {

constexpr std::string_view kGuest = "guest";

bool refuse(Exchange& exchange, std::string_view why) {
  exchange.answer_error(Error{ErrorCode::denied, std::string(why), {}});
  return false;
}

}  // namespace

bool admit(Exchange& exchange, engine::Role role) {
  if (exchange.broker().has_users()) {
    const auto allowed = exchange.broker().may_as(exchange.session().id(), role);
    return allowed || refuse(exchange, allowed.error().message);
  }
  // Without users, who comes from this machine may do everything, as guest.
  const auto given = read_credentials(exchange.fields());
  const bool guest = given && given->user == kGuest && given->password == kGuest;
  if (guest && exchange.host().peer_is_loopback()) return true;
  return refuse(exchange, given ? "Login failed" : "credentials are needed");
}

}  // namespace penstock::protocol::http::management
