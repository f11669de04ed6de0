// What an App tells of workers, and tells them.
#include "penstock/app.hpp"
#include "task/core.h"
#include "task/failure.h"

namespace penstock {
namespace {

WorkerInfo to_info(detail::ListedWorker&& listed) {
  auto& [spec, beat, session, announced_at, beat_at] = listed.worker;
  WorkerInfo info;
  info.id = spec.id;
  info.name = std::move(spec.name);
  info.host = std::move(spec.host);
  info.pid = spec.pid;
  info.version = std::move(spec.program);
  info.library = std::move(spec.library);
  info.started_at = detail::to_time_point(spec.started_at);
  info.announced_at = detail::to_time_point(announced_at);
  info.seen_at = detail::to_time_point(beat_at);
  info.queues = std::move(spec.queues);
  info.tasks = std::move(spec.tasks);
  info.any_task = spec.any_task;
  info.state = static_cast<WorkerState>(beat.state);
  info.slots = beat.slots;
  info.memory_bytes = beat.memory_bytes;
  info.done = beat.done;
  info.failed = beat.failed;
  info.declined = beat.declined;
  info.running_count = beat.running_count;
  for (auto& task : beat.running)
    info.running.push_back(
        {task.id.value, std::move(task.name), detail::to_time_point(task.since)});
  info.told_quiet = listed.told.quiet;
  info.told_stop = listed.told.stop;
  info.told_slots = listed.told.slots;
  return info;
}

template <class Public, class Inside>
constexpr bool same(Public a, Inside b) {
  return static_cast<std::uint8_t>(a) == static_cast<std::uint8_t>(b);
}
static_assert(same(WorkerState::working, engine::WorkerState::working) &&
              same(WorkerState::quiet, engine::WorkerState::quiet) &&
              same(WorkerState::stopping, engine::WorkerState::stopping) &&
              same(Order::quiet, engine::OrderKind::quiet) &&
              same(Order::resume, engine::OrderKind::resume) &&
              same(Order::stop, engine::OrderKind::stop) &&
              same(Order::resize, engine::OrderKind::resize));

}  // namespace

std::string_view name_of(WorkerState state) {
  return engine::name_of(static_cast<engine::WorkerState>(state));
}
std::string_view name_of(Order order) {
  return engine::name_of(static_cast<engine::OrderKind>(order));
}

std::vector<WorkerInfo> App::workers() {
  std::vector<WorkerInfo> all;
  for (auto& listed : detail::value_or_throw(core_->backend().workers()))
    all.push_back(to_info(std::move(listed)));
  return all;
}

OrderedWorkers App::order_workers(const WorkerOrder& order) {
  const auto ordered = detail::value_or_throw(
      core_->backend().order_workers({.kind = static_cast<engine::OrderKind>(order.order),
                                      .slots = order.slots,
                                      .who = {order.name, order.queue, order.version}}));
  return {ordered.number, ordered.workers};
}

std::vector<StandingOrder> App::orders() {
  std::vector<StandingOrder> all;
  for (auto& order : detail::value_or_throw(core_->backend().orders())) {
    auto& [number, kind, slots, who, at, targets] = order;
    all.push_back({number,
                   {static_cast<Order>(kind), slots, std::move(who.name), std::move(who.queue),
                    std::move(who.version)},
                   detail::to_time_point(at),
                   std::move(targets)});
  }
  return all;
}

void App::forget_order(std::uint64_t number) {
  detail::value_or_throw(core_->backend().forget_order(number));
}

}  // namespace penstock
