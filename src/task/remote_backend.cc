// The queue behind a connection: the native protocol, spoken by client::Client.
//
// Times that come from the server are its own clock's; only differences to ours matter, and nothing
// here depends on them being small (see Attempt).
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stop_token>

#include "base/headers.h"
#include "base/text.h"
#include "broker/broker.h"
#include "client/api.h"
#include "os/real_clock.h"
#include "task/backend.h"
#include "task/schedule.h"
#include "task/workflow.h"
#include "wire/resp/packed.h"

namespace penstock::detail {
namespace {

using broker::Broker;

template <class T>
std::unexpected<Error> failed(const client::Answer<T>& answer) {
  return fail(answer.error().error);
}

broker::Refused to_refused(const client::Refusal& refusal) {
  return {refusal.queue, refusal.reason, refusal.message, refusal.retry_after};
}

Result<Deliveries> unpack(std::string_view rows) {
  Deliveries taken;
  auto storage = std::make_unique_for_overwrite<std::byte[]>(rows.size());
  std::ranges::copy(as_bytes(rows), storage.get());
  wire::resp::MessageReader reader(ByteView(storage.get(), rows.size()));
  while (const auto row = reader.next()) {
    taken.messages.push_back({.id = row->lease.id,
                              .lease = {row->lease.id, row->lease.delivery, row->lease.seal},
                              .queue = row->queue,
                              .attempts = row->attempts,
                              .priority = row->priority,
                              .task = find_header(row->headers, kTaskHeader).has_value(),
                              .enqueued_at = row->enqueued_at,
                              .deadline = row->deadline,
                              .expires_at = row->expires_at,
                              .group = row->group,
                              .headers = row->headers,
                              .body = row->body});
  }
  if (reader.damaged())
    return fail(ErrorCode::unsupported, "the server's packed messages have another shape",
                "client and server are of different versions");
  taken.storage.push_back(std::move(storage));
  return taken;
}

// A client of its own, so that its leases end with it.
class RemoteConsumer final : public Consumer {
 public:
  explicit RemoteConsumer(std::unique_ptr<client::Client> client) : client_(std::move(client)) {}

  Result<Deliveries> take(std::span<const std::string> queues, std::uint32_t max, Duration wait,
                          Duration lease) override {
    if (stopping_.stop_requested()) return Deliveries{};
    const auto request = client::receive_packed(queues, {.max = max, .wait = wait, .lease = lease});
    const auto answer = wait > Duration(0) ? client_->call_waiting(request, stopping_.get_token())
                                           : client_->call(request);
    if (!answer) return failed(answer);
    return unpack(*answer);
  }
  void stop() override { stopping_.request_stop(); }

  Result<std::uint64_t> settle(std::span<const Settlement> settlements) override;
  Result<void> extend(std::span<Extension> extensions) override;

 private:
  Result<std::uint64_t> settle_acks(std::span<const Settlement> settlements);
  Result<std::uint64_t> settle_other(const Settlement& settlement);

  std::unique_ptr<client::Client> client_;
  std::stop_source stopping_;
};

// Runs of acks go together; the rest is rare and goes one by one.
Result<std::uint64_t> RemoteConsumer::settle(std::span<const Settlement> settlements) {
  std::uint64_t lost = 0;
  while (!settlements.empty()) {
    const auto other = std::ranges::find_if(settlements, [](const Settlement& s) {
      return s.outcome != engine::Outcome::ack || s.replacement != nullptr;
    });
    const auto acks = static_cast<std::size_t>(other - settlements.begin());
    const auto answer =
        acks > 0 ? settle_acks(settlements.first(acks)) : settle_other(settlements.front());
    if (!answer) return answer;
    lost += *answer;
    settlements = settlements.subspan(std::max<std::size_t>(acks, 1));
  }
  return lost;
}

// In commands of some size: the server's limit is for the largest result.
Result<std::uint64_t> RemoteConsumer::settle_acks(std::span<const Settlement> settlements) {
  constexpr std::size_t kCommandBytes = 1u << 20;
  std::uint64_t settled = 0;
  std::size_t next = 0;
  Bytes rows;
  while (next < settlements.size()) {
    rows.clear();
    wire::resp::EndPacker packer(rows);
    const auto fits = [&](std::size_t more) { return rows.size() + more < kCommandBytes; };
    for (const auto first = next; next < settlements.size(); ++next) {
      const auto& [id, delivery, seal] = settlements[next].lease;
      const auto result = settlements[next].result;
      if (next > first && !fits(result.size())) break;
      packer.add({.lease = {id, delivery, seal}, .result = result});
    }
    const auto answer = client_->call(client::done_packed(as_text(rows)));
    if (!answer) return failed(answer);
    settled += *answer;
  }
  return settlements.size() - std::min<std::uint64_t>(settled, settlements.size());
}

Result<std::uint64_t> RemoteConsumer::settle_other(const Settlement& settlement) {
  const std::string lease = Broker::to_text(settlement.lease);
  const auto request = [&] {
    if (settlement.replacement != nullptr)
      return client::replace_task(lease,
                                  to_json(*settlement.replacement, make_real_clock()->now()));
    switch (settlement.outcome) {
      case engine::Outcome::nack:
        return client::nack(lease, settlement.delay, settlement.error,
                            engine::name_of(settlement.cause));
      case engine::Outcome::requeue:
        return client::nack(lease, Duration(0), settlement.error,
                            engine::name_of(settlement.cause));
      case engine::Outcome::reject:
        return client::reject(lease, settlement.error, engine::name_of(settlement.cause));
      case engine::Outcome::give_back:
        return client::give_back(lease);
      case engine::Outcome::decline:
        return client::decline_task(lease, settlement.error);
      case engine::Outcome::ack:
        break;
    }
    return client::ack(lease);
  }();
  const auto answer = client_->call(request);
  if (answer) return 0;
  if (answer.error().error.code == ErrorCode::conflict) return 1;
  return failed(answer);
}

Result<void> RemoteConsumer::extend(std::span<Extension> extensions) {
  for (auto& extension : extensions) {
    const std::string lease = Broker::to_text(extension.lease);
    const auto note = [&](const auto& answer) -> Result<void> {
      if (answer) return {};
      if (answer.error().error.code != ErrorCode::conflict) return failed(answer);
      extension.lost = true;
      return {};
    };
    if (extension.progress != nullptr) {
      const auto& progress = *extension.progress;
      const auto answer =
          client_->call(client::progress(lease, progress.value, progress.total, progress.text));
      if (auto noted = note(answer); !noted) return noted;
      if (answer) extension.cancelled = !*answer;
    } else {
      const auto answer = client_->call(client::extend(lease, extension.duration));
      if (auto noted = note(answer); !noted) return noted;
      if (!answer) continue;
      extension.cancelled = answer->cancelled;
      extension.deadline = answer->deadline;
    }
  }
  return {};
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
  const std::pair<std::string_view, std::uint64_t*> counters[] = {
      {"published", &made.published},
      {"delivered", &made.delivered},
      {"acked", &made.acked},
      {"nacked", &made.nacked},
      {"rejected", &made.rejected},
      {"returned", &made.returned},
      {"expired", &made.expired},
      {"dead_lettered", &made.dead_lettered},
      {"raised", &made.raised},
      {"timed_out", &made.timed_out},
      {"worker_lost", &made.worker_lost},
      {"killed", &made.killed},
      {"out_of_memory", &made.out_of_memory},
      {"refused_length", &made.refused_length},
      {"refused_bytes", &made.refused_bytes},
      {"refused_wait", &made.refused_wait},
      {"refused_dedup", &made.refused_dedup},
      {"refused_unique", &made.refused_unique},
      {"refused_throttle", &made.refused_throttle},
  };
  for (const auto& [name, value] : from.counters)
    for (const auto& [known, field] : counters)
      if (known == name) *field = value;
  if (made.refused() == 0) made.refused_length = from.refused;
  return made;
}

class Remote final : public Backend {
 public:
  Remote(client::Options options, std::unique_ptr<client::Client> client)
      : options_(std::move(options)), client_(std::move(client)), clock_(make_real_clock()) {}

  Result<PublishAnswer> publish(const Publishing& publishing,
                                std::span<const std::string_view> bodies) override;
  Result<std::unique_ptr<Consumer>> open_consumer() override;
  Result<PublishAnswer> submit(const engine::WorkflowInput& workflow) override;
  Result<void> resume_workflow(MessageId id) override;
  Result<OwnedStatus> task(MessageId id, Duration wait) override;
  Result<bool> cancel(MessageId id) override {
    const auto answer = ask(client::cancel_task(id));
    if (!answer) return fail(answer.error());
    return *answer > 0;
  }
  Result<bool> put_schedule(const Scheduling& scheduling) override;
  Result<void> remove_schedule(std::string_view name) override {
    return done(ask(client::remove_schedule(name)));
  }
  Result<void> pause_schedule(std::string_view name, bool paused) override {
    return done(ask(paused ? client::pause_schedule(name) : client::resume_schedule(name)));
  }
  Result<PublishAnswer> trigger_schedule(std::string_view name) override;
  Result<std::vector<ScheduleStatus>> schedules() override;
  Result<void> declare(std::string_view queue, const Options& options) override;
  Result<std::uint64_t> remove(std::string_view queue) override {
    return ask(client::remove_queue(queue));
  }
  Result<std::uint64_t> purge(std::string_view queue) override { return ask(client::purge(queue)); }
  Result<std::uint64_t> redrive(std::string_view queue, std::uint32_t max) override {
    return ask(client::redrive(queue, max));
  }
  Result<engine::QueueStatistics> queue(std::string_view name) override;
  Result<std::vector<engine::QueueStatistics>> queues() override;
  Time now() override { return clock_->now(); }
  void close() override { closing_.request_stop(); }

 private:
  [[nodiscard]] static Result<void> done(const Result<bool>& answer) {
    return answer ? Result<void>() : fail(answer.error());
  }
  template <class T>
  Result<T> ask(const client::Request<T>& request) {
    if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
    auto answer = client_->call(request);
    if (!answer) return failed(answer);
    return std::move(*answer);
  }
  template <class T>
  client::Answer<T> call(const client::Request<T>& request) {
    return request.wait > Duration(0) ? client_->call_waiting(request, closing_.get_token())
                                      : client_->call(request);
  }

  const client::Options options_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<Clock> clock_;
  std::stop_source closing_;
};

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
  if (publishing.task.empty()) {
    if (bodies.size() == 1)
      return to_answer(call(client::send(publishing.queue, bodies[0], options)));
    return to_answer(call(client::send_many(publishing.queue, bodies, options)));
  }
  if (bodies.size() == 1)
    return to_answer(call(client::submit(publishing.task, arguments_of(bodies[0]), {}, options)));
  std::vector<std::string_view> arguments;
  arguments.reserve(bodies.size());
  for (const auto body : bodies) arguments.push_back(arguments_of(body));
  return to_answer(call(client::submit_many(publishing.task, arguments, options)));
}

Result<PublishAnswer> Remote::submit(const engine::WorkflowInput& workflow) {
  if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
  const auto json = to_json(workflow, now());
  auto answer = call(client::submit_workflow(json));
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
  return std::make_unique<RemoteConsumer>(std::move(*client));
}

Result<OwnedStatus> Remote::task(MessageId id, Duration wait) {
  // The server answers a wait in pieces: a connection that dies in between is noticed.
  constexpr Duration kPiece = std::chrono::seconds(30);
  const Time start = now();
  const Time until = wait >= Time::max() - start ? Time::max() : start + wait;
  while (true) {
    if (closing_.stop_requested()) return fail(ErrorCode::closed, "the App is closed");
    const Duration left = std::clamp(until - now(), Duration(0), kPiece);
    auto answer = call(client::task(id, left));
    if (!answer) {
      if (answer.error().error.code != ErrorCode::not_found) return failed(answer);
      OwnedStatus unknown;
      unknown.status.id = id;
      return unknown;
    }
    if (answer->ended() || answer->state == "unknown" || now() >= until)
      return to_status(std::move(*answer));
  }
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

Result<void> Remote::declare(std::string_view queue, const Options& options) {
  const auto done = ask(client::declare(queue, options));
  if (!done) return fail(done.error());
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

}  // namespace

Result<std::unique_ptr<Backend>> connect_remote(const RemoteSettings& settings) {
  client::Options options;
  options.url = settings.url;
  options.name = settings.name;
  options.connect_timeout = settings.timeout;
  options.call_timeout = settings.timeout;
  auto client = client::Client::connect(options);
  if (!client) return fail(std::move(client.error()));
  return std::make_unique<Remote>(std::move(options), std::move(*client));
}

}  // namespace penstock::detail
