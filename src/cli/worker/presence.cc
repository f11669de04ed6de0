#include "cli/worker/presence.h"

#include <boost/json.hpp>
#include <charconv>

#include "os/process_info.h"
#include "os/real_clock.h"
#include "wire/json/json.h"

namespace penstock::cli {
namespace {

namespace json = boost::json;

// A server that takes longer is busy with something else than with who works.
constexpr Duration kAnswerMax = engine::kWorkerBeat;

std::int64_t millis(Time time) {
  return micros(time) / 1000;
}

json::array texts(const std::vector<std::string>& all) {
  json::array array;
  for (const auto& one : all) array.emplace_back(one);
  return array;
}

std::string text_of(const engine::WorkerSpec& worker) {
  char id[16];
  const auto end = std::to_chars(id, id + sizeof id, worker.id, 16).ptr;
  return wire::json::to_text(json::object{{"id", std::string_view(id, end)},
                                          {"name", worker.name},
                                          {"host", worker.host},
                                          {"pid", worker.pid},
                                          {"program", worker.program},
                                          {"library", worker.library},
                                          {"started_at", millis(worker.started_at)},
                                          {"queues", texts(worker.queues)},
                                          {"tasks", texts(worker.tasks)},
                                          {"any_task", worker.any_task}});
}

std::string text_of(const engine::WorkerBeat& beat) {
  json::array running;
  for (const auto& task : beat.running)
    running.push_back({{"id", std::to_string(task.id.value)},
                       {"name", task.name},
                       {"since", millis(task.since)}});
  return wire::json::to_text(json::object{{"state", name_of(beat.state)},
                                          {"slots", beat.slots},
                                          {"memory_bytes", beat.memory_bytes},
                                          {"done", beat.done},
                                          {"failed", beat.failed},
                                          {"declined", beat.declined},
                                          {"running_count", beat.running_count},
                                          {"running", std::move(running)}});
}

}  // namespace

engine::WorkerSpec this_worker(std::string name, Time now) {
  engine::WorkerSpec worker;
  while (worker.id == 0) secure_random(&worker.id, sizeof worker.id);
  worker.host = host_name();
  worker.pid = process_number();
  worker.name = name.empty() ? worker.host + "-" + std::to_string(worker.pid) : std::move(name);
  worker.program = worker.library = PENSTOCK_VERSION;
  worker.started_at = now;
  return worker;
}

Presence::Presence(client::Client& client, const engine::WorkerSpec& worker)
    : client_(client), announcement_(text_of(worker)) {}

Result<client::WorkerTold> Presence::say(const engine::WorkerBeat& beat) {
  const std::string text = text_of(beat);
  auto told = client_.call(client::beat_worker(text), kAnswerMax);
  // Another connection than the one that it announced itself on, or the first one.
  if (!told && told.error().error.code == ErrorCode::not_found) {
    told = client_.call(client::announce_worker(announcement_), kAnswerMax);
    if (told) told = client_.call(client::beat_worker(text), kAnswerMax);
  }
  if (!told) return fail(std::move(told.error().error));
  return *told;
}

}  // namespace penstock::cli
