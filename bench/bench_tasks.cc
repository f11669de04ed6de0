// No-op tasks per second in one process, end to end: enqueued, durable, run, settled, durable.
//   tasks_embedded [TASKS] [THREADS] [PRODUCERS] [DIRECTORY]
// Prints one line for enqueueing in batches while workers run, and one for enqueueing one by one,
// each waiting for the disk, from several threads.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <penstock/penstock.hpp>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using Steady = std::chrono::steady_clock;

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

std::atomic<std::uint64_t> ran{0};

void wait_until_ran(std::uint64_t count) {
  for (auto seen = ran.load(); seen < count; seen = ran.load()) ran.wait(seen);
}

const auto kNothing = penstock::task("nothing",
                                     [](int) {
                                       ran.fetch_add(1);
                                       ran.notify_one();
                                     },
                                     {.result_ttl = penstock::Duration(0)});

double batched(penstock::App& app, std::uint64_t tasks, unsigned producers) {
  constexpr std::size_t kBatch = 1000;
  const auto start = Steady::now();
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    threads.emplace_back([&app, share = tasks / producers] {
      const std::vector<std::tuple<int>> batch(kBatch, std::tuple(1));
      for (std::uint64_t sent = 0; sent < share; sent += kBatch)
        (void)app.enqueue_many(kNothing, batch);
    });
  }
  for (auto& thread : threads) thread.join();
  const std::uint64_t all = producers * ((tasks / producers + kBatch - 1) / kBatch) * kBatch;
  wait_until_ran(all);
  while (app.queue("default").in_system > 0) std::this_thread::yield();  // settled, too
  return static_cast<double>(all) / seconds_since(start);
}

double one_by_one(penstock::App& app, std::uint64_t tasks, unsigned producers) {
  const std::uint64_t before = ran;
  const auto start = Steady::now();
  std::vector<std::thread> threads;
  for (unsigned p = 0; p < producers; ++p) {
    threads.emplace_back([&app, share = tasks / producers] {
      for (std::uint64_t i = 0; i < share; ++i) app.enqueue(kNothing, 1);
    });
  }
  for (auto& thread : threads) thread.join();
  wait_until_ran(before + tasks / producers * producers);
  return static_cast<double>(tasks / producers * producers) / seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, unsigned long otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const auto tasks = number(1, 1'000'000);
  const auto threads = static_cast<std::uint32_t>(number(2, 2));
  const auto producers = static_cast<unsigned>(number(3, 1));
  const std::filesystem::path directory =
      argc > 4 ? std::filesystem::path(argv[4])
               : std::filesystem::temp_directory_path() /
                     ("penstock-bench-" + std::to_string(Steady::now().time_since_epoch().count()));
  {
    auto app = penstock::App::embedded(directory);
    app.add(kNothing);
    auto workers = app.work({.threads = {threads, threads}});
    std::printf("no-op tasks, batches of 1000, %u producer(s), %u worker thread(s): %.0f tasks/s\n",
                producers, threads, batched(app, tasks, producers));
    std::printf("no-op tasks, one by one from 64 threads: %.0f tasks/s\n",
                one_by_one(app, tasks / 20, 64));
  }
  if (argc <= 4) std::filesystem::remove_all(directory);
}
