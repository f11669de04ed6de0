// Runs one task in this very process: no server, a folder "jobs" holds what must survive a crash.
#include <chrono>
#include <iostream>
#include <penstock/penstock.hpp>
#include <string>

using namespace std::chrono_literals;

namespace {

// Arguments and result are checked at compile time where the task is enqueued; a failure is
// retried, after 1 s, then 2 s, 4 s ... up to a minute.
auto resize =
    penstock::task("resize",
                   [](std::string path, int width) -> std::string {
                     return path + " at " + std::to_string(width) + " pixels";
                   },
                   {.max_attempts = 5, .backoff = penstock::exponential(1s, 60s), .lease = 30s});

}  // namespace

int main() {
  auto app = penstock::App::embedded("jobs");
  app.add(resize);

  auto job = app.enqueue(resize, "cat.png", 320);  // on disk when it returns
  auto workers = app.work({.queues = {"default"}, .threads = {1, 8}});
  std::cout << job.get(10s) << "\n";
}
