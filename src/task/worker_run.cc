// The worker threads: claim a task, run it, hand over what became of it.
#include <fmt/format.h>

#include "base/headers.h"
#include "base/text.h"
#include "penstock/app.hpp"
#include "task/execute.h"
#include "task/worker_pool.h"

namespace penstock::detail {

const broker::Delivery* WorkerPool::Batch::claim() {
  if (spent()) return nullptr;  // or `next` would run on for ever
  const std::uint32_t index = next.fetch_add(1);
  return index < deliveries.messages.size() ? &deliveries.messages[index] : nullptr;
}

void WorkerPool::work(Worker& worker) {
  while (const broker::Delivery* delivery = claim(worker)) run(worker, *delivery);
}

const broker::Delivery* WorkerPool::claim(Worker& worker) {
  while (true) {
    if (worker.batch != nullptr) {
      if (const broker::Delivery* delivery = worker.batch->claim()) {
        if (waiting_.fetch_sub(1) - 1 == low_water_) {
          const std::lock_guard lock(mutex_);
          fetch_more_.notify_one();
        }
        return delivery;
      }
      worker.batch.reset();
    }
    worker.at = Time{};
    std::unique_lock lock(mutex_);
    while (!batches_.empty() && batches_.front()->spent()) batches_.pop_front();
    if (stopping_ || active_ > target_) {
      --active_;
      worker.active = false;
      workers_ended_.notify_all();
      return nullptr;
    }
    if (!batches_.empty()) {
      worker.batch = batches_.front();
      continue;
    }
    ++idle_;
    fetch_more_.notify_one();
    work_arrived_.wait(lock);
    --idle_;
  }
}

const TaskDefinition* WorkerPool::find_task(Worker& worker, std::string_view name) {
  const auto version = core_->registry_version();
  if (worker.registry == nullptr || worker.registry_version != version) {
    worker.registry = core_->registry();
    worker.registry_version = version;
  }
  return worker.registry->find(name);
}

void WorkerPool::run(Worker& worker, const broker::Delivery& delivery) {
  Finished finished{.lease = delivery.lease};
  const auto name = find_header(delivery.headers, kTaskHeader);
  const TaskDefinition* definition = name ? find_task(worker, *name) : nullptr;
  if (definition == nullptr) {
    finished.outcome = engine::Outcome::decline;
    finished.text = name ? fmt::format("unknown task `{}`", *name)
                         : "a plain message, and no task: it has no `penstock-task` header";
    return hand_over(worker, std::move(finished), Duration(0));
  }
  const Time start = worker.at != Time{} ? worker.at : now();
  worker.attempt.begin(delivery, *name, timeouts_of(*definition, delivery), start);
  const bool isolated = definition->options.isolation == Isolation::process;
  Ending ending = execute(*definition, *core_, worker.registry->middleware, worker.attempt,
                          isolated ? processes_.get() : nullptr);
  finished.outcome = ending.outcome;
  finished.lost = ending.lost;
  finished.delay = ending.delay;
  finished.cause = ending.cause;
  finished.text = std::move(ending.text);
  finished.replacement = std::move(ending.replacement);
  finished.words = std::move(ending.words);
  worker.at = now();
  hand_over(worker, std::move(finished), worker.at - start);
}

std::uint64_t WorkerPool::enqueue(const TaskDefinition& task, const EnqueueOptions& options,
                                  std::string payload) {
  Payloads one{.text = std::move(payload), .ends = {}};
  one.close();
  return detail::enqueue(*core_, task, options, one).front();
}

void WorkerPool::hand_over(Worker& worker, Finished finished, Duration busy) {
  if (finished.outcome != engine::Outcome::ack)
    finished.text = to_valid_utf8(std::move(finished.text));
  {
    const std::lock_guard lock(worker.mutex);
    if (finished.outcome != engine::Outcome::decline) {
      worker.busy += busy;
      ++worker.ran;
    }
    worker.finished.push_back(std::move(finished));
  }
  settle_soon();
}

}  // namespace penstock::detail
