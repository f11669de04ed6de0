#include "cli/worker/worker_pool.h"

#include <algorithm>
#include <utility>

#include "base/headers.h"
#include "base/text.h"
#include "base/trace_context.h"
#include "cli/interrupt.h"
#include "cli/worker/task_voice.h"
#include "os/process_info.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTakeWait = 20s;
constexpr Duration kRetryFirst = 100ms;
constexpr Duration kRetryLast = 2s;
constexpr std::uint32_t kTakenMax = 256;

// Connections come and go; everything else will be the same at the next try.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::closed || code == ErrorCode::timeout || code == ErrorCode::busy ||
         code == ErrorCode::io;
}

void read_trace(const std::vector<client::Header>& headers, Work& work) {
  for (const auto& [name, value] : headers) {
    if (name == kTraceParentHeader && parse_traceparent(value)) work.traceparent = value;
    if (name == kTraceStateHeader && is_valid_tracestate(value)) work.tracestate = value;
  }
  if (work.traceparent.empty()) work.tracestate.clear();
}

// A program can be ended at any time, so both are the same to it.
void read_timeouts(const std::vector<client::Header>& headers, Work& work) {
  for (const auto& [name, value] : headers) {
    if (name != kTimeoutHeader && name != kHardTimeoutHeader) continue;
    const auto timeout = parse_duration(value).value_or(Duration(0));
    if (timeout.count() <= 0) continue;
    work.timeout = work.timeout.count() > 0 ? std::min(work.timeout, timeout) : timeout;
  }
}

}  // namespace

WorkerPool::WorkerPool(client::Client& client, Executor& executor, Clock& clock,
                       WorkerPoolOptions options, WorkerPoolWatcher& watcher)
    : client_(client),
      executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      watcher_(watcher),
      presence_(client, options_.worker),
      limits_{options_.threads_min, options_.threads_max},
      sizer_(limits_.min, limits_.max),
      target_(limits_.min) {}

WorkerPool::~WorkerPool() = default;

Result<void> WorkerPool::run(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { stop_taking(); });
  lane_ = client_.open_lane();
  // Before anything is taken: an order to be quiet may hold already.
  report(engine::WorkerState::working);
  set_slots();
  watcher_.on_started();
  std::jthread keeper([this](const std::stop_token& over) { keep_leases(over); });
  std::jthread taker([this] { take_tasks(taking_.get_token()); });

  while (wait_for(taking_.get_token(), engine::kWorkerBeat)) {
    report(engine::WorkerState::working);
    resize();
    set_slots();
  }
  drain();
  taker.join();
  keeper.request_stop();
  keeper.join();
  threads_.clear();
  lane_.reset();
  if (fatal_) return fail(std::move(*fatal_));
  return {};
}

void WorkerPool::drain() {
  const Time until = clock_.now() + options_.grace;
  report(engine::WorkerState::stopping);
  for (std::size_t ended = 0; ended < threads_.size();) {
    const auto left = std::max(until - clock_.now(), Duration(0));
    if (threads_ended_.try_acquire_for(out_of_time_ ? engine::kWorkerBeat
                                                    : std::min(left, engine::kWorkerBeat))) {
      ++ended;
      continue;
    }
    if (clock_.now() >= until && !out_of_time_) stop_attempts();
    report(engine::WorkerState::stopping);
  }
}

// ---- taking

void WorkerPool::take_tasks(const std::stop_token& stop) {
  Duration pause = kRetryFirst;
  for (;;) {
    const auto [slots, less] = slots_.await_room();
    if (slots == 0) return;
    auto taken =
        lane_->call(client::take_tasks(options_.worker.queues, {.max = std::min(slots, kTakenMax),
                                                                .wait = kTakeWait,
                                                                .lease = options_.lease,
                                                                .slots = target_.load()}),
                    less, options_.lease);
    if (!taken && less.stop_requested() && taken.error().error.code == ErrorCode::closed) {
      // Stopped before the server heard of it, or there is no server: what is next will tell.
      (void)slots_.put({});
      continue;
    }
    if (!taken) {
      (void)slots_.put({});
      if (!on_take_failed(taken.error().error)) return;
      wait_for(stop, pause);
      pause = std::min(pause * 2, kRetryLast);
      continue;
    }
    pause = kRetryFirst;
    on_server_answered();
    bring_in(std::move(*taken));
  }
}

bool WorkerPool::on_take_failed(const Error& error) {
  if (!may_pass(error.code)) {
    give_up(error);
    return false;
  }
  on_server_silent(error);
  return true;
}

void WorkerPool::on_server_silent(const Error& error) {
  if (!server_lost_.exchange(true)) watcher_.on_server_lost(error);
}
void WorkerPool::on_server_answered() {
  if (server_lost_.exchange(false)) watcher_.on_server_back();
}

void WorkerPool::bring_in(std::vector<client::TakenTask> tasks) {
  std::vector<SharedAttempt> attempts;
  for (auto& task : tasks) {
    auto& attempt = attempts.emplace_back(std::make_shared<Attempt>());
    attempt->task = std::move(task);
    attempt->since = clock_.now();
    attempt->extend_at = attempt->since + options_.lease / 3;
  }
  const auto too_many = slots_.put(std::move(attempts));
  if (too_many.empty()) return;
  // There was room when they were asked for. Should this fail, they go back with the connection.
  std::vector<std::string_view> leases;
  for (const auto& attempt : too_many) leases.emplace_back(attempt->task.lease);
  (void)client_.call(client::give_back(leases));
}

// ---- running

void WorkerPool::work() {
  while (const auto attempt = slots_.get()) run_one(attempt);
}

void WorkerPool::run_one(const SharedAttempt& attempt) {
  // Whoever sets it looks for attempts afterwards, so that none falls between.
  if (out_of_time_) attempt->end(Attempt::Stopped::out_of_time);
  Work work{.id = std::to_string(attempt->task.id.value),
            .queue = attempt->task.queue,
            .name = attempt->task.name,
            .attempt = attempt->task.attempts,
            .payload = std::move(attempt->task.payload),
            .expires_at = attempt->task.expires_at};
  read_trace(attempt->task.headers, work);
  read_timeouts(attempt->task.headers, work);
  const auto voice = std::make_shared<TaskVoice>(
      [&client = client_, attempt](std::span<const std::string> lines, TaskVoice::Then then) {
        const auto told = [attempt, then = std::move(then)](const client::Answer<bool>& go_on) {
          if (go_on && !*go_on) attempt->end(Attempt::Stopped::cancelled);
          then();
        };
        return client.start(client::log_task(attempt->task.lease, lines), told) ==
               client::Started::taken;
      });
  work.say = [voice](std::string_view line) { voice->say(line); };
  const Ending ending = run_attempt(work, *attempt);
  voice->finish();
  const bool settled = settle(*attempt, ending);
  slots_.leave(attempt);
  watcher_.on_ending(work, ending, settled);
}

Ending WorkerPool::run_attempt(const Work& work, const Attempt& attempt) {
  const auto& worker = options_.worker;
  if (!worker.any_task && std::ranges::find(worker.tasks, work.name) == worker.tasks.end())
    return Ending::declined("worker " + worker.name + " does not take it");
  const Time started = clock_.now();
  Ending ending = executor_.run(work, attempt.stop.get_token());
  if (ending.kind != Ending::Kind::stopped) learn_service((clock_.now() - started).count());
  return ending;
}

void WorkerPool::learn_service(std::int64_t us) {
  std::int64_t known = service_us_.load();
  std::int64_t learned = 0;
  do {
    learned = known == 0 ? us : known + (us - known) / 16;
  } while (!service_us_.compare_exchange_weak(known, std::max<std::int64_t>(learned, 1)));
}

// The server learns what became of the attempt. While it cannot be reached this is said again, for
// as long as the lease may still be ours.
bool WorkerPool::settle(const Attempt& attempt, const Ending& ending) {
  using Stopped = Attempt::Stopped;
  const Stopped why = attempt.why.load();
  if (ending.kind == Ending::Kind::stopped && why == Stopped::lost) return ++lost_, false;

  const std::string& lease = attempt.task.lease;
  auto request = client::done(lease, ending.result);
  auto* counter = &done_;
  if (ending.kind == Ending::Kind::failed) {
    request = client::fail_task(lease, ending.error, ending.retry, ending.delay,
                                engine::name_of(ending.cause));
    counter = &failed_;
  } else if (ending.kind == Ending::Kind::declined) {
    request = client::decline_task(lease, ending.error);
    counter = &declined_;
  } else if (ending.kind == Ending::Kind::stopped && why == Stopped::cancelled) {
    // The server knows of the cancel: a failed attempt is then the last one.
    request = client::fail_task(lease, "cancelled: stopped by its worker", true, Duration(0));
    counter = &cancelled_;
  } else if (ending.kind == Ending::Kind::stopped) {
    request = client::give_back(lease);
    counter = &given_back_;
  }
  const Time until = clock_.now() + options_.lease;
  for (Duration pause = kRetryFirst; clock_.now() < until;
       pause = std::min(pause * 2, kRetryLast)) {
    const auto answer = client_.call(request);
    if (answer) {
      ++*counter;
      return true;
    }
    // What is only given back comes back by itself when the connection ends.
    if (out_of_time_ || !may_pass(answer.error().error.code)) break;
    wait_for({}, pause);
  }
  ++lost_;
  return false;
}

void WorkerPool::keep_leases(const std::stop_token& stop) {
  const Duration tick = std::clamp<Duration>(options_.lease / 20, 10ms, 1s);
  while (wait_for(stop, tick)) {
    const Time now = clock_.now();
    for (const auto& attempt : slots_.all())
      if (now >= attempt->extend_at.load()) extend(attempt);
  }
}

void WorkerPool::extend(const SharedAttempt& attempt) {
  // One answer lost costs a third of the lease, and there is still time for another.
  const auto started = client_.start(client::extend(attempt->task.lease, options_.lease),
                                     [attempt](client::Answer<client::Extended> answer) {
                                       using Stopped = Attempt::Stopped;
                                       if (!answer) {
                                         const ErrorCode code = answer.error().error.code;
                                         const bool gone = code == ErrorCode::conflict ||
                                                           code == ErrorCode::not_found;
                                         if (gone) attempt->end(Stopped::lost);
                                       } else if (answer->cancelled) {
                                         attempt->end(Stopped::cancelled);
                                       }
                                     });
  if (started == client::Started::taken) attempt->extend_at = clock_.now() + options_.lease / 3;
}

// ---- what the server hears of it, and says

// More tasks than go into one beat are told of in turn, because the answer says of those that it
// told of which were cancelled.
engine::WorkerBeat WorkerPool::beat_of(engine::WorkerState state) {
  engine::WorkerBeat beat{.state = state,
                          .slots = limits_.max,
                          .memory_bytes = resident_bytes(),
                          .done = done_,
                          .failed = failed_,
                          .declined = declined_,
                          .running_count = 0,
                          .running = {}};
  if (state == engine::WorkerState::working && told_.quiet) beat.state = engine::WorkerState::quiet;
  const auto attempts = slots_.all();
  beat.running_count = attempts.size();
  if (attempts.size() <= engine::kWorkerRunningMax) told_of_ = 0;
  while (beat.running.size() < std::min(attempts.size(), engine::kWorkerRunningMax)) {
    const auto& attempt = attempts[told_of_++ % attempts.size()];
    beat.running.push_back({attempt->task.id, attempt->task.name, attempt->since});
  }
  return beat;
}

void WorkerPool::report(engine::WorkerState state) {
  const auto before = presence_.announced();
  const auto told = presence_.say(beat_of(state));
  // After a restart a lease belongs to no connection until it is extended over one.
  if (presence_.announced() != before)
    for (const auto& attempt : slots_.all()) extend(attempt);
  if (told) {
    unlisted_ = false;
    on_server_answered();
    obey(*told);
  } else if (!may_pass(told.error().code)) {
    if (!std::exchange(unlisted_, true)) watcher_.on_unlisted(told.error());
  } else if (told_.quiet || told.error().code == ErrorCode::closed) {
    // While nothing is taken nobody else notices.
    on_server_silent(told.error());
  }
}

void WorkerPool::obey(const client::WorkerTold& told) {
  for (const auto& attempt : slots_.all())
    if (std::ranges::find(told.cancelled, attempt->task.id) != told.cancelled.end())
      attempt->end(Attempt::Stopped::cancelled);
  const bool news =
      told.quiet != told_.quiet || told.stop != told_.stop || told.slots != told_.slots;
  if (!news) return;
  told_ = told;
  if (told.stop) stop_taking();
  if (const auto limits = limits_for(told.slots); limits != limits_) {
    limits_ = limits;
    sizer_ = flow::ThreadSizer(limits.min, limits.max);
    target_ = std::clamp(target_.load(), limits.min, limits.max);
  }
  set_slots();
  watcher_.on_told(told);
}

// A number that was fixed stays fixed, at what the order says; where there was a range, the order
// is its upper end.
WorkerPool::Limits WorkerPool::limits_for(std::uint32_t slots) const {
  if (slots == 0) return {options_.threads_min, options_.threads_max};
  const auto max = std::min(slots, kWorkerThreadsMax);
  const bool fixed = options_.threads_min == options_.threads_max;
  return {fixed ? max : std::min(options_.threads_min, max), max};
}

void WorkerPool::set_slots() {
  if (taking_.stop_requested()) return;
  while (threads_.size() < target_)
    threads_.emplace_back([this] {
      work();
      threads_ended_.release();
    });
  slots_.set(told_.quiet ? 0 : target_.load());
}

void WorkerPool::resize() {
  if (limits_.min == limits_.max) return;
  flow::WorkLoad load{.service_time = statistics().mean_service};
  for (const auto& name : options_.worker.queues) {
    const auto queue = client_.call(client::queue_statistics(name), 1s);
    if (!queue) return;  // not known now: as many as before
    load.arrival_rate += queue->arrival_rate;
    load.waiting += queue->ready;
    for (const auto& [option, value] : queue->options) {
      if (option != "max_wait") continue;
      const Duration bound = parse_duration(value).value_or(Duration(0));
      const bool tighter = load.max_wait.count() == 0 || bound < load.max_wait;
      if (bound.count() > 0 && tighter) load.max_wait = bound;
    }
  }
  target_ = sizer_.update(load, clock_.now());
}

void WorkerPool::give_up(Error error) {
  if (!gave_up_.exchange(true)) fatal_ = std::move(error);
  stop_taking();
}

void WorkerPool::stop_taking() {
  taking_.request_stop();
  slots_.close();
}

void WorkerPool::stop_attempts() {
  out_of_time_ = true;
  for (const auto& attempt : slots_.all()) attempt->end(Attempt::Stopped::out_of_time);
}

WorkerPoolStatistics WorkerPool::statistics() const {
  return {.done = done_,
          .failed = failed_,
          .lost = lost_,
          .cancelled = cancelled_,
          .given_back = given_back_,
          .declined = declined_,
          .threads = target_,
          .running = slots_.used(),
          .mean_service = Duration(service_us_)};
}

}  // namespace penstock::cli
