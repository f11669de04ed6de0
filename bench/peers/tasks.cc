// Penstock's side of the task benchmark: two worker threads in a process of their own, and a client
// that plays one round as celery_tasks.py and sidekiq_tasks.rb do.
//
//   peer_tasks work  penstock://HOST:PORT            until SIGTERM
//   peer_tasks round penstock://HOST:PORT SECONDS    prints one line of JSON for each stage
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <numeric>
#include <penstock/penstock.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr int kBatch = 1000;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

const auto kNothing = penstock::task("nothing", [](int) {}, {.result_ttl = penstock::Duration(0)});
// When it ran, by the clock that all processes of the machine share.
const auto kClock = penstock::task("clock", [] { return now(); });

const auto kOne = penstock::task("one", [](int number) { return number; });
const auto kTotal = penstock::task("total", [](std::vector<int> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0);
});

double wall() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// How late the tasks were that were due at the same moment, in this process.
std::mutex late_mutex;
std::vector<double> late;
const auto kDue = penstock::task("due",
                                 [](double at) {
                                   const std::lock_guard lock(late_mutex);
                                   late.push_back(wall() - at);
                                 },
                                 {.result_ttl = penstock::Duration(0)});
const auto kLate = penstock::task("late", [] {
  const std::lock_guard lock(late_mutex);
  return std::exchange(late, {});
});

int work(penstock::App app) {
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  app.add(kNothing, kClock, kOne, kTotal, kDue, kLate);
  const auto workers = app.work({.threads = {2, 2}});
  int signal = 0;
  ::sigwait(&ends, &signal);
  return 0;
}

struct Rate {
  int tasks = 0;
  double seconds = 0;
  [[nodiscard]] double per_second() const { return tasks / seconds; }
};

Rate enqueue_for(double seconds, int batch, const auto& enqueue) {
  Rate rate;
  for (const double start = now(); rate.seconds < seconds; rate.seconds = now() - start) {
    enqueue();
    rate.tasks += batch;
  }
  return rate;
}

double percentile(std::vector<double>& values, double p) {
  const auto at = static_cast<std::size_t>(p * static_cast<double>(values.size()));
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, at)] * 1e6;
}

double chorded(penstock::App& app) {
  std::vector<std::tuple<int>> members;
  for (int n = 0; n < 1000; ++n) members.emplace_back(n);
  const double asked = now();
  const int total =
      app.start(penstock::chord(penstock::map(kOne, members), penstock::step(kTotal))).get();
  return total == 499'500 ? (now() - asked) * 1e3 : -1;
}

// Of tasks that are all due once the last of them has been enqueued.
void say_lateness(penstock::App& app, std::size_t count) {
  (void)app.enqueue(kLate).get();
  const double at = std::ceil(wall() + 2 + static_cast<double>(count) / 100'000);
  penstock::EnqueueOptions options;
  options.at = penstock::TimePoint(std::chrono::microseconds(static_cast<std::int64_t>(at * 1e6)));
  const std::vector<std::tuple<double>> batch(kBatch, std::tuple(at));
  for (std::size_t sent = 0; sent < count; sent += kBatch)
    (void)app.enqueue_many(kDue.with(options), batch);
  std::vector<double> all;
  while (all.size() < count) {
    penstock::EnqueueOptions later;  // meanwhile the worker does other things
    later.delay = std::chrono::milliseconds(200);
    const auto some = app.enqueue(kLate.with(later)).get();
    all.insert(all.end(), some.begin(), some.end());
  }
  std::printf("{\"late_p50\": %.3f, \"late_p99\": %.3f}\n", percentile(all, 0.5) / 1e3,
              percentile(all, 0.99) / 1e3);
}

int round(penstock::App app, double seconds) {
  // The others have no bound by default; ours would refuse a million and one.
  penstock::QueueOptions unbounded;
  unbounded.max_length = 100'000'000;
  unbounded.max_bytes = std::uint64_t{100} << 30;
  app.declare("default", unbounded);
  const auto first = app.enqueue(kClock);
  const auto one = enqueue_for(seconds, 1, [&] { (void)app.enqueue(kNothing, 1); });
  const std::vector<std::tuple<int>> batch(kBatch, std::tuple(1));
  const auto many = enqueue_for(seconds, kBatch, [&] { (void)app.enqueue_many(kNothing, batch); });
  const auto last = app.enqueue(kClock);
  std::printf("{\"one\": %.1f, \"many\": %.1f}\n", one.per_second(), many.per_second());
  std::fflush(stdout);

  const double started = first.get(), ended = last.get();
  std::printf("{\"first_run\": %.6f, \"drain\": %.1f}\n", started,
              (one.tasks + many.tasks) / (ended - started));
  std::fflush(stdout);

  if (std::getenv("ONLY_DRAIN") != nullptr) return 0;
  std::vector<double> runs, results;
  for (const double start = now(); now() - start < seconds;) {
    const double asked = now();
    runs.push_back(app.enqueue(kClock).get() - asked);
    results.push_back(now() - asked);
  }
  std::printf(
      "{\"run_p50\": %.1f, \"run_p99\": %.1f, \"result_p50\": %.1f, \"result_p99\": %.1f, "
      "\"chord\": %.3f}\n",
      percentile(runs, 0.5), percentile(runs, 0.99), percentile(results, 0.5),
      percentile(results, 0.99), chorded(app));
  std::fflush(stdout);
  const char* due = std::getenv("DUE_AT_ONCE");
  say_lateness(app, due == nullptr ? 100'000 : std::strtoul(due, nullptr, 10));
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 2 ? words[1] : "";
  if (what == "work") return work(penstock::App::connect(words[2]));
  if (what == "round" && count > 3)
    return round(penstock::App::connect(words[2]), std::strtod(words[3], nullptr));
  std::fprintf(stderr, "peer_tasks work URL, or peer_tasks round URL SECONDS\n");
  return 2;
}
