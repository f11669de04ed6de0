// The workers of a server, and what they are told.
#include "task/remote.h"
#include "task/worker_json.h"

namespace penstock::detail {

Result<std::vector<ListedWorker>> Remote::workers() {
  const auto answer = ask(client::workers());
  if (!answer) return fail(answer.error());
  return read_workers(*answer);
}

Result<std::vector<engine::WorkerOrder>> Remote::orders() {
  const auto answer = ask(client::worker_orders());
  if (!answer) return fail(answer.error());
  return read_orders(*answer);
}

Result<engine::WorkersOrdered> Remote::order_workers(const engine::WorkerOrderSpec& order) {
  client::WorkerOrder asked;
  asked.order = name_of(order.kind);
  asked.slots = order.slots;
  asked.name = order.who.name;
  asked.queue = order.who.queue;
  asked.version = order.who.version;
  const auto answer = ask(client::order_workers(asked));
  if (!answer) return fail(answer.error());
  return engine::WorkersOrdered{answer->number, static_cast<std::uint32_t>(answer->workers)};
}

Result<void> Remote::forget_order(std::uint64_t number) {
  const auto answer = ask(client::forget_worker_order(number));
  if (!answer) return fail(answer.error());
  return {};
}

}  // namespace penstock::detail
