// What it costs to run a task in a process of its own: a round trip, and tasks per second.
//   bench_isolation [TASKS] [THREADS]
#include <cstdint>
#include <cstdlib>
#include <penstock/penstock.hpp>
#include <thread>
#include <tuple>
#include <vector>

#include "bench/report.h"

namespace penstock::bench {
namespace {

using Echo = Task<int(int)>;

double per_task_us(App& app, const Echo& echo, std::uint64_t count, std::uint32_t threads) {
  std::vector<std::tuple<int>> batch(count, std::tuple(1));
  (void)app.enqueue_many(echo, batch);
  const Stopwatch watch;
  const auto workers = app.work({.threads = {threads, threads}});
  while (app.queue("default").in_system > 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return watch.seconds() * 1e6 / static_cast<double>(count);
}

std::vector<double> round_trips_us(App& app, const Echo& echo, std::size_t count) {
  const auto workers = app.work();
  std::vector<double> times;
  for (std::size_t n = 0; n < count; ++n) {
    const Stopwatch watch;
    (void)app.enqueue(echo, 1).get();
    times.push_back(watch.seconds() * 1e6);
  }
  return times;
}

int run(std::uint64_t tasks, std::uint32_t threads) {
  const auto on_a_thread = task("on a thread", [](int n) { return n; });
  const auto in_a_process =
      task("in a process", [](int n) { return n; }, {.isolation = Isolation::process});
  const TemporaryFolder folder("isolation");
  App app = App::embedded(folder.path());
  app.add(on_a_thread, in_a_process);
  for (const auto& echo : {on_a_thread, in_a_process}) {
    const auto count = echo.name() == "on a thread" ? tasks : tasks / 10;
    line(fmt::format("task {}, {} workers, each", echo.name(), threads),
         micros(per_task_us(app, echo, count, threads)));
    auto times = round_trips_us(app, echo, 1000);
    line(fmt::format("task {}, round trip p50", echo.name()), micros(percentile(times, 0.5)));
    line(fmt::format("task {}, round trip p99", echo.name()), micros(percentile(times, 0.99)));
  }
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) {
  const auto number = [&](int at, unsigned long otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  return penstock::bench::run(number(1, 100'000), static_cast<std::uint32_t>(number(2, 2)));
}
