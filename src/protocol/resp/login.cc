// AUTH, and HELLO with it: who this connection is.
#include "protocol/resp/session.h"

namespace penstock::protocol::resp {
namespace {

// After so many wrong passwords the connection ends.
constexpr unsigned kWrongMost = 3;

}  // namespace

// Nothing more is taken from the connection until it is known: what follows is asked by whoever
// this is.
Result<void> Session::log_in(std::string_view name, std::string_view password, Welcome welcome) {
  const auto tag = replies_.open();
  const std::string user_name(name);
  if (settings().passwords == nullptr) {
    on_proof(tag, user_name, Proof::wrong, welcome);
    return {};
  }
  const auto peer = host_.peer();
  const auto known =
      settings().passwords->check({name, password, host_.peer_is_loopback(), peer}, login_,
                                  [this, tag, user_name, welcome](Proof proof) {
                                    login_.reset();
                                    on_proof(tag, user_name, proof, welcome);
                                    host_.wake();
                                  });
  if (known) on_proof(tag, user_name, *known, welcome);
  return {};
}

void Session::on_proof(broker::Tag tag, const std::string& name, Proof proof,
                       const Welcome& welcome) {
  auto& out = replies_.buffer(tag);
  if (proof == Proof::right && broker().log_in(session_, name)) {
    user = name;
    welcome(*this, out);
    return replies_.finish(tag);
  }
  ++service_.statistics_.refused_logins;
  ++service_.statistics_.errors;
  writer(out).error(proof == Proof::busy
                        ? "BUSY retry-after-ms=1000 too many passwords wait to be checked"
                        : "WRONGPASS invalid username-password pair or user is disabled.");
  replies_.finish(tag);
  if (proof != Proof::busy && ++refused_logins_ >= kWrongMost) close_after_answers();
}

void Session::log_out() {
  if (user.empty()) return;
  user.clear();
  broker().log_out(session_);
}

}  // namespace penstock::protocol::resp
