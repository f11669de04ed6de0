// Settling what was taken: shared by the commands for messages and those for tasks.
#pragma once

#include "protocol/resp/session.h"

namespace penstock::protocol::resp {

[[nodiscard]] Result<engine::LeaseToken> read_lease(std::string_view text);

// Settles one lease as `settle` says, which gets it put in; answers 1 or -LOST.
[[nodiscard]] Result<void> settle_one(Session& session, std::string_view lease,
                                      engine::Settle settle);

// EXTEND and TASK.EXTEND: <name> lease duration.
[[nodiscard]] Result<void> extend_one(Session& session, Args args, Encode encode);

}  // namespace penstock::protocol::resp
