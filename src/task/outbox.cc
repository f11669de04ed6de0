// The part of the outbox that knows no database.
#include "penstock/outbox.hpp"

#include <condition_variable>
#include <mutex>

#include "task/core.h"
#include "task/outbox_row.h"

namespace penstock::outbox {
namespace {

constexpr std::size_t kDeclaredMax = 1024;

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
    app_.declare(row.queue, {.dedup_window = options_.dedup_window});
    if (declared_.size() >= kDeclaredMax) declared_.clear();
    declared_.insert(row.queue);
  }
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
  while (!stop.stop_requested()) {
    if (drain() > 0) continue;
    std::unique_lock lock(mutex);
    (void)stopped.wait_for(lock, stop, options_.every, [] { return false; });
  }
}

}  // namespace penstock::outbox
