// The workers of a queue in this process, and what they are told.
#include "task/embedded.h"

namespace penstock::detail {

// What is known now, told when all that it rests on is durable.
Result<std::vector<ListedWorker>> Embedded::workers() {
  Result<std::vector<ListedWorker>> all;
  auto told = ask_for<std::vector<ListedWorker>, broker::Done>(
      [&](Broker& broker, broker::Tag tag) {
        const auto seen = broker.workers(session_);
        if (!seen)
          all = fail(seen.error());
        else
          for (const auto* worker : *seen) all->push_back({*worker, broker.told(*worker)});
        broker.barrier(session_, tag);
      },
      [&](const broker::Done&) { return std::move(all); });
  return told;
}

Result<std::vector<engine::WorkerOrder>> Embedded::orders() {
  Result<std::vector<engine::WorkerOrder>> all;
  return ask_for<std::vector<engine::WorkerOrder>, broker::Done>(
      [&](Broker& broker, broker::Tag tag) {
        const auto seen = broker.worker_orders(session_);
        if (!seen)
          all = fail(seen.error());
        else
          for (const auto* order : *seen) all->push_back(*order);
        broker.barrier(session_, tag);
      },
      [&](const broker::Done&) { return std::move(all); });
}

Result<engine::WorkersOrdered> Embedded::order_workers(const engine::WorkerOrderSpec& order) {
  return ask_for<engine::WorkersOrdered, engine::WorkersOrdered>(
      [&](Broker& broker, broker::Tag tag) { broker.order_workers(session_, tag, order); },
      [](const engine::WorkersOrdered& ordered) { return ordered; });
}

Result<void> Embedded::forget_order(std::uint64_t number) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.remove_worker_order(session_, tag, number); },
      [](const broker::Done&) { return Result<void>(); });
}

}  // namespace penstock::detail
