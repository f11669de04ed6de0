// An App whose broker, clock and tasks all belong to the thread of a test.
#include "penstock/testing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <ranges>

#include "base/headers.h"
#include "broker/broker.h"
#include "task/execute.h"
#include "task/failure.h"
#include "task/workflow.h"

namespace penstock::testing {
namespace {

using detail::Attempt;

class TestClock final : public Clock {
 public:
  explicit TestClock(Time start) : now_(start) {}
  Time now() override { return now_; }
  void set(Time now) { now_ = std::max(now_, now); }

 private:
  Time now_;
};

// SplitMix64 (Steele, Lea and Flood, 2014).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

Time after(Time now, Duration time) {
  return time >= Time::max() - now ? Time::max() : now + time;
}

}  // namespace

Ran& Ran::operator+=(const Ran& more) {
  done += more.done;
  failed += more.failed;
  unknown += more.unknown;
  unreadable += more.unreadable;
  lost += more.lost;
  return *this;
}

class TestApp::State final : public detail::AttemptHost, public detail::PublishHooks {
 public:
  explicit State(const TestOptions& options) : options_(options) {
    auto clock = std::make_unique<TestClock>(detail::to_time(options.start));
    clock_ = clock.get();
    auto opened = detail::value_or_throw(
        detail::open_in_memory({.clock = std::move(clock),
                                .random = std::make_unique<SeededRandom>(options.seed),
                                .hooks = this}));
    broker_ = opened.broker;
    core_ = std::make_shared<detail::Core>(std::move(opened.backend),
                                           std::make_unique<SeededRandom>(~options.seed));
    consumer_ = detail::value_or_throw(core_->backend().open_consumer());
  }

  void advance(Duration time);
  Ran run_one();
  Ran run_until_idle();
  // Stops early when nothing waits any more, if `to_end`.
  Ran run_until(Time end, bool to_end);

  // detail::AttemptHost
  Time now() override { return clock_->now(); }
  void look_by(Time) override {}  // advance() looks
  Result<void> extend_now(detail::Extension& extension) override {
    return consumer_->extend(std::span(&extension, 1));
  }
  void deliver_stop(std::stop_source source) override { stops_.push_back(std::move(source)); }
  std::uint64_t enqueue(const detail::TaskDefinition& task, const EnqueueOptions& options,
                        std::string payload) override {
    detail::Payloads one{.text = std::move(payload), .ends = {}};
    one.close();
    return detail::enqueue(*core_, task, options, one).front();
  }

  // detail::PublishHooks
  std::optional<broker::Refused> before(const detail::Publishing& publishing,
                                        std::size_t count) override;
  void after(const detail::Publishing& publishing, std::span<const std::string_view> bodies,
             const detail::Ids& ids) override;
  void scheduled(std::string_view queue) override { need_queue(queue); }
  void submitted(const engine::WorkflowInput& workflow) override {
    for (const auto& one : workflow.nodes) need_queue(one.queue);
  }

  [[nodiscard]] const std::shared_ptr<detail::Core>& core() const { return core_; }

  std::deque<Enqueued> enqueued;  // at most enqueued_max
  // Of tasks by name; what is used up goes.
  struct Trouble {
    std::exception_ptr error;
    std::size_t times = 0;
  };
  std::map<std::string, Trouble, std::less<>> failures;
  std::map<std::string, std::size_t, std::less<>> deaths;
  Refusal refusal;
  std::size_t refusals = 0;

 private:
  Ran run(const broker::Delivery& delivery);
  void decline(const broker::Delivery& delivery, std::string_view why);
  // As workers do: what was declined comes at once when its task is added.
  void announce();
  [[nodiscard]] detail::Ending attempt(const detail::TaskDefinition& task,
                                       const detail::Chain& middleware,
                                       const broker::Delivery& delivery);
  [[nodiscard]] bool worker_dies(std::string_view task);
  // What a worker's keeper does for a running attempt. When it is next due.
  Time keep();
  void give_up(const detail::Attempt::Word& word);
  void check_outside() const;
  [[nodiscard]] bool work_waits();

  const TestOptions options_;
  TestClock* clock_ = nullptr;        // the backend's
  broker::Broker* broker_ = nullptr;  // the backend's
  std::shared_ptr<detail::Core> core_;
  std::unique_ptr<detail::Consumer> consumer_;
  Attempt attempt_{*this};
  bool running_ = false;
  bool gave_up_ = false;                 // the running task, whose time is over
  std::vector<std::stop_source> stops_;  // to be delivered outside of the attempt's lock
  void need_queue(std::string_view name) {
    if (!name.empty() && std::ranges::find(queues_, name) == queues_.end())
      queues_.emplace_back(name);
  }

  std::vector<std::string> queues_;  // to which tasks were enqueued
  // Tasks that wait for somebody else, and their queues; as many as the App holds at most.
  std::map<MessageId, std::string> declined_;
  std::pair<std::uint64_t, std::size_t> announced_;  // the registry's version, how many queues
  MessageId newest_{};
};

// ---- publishes

std::optional<broker::Refused> TestApp::State::before(const detail::Publishing& publishing,
                                                      std::size_t count) {
  if (refusals == 0) return {};
  // What is refused as a batch is offered again in halves: it counts when a single one is left.
  if (count == 1) --refusals;
  return broker::Refused{.queue = std::string(publishing.queue),
                         .reason = refusal.reason,
                         .message = refusal.message,
                         .retry_after = refusal.retry_after};
}

void TestApp::State::after(const detail::Publishing& publishing,
                           std::span<const std::string_view> bodies, const detail::Ids& ids) {
  if (publishing.task.empty()) return;
  need_queue(publishing.queue);
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (ids[i].value <= newest_.value) continue;  // its key had been there before
    newest_ = ids[i];
    Enqueued one;
    one.id = ids[i].value;
    one.task = publishing.task;
    one.queue = publishing.queue;
    one.arguments = detail::arguments_of(bodies[i]);
    one.at = detail::to_time_point(now());
    one.not_before =
        publishing.at != Time{} ? detail::to_time_point(publishing.at) : one.at + publishing.delay;
    one.key = detail::key_of(publishing, i);
    one.group = publishing.group;
    one.priority = publishing.priority;
    one.expires = publishing.expires;
    one.headers.assign(publishing.headers.begin(), publishing.headers.end());
    if (enqueued.size() >= options_.enqueued_max) enqueued.pop_front();
    enqueued.push_back(std::move(one));
  }
}

// ---- time

Time TestApp::State::keep() {
  Time due = Time::max();
  if (auto word = attempt_.word(now(), &due)) {
    std::vector<detail::Extension> extensions;
    if (word->progress) extensions.push_back({.lease = word->token, .progress = &*word->progress});
    if (!word->log.empty()) extensions.push_back({.lease = word->token, .log = &word->log});
    if (word->extends) extensions.push_back({.lease = word->token, .duration = word->lease});
    if (!extensions.empty()) detail::value_or_throw(consumer_->extend(extensions));
    if (word->given_up) give_up(*word);
    for (const auto& extension : extensions) attempt_.answered(word->serial, extension);
  }
  for (auto& source : std::exchange(stops_, {})) source.request_stop();
  return due;
}

// It runs on, and is not heard any more.
void TestApp::State::give_up(const detail::Attempt::Word& word) {
  detail::Settlement failed{
      .lease = word.token, .outcome = engine::Outcome::nack, .error = word.failure()};
  failed.cause = engine::Cause::timed_out;
  (void)detail::value_or_throw(consumer_->settle(std::span(&failed, 1)));
  gave_up_ = true;
}

void TestApp::State::advance(Duration time) {
  if (core_->closed()) throw Closed("the App is closed");
  if (time < Duration(0)) throw InvalidInput("advance: time does not go back");
  const Time target = penstock::testing::after(now(), time);
  while (running_) {
    const Time due = keep();
    if (due > target) break;
    clock_->set(due);
    broker_->settle_down();
  }
  clock_->set(target);
  broker_->settle_down();
  if (running_) keep();
}

// ---- running

void TestApp::State::check_outside() const {
  if (core_->closed()) throw Closed("the App is closed");
  if (running_) throw Conflict("a task runs: it cannot run others", "let it enqueue them");
}

bool TestApp::State::worker_dies(std::string_view task) {
  const auto death = deaths.find(task);
  if (death == deaths.end()) return false;
  if (--death->second == 0) deaths.erase(death);
  return true;
}

detail::Ending TestApp::State::attempt(const detail::TaskDefinition& task,
                                       const detail::Chain& middleware,
                                       const broker::Delivery& delivery) {
  attempt_.begin(delivery, task.name, detail::timeouts_of(task, delivery), now());
  const auto failure = failures.find(task.name);
  if (failure == failures.end()) return detail::execute(task, *core_, middleware, attempt_);
  const std::exception_ptr error = failure->second.error;
  if (--failure->second.times == 0) failures.erase(failure);
  detail::TaskDefinition fails = task;
  fails.run = [&](Context&, std::string_view, std::string&) { std::rethrow_exception(error); };
  return detail::execute(fails, *core_, middleware, attempt_);
}

void TestApp::State::decline(const broker::Delivery& delivery, std::string_view why) {
  declined_.insert_or_assign(delivery.id, std::string(delivery.queue));
  detail::Settlement settlement{
      .lease = delivery.lease, .outcome = engine::Outcome::decline, .error = why};
  (void)detail::value_or_throw(consumer_->settle(std::span(&settlement, 1)));
}

Ran TestApp::State::run(const broker::Delivery& delivery) {
  const auto name = find_header(delivery.headers, kTaskHeader).value_or("");
  const auto registry = core_->registry();
  const detail::TaskDefinition* task = registry->find(name);
  detail::Settlement settlement{.lease = delivery.lease};
  if (task == nullptr) {
    decline(delivery, fmt::format("unknown task `{}`", name));
    return {.unknown = 1};
  }
  declined_.erase(delivery.id);
  running_ = true;
  gave_up_ = false;
  const detail::Ending ending = attempt(*task, registry->middleware, delivery);
  running_ = false;
  stops_.clear();
  if (core_->closed()) return {.lost = 1};
  if (gave_up_) return {.failed = 1};
  if (ending.lost) return {.lost = 1};
  if (!ending.words.lines.empty()) {
    detail::Extension last{.lease = delivery.lease, .log = &ending.words.lines};
    detail::value_or_throw(consumer_->extend(std::span(&last, 1)));
  }
  if (worker_dies(name)) {
    consumer_.reset();
    consumer_ = detail::value_or_throw(core_->backend().open_consumer());
    announced_ = {};
    return {.lost = 1};
  }
  if (ending.outcome == engine::Outcome::decline) {
    decline(delivery, ending.text);
    return {.unreadable = 1};
  }
  settlement.outcome = ending.outcome;
  settlement.delay = ending.delay;
  settlement.cause = ending.cause;
  const bool done = ending.outcome == engine::Outcome::ack;
  (done ? settlement.result : settlement.error) = ending.text;
  if (done && ending.replacement != nullptr) settlement.replacement = &ending.replacement->input();
  if (detail::value_or_throw(consumer_->settle(std::span(&settlement, 1))) > 0) return {.lost = 1};
  if (settlement.refused) {
    const std::string why = detail::refusal_of_result(*settlement.refused);
    detail::Settlement failed{
        .lease = delivery.lease, .outcome = engine::Outcome::reject, .error = why};
    failed.cause = engine::Cause::raised;
    (void)detail::value_or_throw(consumer_->settle(std::span(&failed, 1)));
    return {.failed = 1};
  }
  if (settlement.replacement != nullptr) submitted(*settlement.replacement);
  return done ? Ran{.done = 1} : Ran{.failed = 1};
}

void TestApp::State::announce() {
  const std::pair known(core_->registry_version(), queues_.size());
  if (announced_ == known) return;
  announced_ = known;
  engine::WorkerSpec worker;
  worker.id = 1;
  worker.name = "test";
  worker.started_at = now();
  const auto most = std::min(queues_.size(), engine::kWorkerQueuesMax);
  worker.queues.assign(queues_.begin(), queues_.begin() + static_cast<std::ptrdiff_t>(most));
  for (const auto& [name, task] : core_->registry()->tasks) worker.tasks.push_back(name);
  // What is too much to be told of is only not listed.
  (void)consumer_->announce(worker).has_value();
}

Ran TestApp::State::run_one() {
  check_outside();
  if (queues_.empty()) return {};
  announce();
  const auto taken = detail::value_or_throw(consumer_->take(queues_, 1, Duration(0), Duration(0)));
  return taken.messages.empty() ? Ran{} : run(taken.messages.front());
}

Ran TestApp::State::run_until_idle() {
  Ran all;
  while (true) {
    const Ran one = run_one();
    if (one.attempts() == 0) return all;
    all += one;
    if (all.attempts() > options_.attempts_max)
      throw Exception(
          fmt::format("run_until_idle: {} attempts, and there is still work", all.attempts()),
          "a task that always enqueues itself again never lets it end; TestOptions::attempts_max");
  }
}

bool TestApp::State::work_waits() {
  std::erase_if(declined_, [&](const auto& task) {
    const auto status = core_->backend().task(task.first, Duration(0));
    return status && engine::is_final(status->status.state);
  });
  for (const auto& name : queues_) {
    const auto queue = core_->backend().queue(name);
    if (!queue || queue->options.paused) continue;
    const auto declined = std::ranges::count(std::views::values(declined_), name);
    if (queue->ready + queue->leased + queue->scheduled > static_cast<std::uint64_t>(declined))
      return true;
  }
  return false;
}

Ran TestApp::State::run_until(Time end, bool to_end) {
  Ran all = run_until_idle();
  while (!to_end || work_waits()) {
    const Time next = broker_->next_timer();
    if (next > end) break;
    // A timer that is due and finds nothing to do must not hold up the time.
    advance(std::max(next - now(), Duration(1)));
    all += run_until_idle();
  }
  if (to_end) return all;
  advance(std::max(end - now(), Duration(0)));
  return all += run_until_idle();
}

// ---- the face

TestApp::TestApp(const TestOptions& options)
    : state_(std::make_unique<State>(options)), app_(App(state_->core())) {}
TestApp::~TestApp() = default;

TimePoint TestApp::now() const {
  return detail::to_time_point(state_->now());
}
void TestApp::advance(Duration time) {
  state_->advance(time);
}
Ran TestApp::run_until_idle() {
  return state_->run_until_idle();
}
Ran TestApp::run_one() {
  return state_->run_one();
}
Ran TestApp::run_for(Duration time) {
  return state_->run_until(after(state_->now(), time), false);
}
Ran TestApp::run_to_end(Duration at_most) {
  return state_->run_until(after(state_->now(), at_most), true);
}

std::vector<Enqueued> TestApp::enqueued() const {
  return {state_->enqueued.begin(), state_->enqueued.end()};
}
std::vector<Enqueued> TestApp::enqueued(std::string_view task) const {
  std::vector<Enqueued> found;
  std::ranges::copy_if(state_->enqueued, std::back_inserter(found),
                       [&](const Enqueued& one) { return one.task == task; });
  return found;
}
void TestApp::clear_enqueued() {
  state_->enqueued.clear();
}

void TestApp::fail_next(std::string_view task, std::exception_ptr error, std::size_t times) {
  if (times > 0) state_->failures.insert_or_assign(std::string(task), State::Trouble{error, times});
}
void TestApp::kill_worker_after(std::string_view task, std::size_t times) {
  if (times > 0) state_->deaths.insert_or_assign(std::string(task), times);
}
void TestApp::refuse_next(Refusal refusal, std::size_t times) {
  state_->refusal = std::move(refusal);
  state_->refusals = times;
}

}  // namespace penstock::testing
