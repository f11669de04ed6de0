#include "penstock/app.hpp"

#include <fmt/format.h>

#include <tuple>

#include "base/text.h"
#include "flow/zone.h"
#include "task/core.h"
#include "task/failure.h"
#include "task/isolate/zygote.h"
#include "task/message_state.h"
#include "task/trace.h"
#include "task/worker_pool.h"

namespace penstock {
namespace detail {
namespace {

constexpr std::uint8_t kPriorityMax = 9;

engine::Policy to_policy(const TaskOptions& options) {
  engine::Policy policy;
  policy.max_attempts = options.max_attempts;
  if (options.backoff) policy.backoff = to_backoff(*options.backoff);
  policy.lease = options.lease;
  policy.result_ttl = options.result_ttl;
  return policy;
}

engine::OnConflict to_on_conflict(OnConflict on_conflict) {
  switch (on_conflict) {
    case OnConflict::reject:
      return engine::OnConflict::reject;
    case OnConflict::return_known:
      return engine::OnConflict::give_known;
    case OnConflict::replace:
      return engine::OnConflict::replace;
    case OnConflict::delay:
      return engine::OnConflict::delay;
  }
  return engine::OnConflict::reject;
}

// Views what `options` holds.
template <class Options>
engine::KeyLimit to_limit(const Options& options) {
  const auto& [unique, debounce, throttle] =
      std::tie(options.unique, options.debounce, options.throttle);
  if (unique.has_value() + debounce.has_value() + throttle.has_value() > 1)
    throw InvalidInput("a task is unique, debounced or throttled: give one of the three");
  engine::KeyLimit limit;
  if (unique && unique->time < Duration(0)) throw InvalidInput("Unique::time is negative");
  if (unique) {
    limit = {engine::KeyRule::unique_done, to_on_conflict(unique->on_conflict), unique->key};
    if (unique->until == Unique::Until::start) limit.rule = engine::KeyRule::unique_start;
    if (unique->time > Duration(0)) limit.rule = engine::KeyRule::unique_for;
    limit.time = unique->time;
  } else if (debounce) {
    limit = {engine::KeyRule::debounce, {}, debounce->key, debounce->delay, debounce->max_wait};
  } else if (throttle) {
    limit = {engine::KeyRule::throttle, to_on_conflict(throttle->on_conflict), throttle->key};
    limit.time = throttle->period;
    limit.most = throttle->most;
  }
  if (auto good = engine::check(limit); !good) throw InvalidInput(good.error().message);
  return limit;
}

void check_priority(std::uint8_t priority) {
  if (priority > kPriorityMax)
    throw InvalidInput(fmt::format("priority {}: it must be 0 to 9", priority));
}

// A time that was computed, and is over: without a word it would mean none at all.
void check_times(Duration delay, const std::optional<Duration>& expires) {
  if (delay < Duration(0))
    throw InvalidInput(fmt::format("delay {} ms: it must not be negative", delay.count() / 1000));
  if (expires && *expires <= Duration(0))
    throw InvalidInput(
        fmt::format("expires {} ms: it must be in the future", expires->count() / 1000));
}

Publishing to_sending(std::string_view queue, const SendOptions& options,
                      const SentHeaders& headers) {
  Publishing publishing;
  publishing.queue = queue;
  publishing.headers = headers.view();
  publishing.priority = options.priority;
  check_priority(options.priority);
  check_times(options.delay, options.expires);
  publishing.delay = options.delay;
  if (options.at) publishing.at = to_time(*options.at);
  publishing.expires = options.expires.value_or(Duration(0));
  publishing.key = options.key;
  publishing.group = options.group;
  publishing.limit = to_limit(options);
  return publishing;
}

std::vector<std::string_view> views_of(const Payloads& payloads) {
  std::vector<std::string_view> views;
  views.reserve(payloads.ends.size());
  std::size_t begin = 0;
  for (const auto end : payloads.ends) {
    views.push_back(std::string_view(payloads.text).substr(begin, end - begin));
    begin = end;
  }
  return views;
}

std::string_view text_of(Overflow overflow) {
  switch (overflow) {
    case Overflow::reject:
      return "reject";
    case Overflow::block:
      return "block";
    case Overflow::drop_oldest:
      return "drop_oldest";
    case Overflow::dead_letter:
      return "dead_letter";
  }
  return "reject";
}

Backend::Options to_patch(const QueueOptions& options) {
  Backend::Options patch;
  const auto add = [&](const char* name, const auto& value, auto to_text) {
    if (value) patch.emplace_back(name, to_text(*value));
  };
  const auto number = [](auto value) { return fmt::format("{}", value); };
  add("max_length", options.max_length, number);
  add("max_bytes", options.max_bytes, number);
  add("max_wait", options.max_wait, format_duration);
  add("overflow", options.overflow, [](Overflow o) { return std::string(text_of(o)); });
  add("ttl", options.ttl, format_duration);
  add("max_attempts", options.max_attempts, number);
  add("max_raised", options.max_raised, number);
  add("max_timed_out", options.max_timed_out, number);
  add("max_worker_lost", options.max_worker_lost, number);
  add("max_killed", options.max_killed, number);
  add("max_out_of_memory", options.max_out_of_memory, number);
  add("backoff", options.backoff,
      [](const Backoff& b) { return engine::format_backoff(to_backoff(b)); });
  add("dead_letter", options.dead_letter, [](const std::string& name) { return name; });
  add("dedup_window", options.dedup_window, format_duration);
  add("lease", options.lease, format_duration);
  add("rate", options.rate, number);
  add("group_limit", options.group_limit, number);
  add("group_rate", options.group_rate, number);
  add("paused", options.paused, [](bool paused) { return paused ? "true" : "false"; });
  return patch;
}

QueueStatistics to_statistics(const engine::QueueStatistics& queue) {
  QueueStatistics made;
  made.name = queue.name;
  made.ready = queue.ready;
  made.leased = queue.leased;
  made.scheduled = queue.scheduled;
  made.bytes = queue.bytes;
  made.in_system = queue.in_system;
  made.arrival_rate = queue.arrival_rate;
  made.service_rate = queue.service_rate;
  made.mean_time = queue.mean_time;
  made.predicted_wait = queue.predicted_wait;
  made.oldest_age = queue.oldest_age;
  made.max_wait = queue.options.max_wait;
  made.paused = queue.options.paused;
  made.published = queue.published;
  made.delivered = queue.delivered;
  made.acked = queue.acked;
  made.nacked = queue.nacked;
  made.rejected = queue.rejected;
  made.returned = queue.returned;
  made.expired = queue.expired;
  made.dead_lettered = queue.dead_lettered;
  made.refused = queue.refused();
  made.raised = queue.raised;
  made.timed_out = queue.timed_out;
  made.worker_lost = queue.worker_lost;
  made.killed = queue.killed;
  made.out_of_memory = queue.out_of_memory;
  return made;
}

}  // namespace

Publishing to_publishing(const TaskDefinition& task, const EnqueueOptions& options) {
  Publishing publishing;
  publishing.queue = options.queue.empty() ? task.options.queue : options.queue;
  publishing.task = task.name;
  publishing.headers = options.headers;
  publishing.priority = options.priority.value_or(task.options.priority);
  check_priority(publishing.priority);
  check_times(options.delay, options.expires);
  publishing.delay = options.delay;
  if (options.at) publishing.at = to_time(*options.at);
  publishing.expires = options.expires.value_or(Duration(0));
  publishing.key = options.key;
  publishing.group = options.group;
  publishing.limit = to_limit(options);
  publishing.policy = to_policy(task.options);
  return publishing;
}

std::shared_ptr<const TaskDefinition> define_task(std::string name, TaskOptions options,
                                                  RunTask run, ReadArguments read) {
  if (auto valid = valid_name(name, "task name"); !valid) throw_error(valid.error());
  if (auto valid = valid_name(options.queue, "queue name"); !valid) throw_error(valid.error());
  check_priority(options.priority);
  auto task = std::make_shared<const TaskDefinition>(
      TaskDefinition{std::move(name), std::move(options), std::move(run), std::move(read)});
  if (task->run && task->options.isolation == Isolation::process) note_isolated_task(task);
  return task;
}

namespace {

// Runs `publish` inside of the middleware; it fills in the call's ids or refusal.
template <class Publish>
EnqueueCall enqueue_inside(const Chain& chain, const TaskDefinition& task,
                           const EnqueueOptions& options, const Payloads& payloads,
                           const Publish& publish) {
  std::vector<std::string_view> arguments = views_of(payloads);
  for (auto& one : arguments) one = arguments_of(one);
  EnqueueCall call{.task = task.name, .arguments = arguments, .options = options};
  const auto rest = [&] { publish(call); };
  run_inside(chain, 0, &Middleware::enqueue, call, rest);
  if (!call.refusal && call.ids.size() != arguments.size())
    throw Conflict(
        fmt::format("enqueue {}: a middleware did not call next(), or kept what it threw to itself",
                    task.name));
  call.arguments = {};
  return call;
}

}  // namespace

std::vector<std::uint64_t> enqueue(Core& core, const TaskDefinition& task,
                                   const EnqueueOptions& options, const Payloads& payloads) {
  const auto publish = [&](const EnqueueOptions& asked) {
    const SentHeaders headers(asked);
    Publishing publishing = to_publishing(task, asked);
    publishing.headers = headers.view();
    publishing.expires = expires_with_task(publishing.expires, core.backend().now());
    return core.publish(std::move(publishing), views_of(payloads), asked.patience);
  };
  if (!core.has_middleware()) return publish(options);
  const auto registry = core.registry();
  return enqueue_inside(registry->middleware, task, options, payloads,
                        [&](EnqueueCall& call) { call.ids = publish(call.options); })
      .ids;
}

std::expected<std::uint64_t, Refusal> try_enqueue(Core& core, const TaskDefinition& task,
                                                  const EnqueueOptions& options,
                                                  const Payloads& payload) {
  const auto publish = [&](const EnqueueOptions& asked) {
    const SentHeaders headers(asked);
    Publishing publishing = to_publishing(task, asked);
    publishing.headers = headers.view();
    publishing.expires = expires_with_task(publishing.expires, core.backend().now());
    return core.try_publish(publishing, payload.text);
  };
  if (!core.has_middleware()) return publish(options);
  const auto registry = core.registry();
  EnqueueCall call =
      enqueue_inside(registry->middleware, task, options, payload, [&](EnqueueCall& inner) {
        const auto id = publish(inner.options);
        if (id)
          inner.ids = {*id};
        else
          inner.refusal = id.error();
      });
  if (call.refusal) return std::unexpected(std::move(*call.refusal));
  return call.ids.front();
}

bool schedule(Core& core, std::string_view name, const When& when, const ScheduleOptions& how,
              const TaskDefinition& task, const EnqueueOptions& options, const Payloads& payload) {
  if (options.delay != Duration(0) || options.at || options.expires)
    throw InvalidInput("a schedule says itself when: delay, at and expires have no meaning for it");
  Scheduling scheduling;
  scheduling.name = name;
  scheduling.when = when.text;
  scheduling.zone = when.zone;
  scheduling.publishing = to_publishing(task, options);
  if (scheduling.publishing.limit.rule != engine::KeyRule::none)
    throw InvalidInput("what a schedule submits is not unique, debounced or throttled");
  scheduling.body = payload.text;
  scheduling.missed = static_cast<engine::Missed>(how.missed);
  scheduling.overlap = static_cast<engine::Overlap>(how.overlap);
  scheduling.paused = how.paused;
  return value_or_throw(core.backend().put_schedule(scheduling));
}

}  // namespace detail

// ---- App

App App::embedded(const std::filesystem::path& directory, const EmbeddedOptions& options) {
  auto zygote = detail::current_zygote();  // before there are threads
  App app(std::make_shared<detail::Core>(
      detail::value_or_throw(detail::open_embedded({.directory = directory.string(),
                                                    .max_message_bytes = options.max_message_bytes,
                                                    .max_results = options.max_results,
                                                    .result_ttl = options.result_ttl}))));
  app.core_->isolate_by(std::move(zygote));
  return app;
}

App App::connect(std::string_view url, const ConnectOptions& options) {
  auto zygote = detail::current_zygote();
  App app(std::make_shared<detail::Core>(detail::value_or_throw(detail::connect_remote(
      {.url = std::string(url), .name = options.name, .timeout = options.timeout}))));
  app.core_->isolate_by(std::move(zygote));
  return app;
}

App::App(std::shared_ptr<detail::Core> core) : core_(std::move(core)) {}
App::App(App&&) noexcept = default;
App& App::operator=(App&& other) noexcept {
  if (this == &other) return *this;
  close();
  core_ = std::move(other.core_);
  return *this;
}
App::~App() {
  close();
}

void App::close() {
  if (core_ != nullptr) core_->close();
}

void App::add_definition(const std::shared_ptr<const detail::TaskDefinition>& definition) {
  core_->add(definition);
}

void App::use(Middleware middleware) {
  core_->use(std::move(middleware));
}

Workers App::work(const WorkerOptions& options) {
  if (core_->closed()) throw Closed("the App is closed");
  if (!core_->backend().waits())
    throw Conflict("an App of penstock::testing has no workers",
                   "its tasks are run by run_until_idle(), on the calling thread");
  auto pool = std::make_shared<detail::WorkerPool>(core_, options);
  core_->register_pool(pool);
  return Workers(std::move(pool));
}

std::uint64_t App::send(std::string_view queue, std::string_view body, const SendOptions& options) {
  return send_many(queue, std::span(&body, 1), options).front();
}

std::expected<std::uint64_t, Refusal> App::try_send(std::string_view queue, std::string_view body,
                                                    const SendOptions& options) {
  const detail::SentHeaders headers(options.headers);
  return core_->try_publish(detail::to_sending(queue, options, headers), body);
}

std::vector<std::uint64_t> App::send_many(std::string_view queue,
                                          std::span<const std::string_view> bodies,
                                          const SendOptions& options) {
  const detail::SentHeaders headers(options.headers);
  return core_->publish(detail::to_sending(queue, options, headers), bodies, options.patience);
}

std::vector<Message> App::receive(std::string_view queue, const ReceiveOptions& options) {
  const std::string name(queue);
  if (options.wait > Duration(0)) core_->need_queue(name);
  auto taken = std::make_shared<const detail::Deliveries>(detail::value_or_throw(
      core_->receiver().take(std::span(&name, 1), options.max, options.wait, options.lease)));
  std::vector<Message> messages;
  messages.reserve(taken->messages.size());
  for (const auto& delivery : taken->messages)
    messages.emplace_back(std::make_unique<detail::MessageState>(
        detail::MessageState{core_, taken, &delivery, delivery.deadline}));
  return messages;
}

std::size_t App::ack(std::span<Message> messages) {
  std::vector<detail::Settlement> settlements;
  std::size_t lost = 0;
  for (auto& message : messages) {
    if (message.settled()) {
      ++lost;
      continue;
    }
    message.state_->settled = true;
    settlements.push_back(
        {.lease = message.state_->delivery->lease, .outcome = engine::Outcome::ack});
  }
  if (settlements.empty()) return lost;
  lost += detail::value_or_throw(core_->receiver().settle(settlements));
  for (const auto& settlement : settlements)
    if (settlement.refused) detail::throw_error(*settlement.refused);
  return lost;
}

void App::declare(std::string_view queue, const QueueOptions& options) {
  detail::value_or_throw(core_->backend().declare(queue, detail::to_patch(options),
                                                  detail::Backend::kPatienceToDeclare));
}

QueueStatistics App::queue(std::string_view name) {
  return detail::to_statistics(detail::value_or_throw(core_->backend().queue(name)));
}

std::uint64_t App::remove(std::string_view queue) {
  core_->forget_queue(queue);
  return detail::value_or_throw(core_->backend().remove(queue));
}

std::uint64_t App::purge(std::string_view queue) {
  return detail::value_or_throw(core_->backend().purge(queue));
}

std::uint64_t App::redrive(std::string_view queue, std::uint32_t max) {
  return detail::value_or_throw(core_->backend().redrive(queue, max));
}

// Declaring makes a queue that is not there; pausing must not.
void App::pause(std::string_view queue) {
  detail::value_or_throw(core_->backend().queue(queue));
  declare(queue, {.paused = true});
}

void App::resume(std::string_view queue) {
  detail::value_or_throw(core_->backend().queue(queue));
  declare(queue, {.paused = false});
}

std::vector<QueueStatistics> App::queues() {
  std::vector<QueueStatistics> all;
  for (const auto& queue : detail::value_or_throw(core_->backend().queues()))
    all.push_back(detail::to_statistics(queue));
  return all;
}

}  // namespace penstock
