#include "engine/worker_list.h"

#include <fmt/format.h>

#include "base/check.h"
#include "base/text.h"

namespace penstock::engine {
namespace {

std::unexpected<Error> too_many(std::string_view what, std::size_t count, std::size_t most) {
  return fail(ErrorCode::too_large,
              fmt::format("a worker tells of at most {} {}, this one of {}", most, what, count));
}

}  // namespace

Result<void> check_worker(const WorkerSpec& spec) {
  if (spec.id == 0) return fail(ErrorCode::invalid, "a worker's id is not 0");
  if (auto valid = valid_name(spec.name, "worker name"); !valid) return valid;
  for (const auto* text : {&spec.host, &spec.program, &spec.library})
    if (!text->empty())
      if (auto valid = valid_name(*text, "host or version"); !valid) return valid;
  if (spec.queues.empty()) return fail(ErrorCode::invalid, "a worker serves one queue at least");
  if (spec.queues.size() > kWorkerQueuesMax)
    return too_many("queues", spec.queues.size(), kWorkerQueuesMax);
  if (spec.tasks.size() > kWorkerTasksMax)
    return too_many("tasks", spec.tasks.size(), kWorkerTasksMax);
  std::size_t bytes = 0;
  for (const auto& queue : spec.queues) bytes += queue.size();
  for (const auto& task : spec.tasks) {
    if (auto valid = valid_name(task, "task name"); !valid) return valid;
    bytes += task.size();
  }
  if (bytes > kWorkerBytesMax) return too_many("bytes of names", bytes, kWorkerBytesMax);
  return {};
}

Result<void> check_beat(const WorkerBeat& beat) {
  if (beat.running.size() > kWorkerRunningMax)
    return too_many("running tasks", beat.running.size(), kWorkerRunningMax);
  for (const auto& task : beat.running)
    if (!task.name.empty())
      if (auto valid = valid_name(task.name, "task name"); !valid) return valid;
  return {};
}

void WorkerList::set(SessionId session, WorkerSpec spec, Time now) {
  if (const auto known = sessions_.find(spec.id); known != sessions_.end()) remove(known->second);
  remove(session);
  sessions_.emplace(spec.id, session);
  auto worker = std::make_unique<Worker>();
  worker->spec = std::move(spec);
  worker->session = session;
  worker->announced_at = worker->beat_at = now;
  all_.emplace(session, std::move(worker));
}

void WorkerList::remove(SessionId session) {
  const auto found = all_.find(session);
  if (found == all_.end()) return;
  sessions_.erase(found->second->spec.id);
  all_.erase(found);
}

Worker* WorkerList::find(SessionId session) {
  const auto found = all_.find(session);
  return found == all_.end() ? nullptr : found->second.get();
}

bool WorkerList::is_full(SessionId session, std::uint64_t id) const {
  return all_.size() >= kWorkersMax && !all_.contains(session) && !sessions_.contains(id);
}

void WorkerList::check() const {
  CHECK(all_.size() == sessions_.size() && all_.size() <= kWorkersMax);
  for (const auto& [session, worker] : all_)
    CHECK(worker->session == session && sessions_.at(worker->spec.id) == session);
}

}  // namespace penstock::engine
