#include "cli/worker/presence.h"

#include "os/process_info.h"
#include "os/real_clock.h"
#include "task/worker_json.h"

namespace penstock::cli {
namespace {

// A server that takes longer is busy with something else than with who works.
constexpr Duration kAnswerMax = engine::kWorkerBeat;

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
    : client_(client), announcement_(detail::to_json(worker)) {}

Result<client::WorkerTold> Presence::say(const engine::WorkerBeat& beat) {
  const std::string text = detail::to_json(beat);
  auto told = client_.call(client::beat_worker(text), kAnswerMax);
  // Another connection than the one that it announced itself on, or the first one.
  if (!told && told.error().error.code == ErrorCode::not_found) {
    told = client_.call(client::announce_worker(announcement_), kAnswerMax);
    if (told) ++announced_, told = client_.call(client::beat_worker(text), kAnswerMax);
  }
  if (!told) return fail(std::move(told.error().error));
  return *told;
}

}  // namespace penstock::cli
