// No-op tasks per second in one process, end to end: enqueued, durable, run, settled, durable.
//   bench_tasks [TASKS] [THREADS] [PRODUCERS] [penstock://HOST:PORT]
// With an address, the same against the server there.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <penstock/penstock.hpp>
#include <thread>
#include <tuple>
#include <vector>

#include "bench/report.h"

namespace penstock::bench {
namespace {

constexpr std::size_t kBatch = 5000;

using Nothing = Task<void(int)>;
const Nothing kNothing = task("nothing", [](int) {}, {.result_ttl = Duration(0)});
const Nothing kNothingKept = task("nothing kept", [](int) {});

void wait_until_settled(App& app) {
  while (app.queue("default").in_system > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void in_threads(unsigned count, const auto& work) {
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < count; ++n) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
}

double in_batches(App& app, const Nothing& nothing, std::uint64_t tasks, unsigned producers) {
  const std::uint64_t rounds = std::max<std::uint64_t>(tasks / producers / kBatch, 1);
  const Stopwatch watch;
  in_threads(producers, [&] {
    const std::vector<std::tuple<int>> batch(kBatch, std::tuple(1));
    for (std::uint64_t round = 0; round < rounds; ++round) (void)app.enqueue_many(nothing, batch);
  });
  wait_until_settled(app);
  return static_cast<double>(rounds * producers * kBatch) / watch.seconds();
}

double one_by_one(App& app, std::uint64_t tasks, unsigned producers) {
  const std::uint64_t rounds = std::max<std::uint64_t>(tasks / producers, 1);
  const Stopwatch watch;
  in_threads(producers, [&] {
    for (std::uint64_t round = 0; round < rounds; ++round) app.enqueue(kNothing, 1);
  });
  wait_until_settled(app);
  return static_cast<double>(rounds * producers) / watch.seconds();
}

// Enqueue, wait for the result, again: what one caller of one task sees.
std::vector<double> round_trips_us(App& app, std::size_t count) {
  const auto echo = task("echo", [](int n) { return n; });
  app.add(echo);
  std::vector<double> times;
  for (std::size_t n = 0; n < count; ++n) {
    const Stopwatch watch;
    (void)app.enqueue(echo, 1).get();
    times.push_back(watch.seconds() * 1e6);
  }
  return times;
}

int run(App app, const std::string& where, std::uint64_t tasks, std::uint32_t threads,
        unsigned producers) {
  app.add(kNothing, kNothingKept);
  const auto workers = app.work({.threads = {threads, threads}});
  line(fmt::format("no-op tasks {}, {} producers, batches of {}", where, producers, kBatch),
       per_second(in_batches(app, kNothing, tasks, producers)),
       where == "embedded" ? "aim 200000/s" : "aim 50000/s");
  line("  the same, each result kept for an hour",
       per_second(in_batches(app, kNothingKept, tasks / 2, producers)));
  line(fmt::format("no-op tasks {}, 64 producers, one by one", where),
       per_second(one_by_one(app, tasks / 20, 64)));
  auto times = round_trips_us(app, 500);
  line("task round trip (enqueue, run, result), p50", micros(percentile(times, 0.5)));
  line("task round trip (enqueue, run, result), p99", micros(percentile(times, 0.99)));
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) {
  const auto number = [&](int at, unsigned long otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const auto tasks = number(1, 1'000'000);
  const auto threads = static_cast<std::uint32_t>(number(2, 2));
  const auto producers = static_cast<unsigned>(number(3, 4));
  using penstock::App;
  if (argc > 4)
    return penstock::bench::run(App::connect(argv[4]), "remote", tasks, threads, producers);
  const penstock::bench::TemporaryFolder folder("tasks");
  return penstock::bench::run(App::embedded(folder.path()), "embedded", tasks, threads, producers);
}
