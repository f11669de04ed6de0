// The demonstration's workers: a pool for the fan-out and one for each channel, each with a
// connection of its own, as `penstock worker` would be.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/demo/executors.h"
#include "cli/worker/worker_pool.h"

namespace penstock::cli {

// How many threads each channel has, and how long a receiver takes over one notification.
inline constexpr std::uint32_t kChannelThreads = 16;
inline constexpr double kSinkDelayMs = 25;
// Notifications per second that one channel can do at most: threads / service time.
inline constexpr double kChannelCapacity = kChannelThreads / (kSinkDelayMs / 1000);

// Threads: one. Lifetime: stop() before the clock and the file go.
class Crew {
 public:
  // The ids of what was handed over while the server could not be told are added to `unsettled`.
  Crew(Clock& clock, const std::filesystem::path& unsettled);
  ~Crew();

  [[nodiscard]] Result<void> add_fan_out(const std::string& server);
  [[nodiscard]] Result<void> add_channel(const std::string& server, const std::string& queue,
                                         std::unique_ptr<Executor> executor);
  // Lets what runs finish.
  void stop();

  [[nodiscard]] std::uint64_t held_back() const { return fan_out_->held_back(); }
  [[nodiscard]] std::uint64_t failed() const;  // attempts that receivers turned away

 private:
  class Notebook;
  struct Pool {
    std::unique_ptr<client::Client> client;
    std::unique_ptr<Executor> executor;
    std::unique_ptr<WorkerPool> pool;
    std::jthread thread;
  };

  void start(Pool pool, const std::string& queue, std::uint32_t threads);

  Clock& clock_;
  std::unique_ptr<Notebook> notebook_;
  FanOut* fan_out_ = nullptr;  // owned by its pool
  std::vector<Pool> pools_;
};

}  // namespace penstock::cli
