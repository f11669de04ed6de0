// The part of the outbox that knows no database.
#include "penstock/outbox.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/text.h"
#include "task/core.h"
#include "task/failure.h"
#include "task/outbox_row.h"

namespace penstock::outbox {
namespace {

constexpr std::size_t kDeclaredMax = 1024;
// How long a row waits for room, or for a server that is away, before its drainer looks whether it
// should stop; how long that goes on; and how long it pauses between.
constexpr Duration kPatience = std::chrono::seconds(1);
constexpr Duration kPatienceOfRun = std::chrono::seconds(30);
constexpr Duration kPause = std::chrono::milliseconds(100);

}  // namespace

std::string detail::insert(Table& table, const penstock::detail::TaskDefinition& task,
                           const EnqueueOptions& options, std::string payload) {
  return table.insert({.task = task.name,
                       .queue = options.queue.empty() ? task.options.queue : options.queue,
                       .payload = std::move(payload),
                       .options = stored_options(task.options, options)});
}

Drainer::Drainer(App& app, Table& table, const DrainOptions& options)
    : app_(app), table_(table), options_(options) {}

void Drainer::publish(const Row& row) {
  auto told = detail::read_row(row);
  const auto task = penstock::detail::define_task(row.task, std::move(told.task), {});
  if (options_.dedup_window > Duration(0) && !declared_.contains(row.queue)) {
    const penstock::detail::Backend::Options options{
        {"dedup_window", format_duration(options_.dedup_window)}};
    penstock::detail::value_or_throw(app_.core_->backend().declare(row.queue, options, kPatience));
    if (declared_.size() >= kDeclaredMax) declared_.clear();
    declared_.insert(row.queue);
  }
  told.enqueue.patience = kPatience;
  penstock::detail::Payloads payload{.text = row.payload, .ends = {}};
  payload.close();
  (void)penstock::detail::enqueue(*app_.core_, *task, told.enqueue, payload);
}

std::size_t Drainer::drain(std::size_t max) {
  std::size_t published = 0;
  for (const auto& row : table_.oldest(max)) {
    try {
      publish(row);
    } catch (const InvalidInput& wrong) {
      table_.set_aside(row.id, wrong.what());
      continue;
    }
    table_.remove(row.id);
    ++published;
  }
  return published;
}

void Drainer::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  auto& core = *app_.core_;
  std::optional<Time> failing_since;
  // Throws what is being handled, once it has gone on for long, or the App is closed.
  const auto pause = [&] {
    if (!failing_since) failing_since = core.backend().now();
    if (core.backend().now() - *failing_since > kPatienceOfRun || !core.wait(kPause)) throw;
  };
  while (!stop.stop_requested()) {
    try {
      const auto published = drain();
      failing_since.reset();
      if (published > 0) continue;
    } catch (const Refused&) {
      pause();
      continue;
    } catch (const Closed&) {
      pause();
      continue;
    }
    std::unique_lock lock(mutex);
    (void)stopped.wait_for(lock, stop, options_.every, [] { return false; });
  }
}

}  // namespace penstock::outbox
