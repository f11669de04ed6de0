// What an App in this process asks of its broker.
#include <fmt/format.h>

#include "base/headers.h"
#include "os/file.h"
#include "os/memory_directory.h"
#include "os/real_clock.h"
#include "task/embedded.h"
#include "task/schedule.h"

namespace penstock::detail {
namespace {

// Of a log in memory: small, because every segment lies there twice, as written and as synced.
constexpr std::uint64_t kMemorySegmentBytes = 4ull << 20;
constexpr std::uint64_t kMemoryMessageBytesMax = 1ull << 20;
// In the memory of somebody else's program.
constexpr std::uint64_t kEmbeddedCacheBytes = 16ull << 20;

Result<PublishAnswer> to_publish_answer(const Reply& reply) {
  if (const auto* published = std::get_if<broker::Published>(&reply))
    return PublishAnswer(Ids(published->ids.begin(), published->ids.end()));
  if (const auto* refused = std::get_if<broker::Refused>(&reply))
    return PublishAnswer(std::unexpected(*refused));
  return unexpected_reply();
}

}  // namespace

Result<std::unique_ptr<Backend>> Embedded::open(const EmbeddedSettings& settings) {
  const auto context = fmt::format("open {}", settings.directory);
  auto self = std::unique_ptr<Embedded>(new Embedded());
  auto directory = open_directory(settings.directory);
  if (!directory) return fail(std::move(directory.error()).at(context));
  self->directory_ = std::move(*directory);
  self->clock_ = make_real_clock();
  self->random_ = make_real_random();
  broker::Options options;
  options.max_message_bytes = self->max_message_bytes_ = settings.max_message_bytes;
  options.max_results = settings.max_results;
  options.default_result_ttl = settings.result_ttl;
  options.journal.tail_cache_bytes = kEmbeddedCacheBytes;
  options.sole_owner = true;
  auto broker = Broker::open(*self->directory_, *self->clock_, *self->random_, options);
  if (!broker) return fail(std::move(broker.error()).at(context));
  self->operations_ =
      std::make_unique<OperationQueue>(std::make_unique<broker::Driver>(std::move(*broker)));
  auto session = self->open_session();
  if (!session) return fail(std::move(session.error()).at(context));
  self->session_ = *session;
  return self;
}

Result<InMemory> Embedded::open(MemorySettings settings) {
  auto self = std::unique_ptr<Embedded>(new Embedded());
  self->directory_ = std::make_unique<MemoryDirectory>();
  self->clock_ = std::move(settings.clock);
  self->random_ = std::move(settings.random);
  self->hooks_ = settings.hooks;
  broker::Options options;
  options.max_message_bytes = self->max_message_bytes_ = kMemoryMessageBytesMax;
  options.journal.segment_bytes = kMemorySegmentBytes;
  options.journal.tail_cache_bytes = 1 << 20;  // the directory is memory, too
  options.journal.reserve_bytes = 0;
  options.journal.parity = false;
  options.journal.scrub_interval = Duration(0);
  auto broker = Broker::open(*self->directory_, *self->clock_, *self->random_, options);
  if (!broker) return fail(std::move(broker.error()).at("open in memory"));
  Broker* opened = broker->get();
  self->operations_ = std::make_unique<DirectOperations>(std::move(*broker));
  auto session = self->open_session();
  if (!session) return fail(std::move(session.error()).at("open in memory"));
  self->session_ = *session;
  return InMemory{std::move(self), opened};
}

Result<PublishAnswer> Embedded::publish(const Publishing& publishing,
                                        std::span<const std::string_view> bodies) {
  if (hooks_ != nullptr)
    if (auto refused = hooks_->before(publishing, bodies.size()))
      return PublishAnswer(std::unexpected(std::move(*refused)));
  HeaderWriter headers;
  if (!publishing.task.empty()) headers.add(kTaskHeader, publishing.task);
  for (const auto& [name, value] : publishing.headers) headers.add(name, value);
  engine::MessageInput common;
  common.headers = headers.view();
  common.priority = publishing.priority;
  common.task = !publishing.task.empty();
  const Time current = now();
  if (publishing.at != Time{})
    common.not_before = publishing.at;
  else if (publishing.delay > Duration(0))
    common.not_before = after(current, publishing.delay);
  if (publishing.expires > Duration(0)) common.expires_at = after(current, publishing.expires);
  common.group = publishing.group;
  common.limit = publishing.limit;
  common.policy = publishing.policy;
  std::vector<engine::MessageInput> messages(bodies.size(), common);
  std::vector<std::string> keys(publishing.key.empty() ? 0 : bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    messages[i].body = as_bytes(bodies[i]);
    if (!keys.empty()) messages[i].key = keys[i] = key_of(publishing, i);
  }
  const engine::Publish publish{publishing.queue, messages};

  auto answer = ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) {
        if (publishing.hold > Duration(0))
          broker.publish_wait(session_, tag, publish, after(current, publishing.hold));
        else
          broker.publish(session_, tag, publish);
      },
      to_publish_answer);
  if (hooks_ != nullptr && answer && *answer) hooks_->after(publishing, bodies, **answer);
  return answer;
}

Result<PublishAnswer> Embedded::submit(const engine::WorkflowInput& workflow, Duration) {
  auto answer = ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) { broker.submit(session_, tag, workflow); },
      to_publish_answer);
  if (hooks_ != nullptr && answer && *answer) hooks_->submitted(workflow);
  return answer;
}

Result<void> Embedded::resume_workflow(MessageId id) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.resume_workflow(session_, tag, id); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<OwnedStatus> Embedded::task(MessageId id, Duration wait) {
  const Time until = waits() ? after(now(), wait) : now();
  return ask_for<OwnedStatus, broker::TaskStatus>(
      [&](Broker& broker, broker::Tag tag) { broker.task(session_, tag, id, until); },
      [](const broker::TaskStatus& status) {
        return OwnedStatus{status,
                           std::string(status.name),
                           std::string(status.queue),
                           std::string(status.result),
                           std::string(status.error),
                           std::string(status.history),
                           std::string(status.workflow),
                           std::string(status.declined)};
      });
}

Result<OwnedLog> Embedded::log(MessageId id, std::uint64_t behind, Duration wait) {
  const Time until = waits() ? after(now(), wait) : now();
  return ask_for<OwnedLog, broker::TaskLog>(
      [&](Broker& broker, broker::Tag tag) { broker.task_log(session_, tag, id, behind, until); },
      [](const broker::TaskLog& log) {
        return OwnedLog{{log.lines.begin(), log.lines.end()}, log.ended};
      });
}

Result<bool> Embedded::cancel(MessageId id) {
  return ask_for<bool, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.cancel_task(session_, tag, id); },
      [](const broker::Done& done) { return done.count > 0; });
}

Result<bool> Embedded::put_schedule(const Scheduling& scheduling) {
  const auto& publishing = scheduling.publishing;
  HeaderWriter headers;
  if (!publishing.task.empty()) headers.add(kTaskHeader, publishing.task);
  for (const auto& [name, value] : publishing.headers) headers.add(name, value);
  engine::ScheduleSpec spec;
  spec.name = scheduling.name;
  spec.when = scheduling.when;
  spec.zone = scheduling.zone;
  spec.queue = publishing.queue;
  spec.body = as_bytes(scheduling.body);
  spec.headers = headers.view();
  spec.priority = publishing.priority;
  spec.task = !publishing.task.empty();
  spec.key = publishing.key;
  spec.group = publishing.group;
  spec.policy = publishing.policy;
  spec.missed = scheduling.missed;
  spec.overlap = scheduling.overlap;
  spec.paused = scheduling.paused;
  if (hooks_ != nullptr) hooks_->scheduled(publishing.queue);
  return ask_for<bool, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.put_schedule(session_, tag, spec); },
      [](const broker::Done& done) { return done.created; });
}

Result<void> Embedded::remove_schedule(std::string_view name) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.remove_schedule(session_, tag, name); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<void> Embedded::pause_schedule(std::string_view name, bool paused) {
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.pause_schedule(session_, tag, name, paused); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<PublishAnswer> Embedded::trigger_schedule(std::string_view name) {
  return ask<PublishAnswer>(
      [&](Broker& broker, broker::Tag tag) { broker.trigger_schedule(session_, tag, name); },
      to_publish_answer);
}

Result<std::vector<ScheduleStatus>> Embedded::schedules() {
  Result<std::vector<ScheduleStatus>> all = closed();
  on_broker([&](Broker& broker) {
    const auto found = broker.schedules(session_);
    if (!found) {
      all = fail(found.error());
      return;
    }
    all.emplace();
    for (const auto* schedule : *found) all->push_back(schedule_status(*schedule));
  });
  return all;
}

Result<void> Embedded::declare(std::string_view queue, const Options& options, Duration) {
  std::vector<std::pair<std::string_view, std::string_view>> patch(options.begin(), options.end());
  return ask_for<void, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.declare(session_, tag, queue, patch); },
      [](const broker::Done&) { return Result<void>(); });
}

Result<std::uint64_t> Embedded::remove(std::string_view queue) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.remove(session_, tag, queue); },
      [](const broker::Done& done) { return done.count; });
}

Result<std::uint64_t> Embedded::purge(std::string_view queue) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.purge(session_, tag, queue); },
      [](const broker::Done& done) { return done.count; });
}

Result<std::uint64_t> Embedded::redrive(std::string_view queue, std::uint32_t max) {
  return ask_for<std::uint64_t, broker::Done>(
      [&](Broker& broker, broker::Tag tag) { broker.redrive(session_, tag, queue, max); },
      [](const broker::Done& done) { return done.count; });
}

Result<engine::QueueStatistics> Embedded::queue(std::string_view name) {
  return ask_for<engine::QueueStatistics, broker::Queues>(
      [&](Broker& broker, broker::Tag tag) { broker.queue(session_, tag, name); },
      [](const broker::Queues& found) -> Result<engine::QueueStatistics> {
        if (found.queues.empty()) return unexpected_reply();
        return found.queues.front();
      });
}

Result<std::vector<engine::QueueStatistics>> Embedded::queues() {
  using All = std::vector<engine::QueueStatistics>;
  return ask_for<All, broker::Queues>(
      [&](Broker& broker, broker::Tag tag) { broker.queues(session_, tag); },
      [](const broker::Queues& found) { return All(found.queues.begin(), found.queues.end()); });
}
Result<std::unique_ptr<Consumer>> Embedded::open_consumer() {
  auto session = open_session();
  if (!session) return fail(std::move(session.error()));
  return make_embedded_consumer(*this, *session);
}

Result<std::unique_ptr<Backend>> open_embedded(const EmbeddedSettings& settings) {
  return Embedded::open(settings);
}

Result<InMemory> open_in_memory(MemorySettings settings) {
  return Embedded::open(std::move(settings));
}

}  // namespace penstock::detail
