#include "protocol/http/session.h"

namespace penstock::protocol::http {

void Session::give_back(const broker::Delivered& delivered, std::size_t from) {
  if (from >= delivered.messages.size()) return;
  std::vector<engine::LeaseToken> leases;
  for (const auto& message : delivered.messages.subspan(from)) leases.push_back(message.lease);
  engine::Settle settle;
  settle.leases = leases;
  settle.outcome = engine::Outcome::give_back;
  broker_.settle(id_, next_tag(), settle);
  (void)next_tag();  // its answer is nobody's business
}

}  // namespace penstock::protocol::http
