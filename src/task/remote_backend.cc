// What a connected App asks of its server.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "client/await.h"
#include "os/real_clock.h"
#include "task/remote.h"
#include "task/schedule.h"
#include "task/workflow.h"

namespace penstock::detail {
namespace {

broker::Refused to_refused(const client::Refusal& refusal) {
  return {refusal.queue, refusal.reason, refusal.message, refusal.retry_after};
}
engine::TaskState to_state(std::string_view text) {
  using enum engine::TaskState;
  constexpr std::array kStates{unknown, scheduled, queued,    running, retrying,
                               done,    failed,    cancelled, expired, waiting};
  for (const auto state : kStates)
    if (engine::name_of(state) == text) return state;
  return unknown;
}

OwnedStatus to_status(client::TaskStatus&& from) {
  OwnedStatus owned;
  owned.status.id = from.id;
  owned.status.state = to_state(from.state);
  owned.status.attempts = from.attempts;
  owned.status.enqueued_at = from.enqueued_at;
  owned.status.started_at = from.started_at;
  owned.status.finished_at = from.finished_at;
  owned.status.progress = {from.progress_value, from.progress_total, from.progress_text};
  owned.status.cancel_requested = from.cancel_requested;
  owned.name = std::move(from.name);
  owned.queue = std::move(from.queue);
  owned.result = std::move(from.result);
  owned.error = std::move(from.error);
  owned.history = std::move(from.history);
  owned.workflow = std::move(from.workflow);
  owned.declined = std::move(from.declined);
  owned.status.declined_count = from.declined_count;
  return owned;
}

engine::QueueStatistics to_statistics(const client::QueueStatistics& from) {
  engine::QueueStatistics made;
  made.name = from.name;
  made.ready = from.ready;
  made.leased = from.leased;
  made.scheduled = from.scheduled;
  made.bytes = from.bytes;
  made.in_system = from.in_system;
  made.arrival_rate = from.arrival_rate;
  made.service_rate = from.service_rate;
  made.service_rate_known = from.service_rate_known;
  made.mean_time = from.mean_time;
  made.predicted_wait = from.predicted_wait;
  made.oldest_age = from.oldest_age;
  made.consumers = static_cast<std::uint32_t>(from.consumers);
  for (const auto& [name, value] : from.options)
    (void)engine::set_option(made.options, name, value);  // of a newer server: not for us to judge
  made.options.paused = from.paused;
  for (const auto& [name, value] : from.counters)
    for (const auto& known : engine::queue_counters())
      if (known.name == name) made.*known.value = value;
  if (made.refused() == 0) made.refused_length = from.refused;
  return made;
}

void add_limit(const engine::KeyLimit& limit, client::SendOptions& options) {
  using engine::KeyRule;
  using engine::OnConflict;
  switch (limit.rule) {
    case KeyRule::none:
      return;
    case KeyRule::debounce:
      options.debounce = limit.key;
      options.debounce_delay = limit.time;
      options.max_wait = limit.max_wait;
      return;
    case KeyRule::throttle:
      options.throttle = limit.key;
      options.throttle_rate = fmt::format("{}/{}", limit.most, format_duration(limit.time));
      break;
    case KeyRule::unique_start:
    case KeyRule::unique_done:
    case KeyRule::unique_for:
      options.unique = limit.key;
      options.until = limit.rule == KeyRule::unique_start  ? "start"
                      : limit.rule == KeyRule::unique_done ? "done"
                                                           : format_duration(limit.time);
      break;
  }
  options.on_conflict = limit.on_conflict == OnConflict::give_known ? "return"
                        : limit.on_conflict == OnConflict::replace  ? "replace"
                        : limit.on_conflict == OnConflict::delay    ? "delay"
                                                                    : "reject";
}

client::TaskOptions to_options(const Publishing& publishing) {
  client::TaskOptions options;
  options.delay = publishing.delay;
  options.at = publishing.at;
  if (publishing.at != Time{}) options.delay = Duration(0);
  if (publishing.priority > 0) options.priority = publishing.priority;
  options.key = publishing.key;
  options.key_from = publishing.key_from.value_or(0);
  options.group = publishing.group;
  add_limit(publishing.limit, options);
  options.expires = publishing.expires;
  options.headers.assign(publishing.headers.begin(), publishing.headers.end());
  options.wait = publishing.hold;
  options.queue = publishing.queue;
  options.max_attempts = publishing.policy.max_attempts;
  options.backoff = publishing.policy.backoff;
  options.lease = publishing.policy.lease.value_or(Duration(0));
  options.result_ttl = publishing.policy.result_ttl;
  return options;
}

}  // namespace

Result<PublishAnswer> Remote::publish(const Publishing& publishing,
                                      std::span<const std::string_view> bodies) {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  const client::TaskOptions options = to_options(publishing);
  const auto to_answer = [](auto answer) -> Result<PublishAnswer> {
    if (answer) {
      if constexpr (requires { answer->size(); })
        return PublishAnswer(std::move(*answer));
      else
        return PublishAnswer(Ids{*answer});
    }
    if (answer.error().refusal)
      return PublishAnswer(std::unexpected(to_refused(*answer.error().refusal)));
    return failed(answer);
  };
  const bool alone = bodies.size() == 1 && !publishing.key_from;
  const auto patiently = [&](const auto& request) {
    return call_patiently(request, publishing.patience, !publishing.key.empty());
  };
  if (publishing.task.empty()) {
    if (alone) return to_answer(patiently(client::send(publishing.queue, bodies[0], options)));
    return to_answer(patiently(client::send_many(publishing.queue, bodies, options)));
  }
  if (alone)
    return to_answer(
        patiently(client::submit(publishing.task, arguments_of(bodies[0]), {}, options)));
  std::vector<std::string_view> arguments;
  arguments.reserve(bodies.size());
  for (const auto body : bodies) arguments.push_back(arguments_of(body));
  return to_answer(patiently(client::submit_many(publishing.task, arguments, options)));
}

Result<PublishAnswer> Remote::submit(const engine::WorkflowInput& workflow, Duration patience) {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  const auto json = to_json(workflow, now());
  auto answer = call_patiently(client::submit_workflow(json), patience, !workflow.key.empty());
  if (answer) return PublishAnswer(Ids{*answer});
  if (answer.error().refusal)
    return PublishAnswer(std::unexpected(to_refused(*answer.error().refusal)));
  return failed(answer);
}

Result<void> Remote::resume_workflow(MessageId id) {
  const auto answer = ask(client::resume_workflow(id));
  if (!answer) return fail(answer.error());
  return {};
}

Result<std::unique_ptr<Consumer>> Remote::open_consumer() {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  auto client = client::Client::connect(options_);
  if (!client) return fail(std::move(client.error()));
  return make_remote_consumer(std::move(*client));
}

// The server answers a wait in pieces: a connection that dies in between is noticed.
constexpr Duration kPiece = std::chrono::seconds(30);

Result<OwnedLog> Remote::log(MessageId id, std::uint64_t after, Duration wait) {
  const Time start = now();
  const Time until = wait >= Time::max() - start ? Time::max() : start + wait;
  client::Outage outage(*client_);
  while (true) {
    if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
    const Duration left = std::clamp(until - now(), Duration(0), kPiece);
    auto answer = call(client::task_log(id, after, left));
    if (!answer && outage.outlast(answer.error().error, until, closing_.get_token())) continue;
    if (!answer) return failed(answer);
    outage.over();
    if (answer->lines.empty() && !answer->ended && now() < until) continue;
    OwnedLog log{.lines = {}, .ended = answer->ended};
    for (auto& line : answer->lines)
      log.lines.push_back({line.number, line.attempt, line.at, std::move(line.text)});
    return log;
  }
}

Result<OwnedStatus> Remote::task(MessageId id, Duration wait) {
  auto answer = client::await_task(*client_, id, {.wait = wait}, closing_.get_token());
  const bool unfinished = !answer || (!answer->ended() && answer->state != "unknown");
  if (unfinished && closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  if (answer) return to_status(std::move(*answer));
  if (answer.error().error.code != ErrorCode::not_found) return failed(answer);
  OwnedStatus unknown;
  unknown.status.id = id;
  return unknown;
}

Result<bool> Remote::put_schedule(const Scheduling& scheduling) {
  client::ScheduleOptions options;
  static_cast<client::TaskOptions&>(options) = to_options(scheduling.publishing);
  options.zone = scheduling.zone;
  options.task = scheduling.publishing.task;
  options.args = arguments_of(scheduling.body);
  options.missed = engine::name_of(scheduling.missed);
  options.overlap = engine::name_of(scheduling.overlap);
  options.paused = scheduling.paused;
  return ask(client::put_schedule(scheduling.name, scheduling.when, options));
}

Result<PublishAnswer> Remote::trigger_schedule(std::string_view name) {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  const auto answer = client_->call(client::trigger_schedule(name));
  if (answer) return PublishAnswer(Ids{*answer});
  if (answer.error().refusal)
    return PublishAnswer(std::unexpected(to_refused(*answer.error().refusal)));
  return failed(answer);
}

Result<std::vector<ScheduleStatus>> Remote::schedules() {
  auto answer = ask(client::schedules());
  if (!answer) return fail(std::move(answer.error()));
  std::vector<ScheduleStatus> all;
  for (auto& schedule : *answer) all.push_back(schedule_status(std::move(schedule)));
  return all;
}

// What was declared twice is as if once.
Result<void> Remote::declare(std::string_view queue, const Options& options, Duration patience) {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  const auto done = call_patiently(client::declare(queue, options), patience, true);
  if (!done) return failed(done);
  return {};
}

Result<engine::QueueStatistics> Remote::queue(std::string_view name) {
  auto answer = ask(client::queue_statistics(name));
  if (!answer) return fail(std::move(answer.error()));
  return to_statistics(*answer);
}

Result<std::vector<engine::QueueStatistics>> Remote::queues() {
  auto answer = ask(client::all_queue_statistics());
  if (!answer) return fail(std::move(answer.error()));
  std::vector<engine::QueueStatistics> all;
  for (const auto& queue : *answer) all.push_back(to_statistics(queue));
  return all;
}

Result<std::unique_ptr<Backend>> connect_remote(const RemoteSettings& settings) {
  client::Options options;
  options.url = settings.url;
  options.name = settings.name;
  options.connect_timeout = settings.timeout;
  options.call_timeout = settings.timeout;
  auto client = client::Client::connect(options);
  if (!client) return fail(std::move(client.error()));
  return std::make_unique<Remote>(std::move(options), std::move(*client), make_real_clock());
}

}  // namespace penstock::detail
