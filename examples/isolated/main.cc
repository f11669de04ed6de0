// A task that may crash, run out of memory or never end: each costs one attempt, and not the
// worker.
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <penstock/penstock.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

// As a library does it that was given a bad file.
std::string decode(penstock::Context& context, const std::string& file) {
  if (file == "crashes" || (file == "crashes once" && context.attempt() == 1)) ::raise(SIGSEGV);
  if (file == "is huge") return std::string(std::size_t{1} << 30, 'x');
  if (file == "never ends")
    for (volatile bool on = true; on;) {
    }
  return file + ": decoded";
}

}  // namespace

int main() {
  const auto task = penstock::task("decode", decode,
                                   {.max_attempts = 3,
                                    .backoff = penstock::fixed(10ms),
                                    .hard_timeout = 500ms,
                                    .isolation = penstock::Isolation::process,
                                    .limits = {.memory_bytes = 128u << 20}});
  std::filesystem::remove_all("isolated-data");
  auto app = penstock::App::embedded("isolated-data");
  // What kills its process twice is not tried a third time.
  app.declare("default", {.max_killed = 2});
  app.add(task);
  const auto workers = app.work({.threads = {2, 2}});

  const std::pair<const char*, std::size_t> files[] = {
      {"is fine", 0}, {"crashes once", 1}, {"crashes", 2}, {"is huge", 3}, {"never ends", 3}};
  std::vector<penstock::Job<std::string>> jobs;
  for (const auto& [file, failures] : files) jobs.push_back(app.enqueue(task, file));
  bool as_expected = true;
  for (std::size_t n = 0; n < jobs.size(); ++n) {
    (void)jobs[n].wait();
    const auto status = jobs[n].status();
    std::cout << (status.state == penstock::JobState::done ? status.result : status.error) << "\n";
    for (const auto& failure : status.failures())
      std::cout << "  attempt " << failure.attempt << ": " << failure.cause << "\n";
    as_expected = as_expected && status.failures().size() == files[n].second;
  }
  return as_expected ? 0 : 1;
}
