// Workers and orders to them as JSON: what a worker says of itself, and how all of them are listed.
// docs/concepts/workers.md has the fields.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "engine/worker.h"

namespace penstock::protocol {

[[nodiscard]] Result<engine::WorkerSpec> read_worker(std::string_view json);
[[nodiscard]] Result<engine::WorkerBeat> read_beat(std::string_view json);

// {"workers":[...]}, as far as the session sees them.
[[nodiscard]] Result<std::string> list_workers(const broker::Broker& broker, SessionId session);
// {"orders":[...]}
[[nodiscard]] Result<std::string> list_worker_orders(const broker::Broker& broker,
                                                     SessionId session);

}  // namespace penstock::protocol
