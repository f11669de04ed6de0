// The commands about workers, and what tasks say.
#include <algorithm>

#include "broker/broker_impl.h"
#include "engine/names.h"

namespace penstock::broker {

void Broker::announce_worker(SessionId session, Tag tag, engine::WorkerSpec spec) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  auto told = impl_->engine_.announce_worker(now(), session, std::move(spec));
  if (!told) return impl_->answer(session, tag, std::move(told.error()));
  impl_->answer(session, tag, *told);
}
void Broker::beat_worker(SessionId session, Tag tag, engine::WorkerBeat beat) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  auto told = impl_->engine_.beat_worker(now(), session, std::move(beat));
  if (!told) return impl_->answer(session, tag, std::move(told.error()));
  impl_->answer(session, tag, *told);
}

void Broker::order_workers(SessionId session, Tag tag, const engine::WorkerOrderSpec& order) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  const auto bytes = impl_->engine_.workers().all().size() * sizeof(std::uint64_t) + 1024;
  if (auto full = impl_->no_room(bytes, 1, {}))
    return impl_->answer(session, tag, std::move(*full));
  auto ordered = impl_->engine_.order_workers(now(), order);
  if (!ordered) return impl_->answer(session, tag, std::move(ordered.error()));
  impl_->answer(session, tag, *ordered);
}
void Broker::remove_worker_order(SessionId session, Tag tag, std::uint64_t number) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.remove_worker_order(number));
}

Result<std::vector<const engine::Worker*>> Broker::workers(SessionId session) const {
  const auto& engine = impl_->engine_;
  const auto acting = impl_->engine_.act_for(session);
  if (auto allowed = impl_->engine_.may_ask(); !allowed) return fail(std::move(allowed.error()));
  std::vector<const engine::Worker*> seen;
  for (const auto& [of, worker] : engine.workers().all())
    if (std::ranges::any_of(worker->spec.queues, [&](const auto& queue) {
          return engine.sees(engine::split_name(queue).host);
        }))
      seen.push_back(worker.get());
  std::ranges::sort(seen, {}, [](const engine::Worker* worker) {
    return std::pair<std::string_view, std::uint64_t>(worker->spec.name, worker->spec.id);
  });
  return seen;
}
Result<std::vector<const engine::WorkerOrder*>> Broker::worker_orders(SessionId session) const {
  const auto acting = impl_->engine_.act_for(session);
  if (auto allowed = impl_->engine_.may_ask(); !allowed) return fail(std::move(allowed.error()));
  std::vector<const engine::WorkerOrder*> orders;
  for (const auto& [number, order] : impl_->engine_.state().worker_orders.all())
    if (!engine::WorkerOrders::has_ended(order, now())) orders.push_back(&order);
  return orders;
}
engine::WorkerTold Broker::told(const engine::Worker& worker) const {
  return impl_->engine_.state().worker_orders.told(worker.spec, now());
}

void Broker::log_task(SessionId session, Tag tag, const engine::LeaseToken& lease,
                      std::span<const std::string_view> lines) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  const auto noted = impl_->engine_.log_task(now(), lease, lines);
  impl_->answer(session, tag, Settled{noted.extended, noted.lost, noted.cancelled, noted.deadline});
}
void Broker::task_log(SessionId session, Tag tag, MessageId id, std::uint64_t after,
                      Time wait_until) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  if (auto allowed = impl_->engine_.may_see_task(id); !allowed)
    return impl_->answer(session, tag, std::move(allowed.error()));
  impl_->engine_.watch_log(now(), session, tag, id, after, wait_until);
}

// Of a task that nobody knows any more nothing is told: whose it was is not known either.
PendingReply Broker::Impl::task_log(MessageId id, std::uint64_t after) {
  const auto state = engine_.task_state(id);
  if (state == engine::TaskState::unknown)
    return Error{ErrorCode::not_found, "there is no task " + std::to_string(id.value),
                 "it may have ended long ago"};
  OwnedTaskLog log;
  log.id = id;
  log.ended = engine::is_final(state);
  if (engine_.logs().has_more(id, after))
    for (const auto& line : *engine_.logs().find(id)) {
      if (line.number <= after) continue;
      log.lines.push_back(line);
      log.bytes += sizeof line + line.text.size();
    }
  return log;
}

void Broker::redrive_some(SessionId session, Tag tag, std::string_view queue,
                          const engine::Redrive& which) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  auto redriven = impl_->engine_.redrive_some(now(), queue, which);
  if (!redriven) return impl_->answer(session, tag, std::move(redriven.error()));
  impl_->answer(session, tag, *redriven);
}
void Broker::retry_task(SessionId session, Tag tag, MessageId id) {
  const auto asking = impl_->asks(session, tag);
  if (!asking) return;
  impl_->answer_result(session, tag, impl_->engine_.retry_task(now(), id));
}

}  // namespace penstock::broker
