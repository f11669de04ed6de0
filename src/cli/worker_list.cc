#include "cli/worker_list.h"

#include <fmt/format.h>

#include "cli/format.h"

namespace penstock::cli {
namespace {

// A worker's own version, and of the library where that is another.
std::string versions_of(const engine::WorkerSpec& spec) {
  if (spec.program.empty() || spec.program == spec.library) return spec.library;
  return spec.library.empty() ? spec.program : spec.program + " (" + spec.library + ")";
}

// What it does, and what it is told and does not do yet.
std::string state_of(const detail::ListedWorker& listed) {
  using State = engine::WorkerState;
  const auto state = listed.worker.beat.state;
  std::string text(name_of(state));
  if (listed.told.stop && state != State::stopping) text += ", told to stop";
  if (listed.told.quiet && state == State::working) text += ", told to be quiet";
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "" : ", ").append(name);
  return text;
}

}  // namespace

Table worker_table(std::span<const detail::ListedWorker> workers) {
  constexpr Align kRight = Align::right;
  Table table({{"WORKER", Align::left, true},
               {"HOST", Align::left, true},
               {"PID", kRight},
               {"VERSION"},
               {"QUEUES", Align::left, true},
               {"STATE"},
               {"SLOTS", kRight},
               {"RUNNING", kRight},
               {"DONE", kRight},
               {"FAILED", kRight},
               {"DECLINED", kRight},
               {"MEMORY", kRight},
               {"SINCE"}});
  for (const auto& listed : workers) {
    const auto& [spec, beat, session, announced_at, beat_at] = listed.worker;
    table.add({spec.name, spec.host, std::to_string(spec.pid), versions_of(spec),
               joined(spec.queues), state_of(listed), std::to_string(beat.slots),
               human_count(beat.running_count), human_count(beat.done), human_count(beat.failed),
               human_count(beat.declined), human_bytes(beat.memory_bytes),
               human_time(spec.started_at == Time{} ? announced_at : spec.started_at)});
  }
  return table;
}

Table running_table(std::span<const detail::ListedWorker> workers) {
  Table table({{"WORKER", Align::left, true},
               {"TASK", Align::right},
               {"NAME", Align::left, true},
               {"RUNS SINCE"}});
  for (const auto& [worker, told] : workers) {
    for (const auto& task : worker.beat.running)
      table.add(
          {worker.spec.name, std::to_string(task.id.value), task.name, human_time(task.since)});
    const auto told_of = worker.beat.running.size();
    if (worker.beat.running_count > told_of)
      table.add({worker.spec.name, "",
                 fmt::format("and {} more", human_count(worker.beat.running_count - told_of)), ""});
  }
  return table;
}

}  // namespace penstock::cli
