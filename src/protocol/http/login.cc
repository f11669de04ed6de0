// Who asks: HTTP Basic (RFC 7617), known before the body is taken in.
#include "protocol/http/credentials.h"
#include "protocol/http/dialogue.h"

namespace penstock::protocol::http {

bool Dialogue::let_in() {
  const bool free = match_.route == nullptr || match_.route->access == RouteAccess::everybody;
  if (free || !service_.broker().has_users()) return true;
  const auto credentials = read_credentials(parser_.fields());
  if (!credentials || service_.settings().passwords == nullptr) {
    refuse_login("this server has users: log in");
    return false;
  }
  exchange_.user_ = credentials->user;
  const auto peer = host_.peer();
  const auto known = service_.settings().passwords->check(
      {credentials->user, credentials->password, host_.peer_is_loopback(), peer}, login_,
      [this](Proof proof) {
        login_.reset();
        on_proof(proof);
      });
  if (known == Proof::right) return true;
  if (known) on_proof(*known);
  return false;
}

void Dialogue::on_proof(Proof proof) {
  if (closing_) return;
  if (proof == Proof::wrong) {
    refuse_login("there is no such user, or its password is another");
  } else if (proof == Proof::busy) {
    exchange_.options_.keep_alive = false;
    exchange_.add_field("Retry-After", "1");
    exchange_.answer_error(503, "busy", "too many passwords wait to be checked",
                           "send it again in a second");
    after_answer();
  } else if (whole_) {
    serve_request();
  } else {
    ask_for_body();
  }
  watch_clock();
  host_.wake();
}

// The connection ends, for the body that may follow is not taken in.
void Dialogue::refuse_login(std::string_view message) {
  ++service_.counters().unauthorized;
  exchange_.options_.keep_alive = false;
  if (!match_.management)  // whose errors have it anyway
    exchange_.add_field("WWW-Authenticate", "Basic realm=\"penstock\", charset=\"UTF-8\"");
  exchange_.answer_error(401, "unauthorized", message,
                         "send a user and a password, as in curl --user NAME");
  after_answer();
}

bool Dialogue::may_see() {
  return match_.route->access != RouteAccess::monitoring ||
         exchange_.may_as(engine::Role::monitoring);
}

void Dialogue::refuse_sight(Exchange& exchange) {
  exchange.answer_error(403, "denied",
                        "user '" + exchange.user() + "' has no tag 'monitoring', which this takes",
                        "an administrator can give it: penstock user tag NAME monitoring");
}

}  // namespace penstock::protocol::http
