// Kills the server with SIGKILL under load, again and again, and proves from the clients' own
// ledger that nothing accepted was lost, nothing settled came back, and nothing came twice into
// being.
//
//   crash_cycles [CYCLES [SEED]]
//
// Exits with 0 when all held; else says what did not, and keeps the data.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <optional>
#include <thread>

#include "client/api.h"
#include "test/crash/clients.h"
#include "test/support/server_process.h"

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;
using testing::ServerProcess;

constexpr int kProducers = 5, kConsumers = 6;
constexpr auto kDrainTime = std::chrono::seconds(90);
constexpr std::size_t kResultsLookedAt = 5000;

// One that nobody listens on, below those that the kernel gives to connecting sockets: a client
// that knocks while the server is away would otherwise connect to itself now and then.
std::uint16_t free_port(std::mt19937_64& random) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = static_cast<std::uint16_t>(20'000 + random() % 12'000);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool good = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (good) return port;
  }
  std::fprintf(stderr, "no port is free\n");
  std::exit(1);
}

class Run {
 public:
  Run(int cycles, std::uint64_t seed)
      : cycles_(cycles),
        random_(seed),
        seed_(seed),
        data_((std::filesystem::current_path() / fmt::format("crash-{}", ::getpid())).string()),
        stage_(free_port(random_)) {
    std::filesystem::create_directory(data_);
  }

  // True when everything held.
  bool run() {
    if (start() && declare()) {
      start_clients();
      for (done_ = 0; done_ < cycles_ && cycle(); ++done_) {
      }
      finish();
    }
    for (auto& thread : producers_) thread.join();
    for (auto& thread : consumers_) thread.join();
    return report();
  }

 private:
  [[nodiscard]] std::unique_ptr<ServerProcess> spawn() const {
    return std::make_unique<ServerProcess>(
        data_ + "/journal", fmt::format("127.0.0.1:{}", stage_.port),
        std::vector<std::string>{"--segment", "4MiB", "--max-message", "1MiB"}, true);
  }
  bool start() {
    server_ = spawn();
    if (!server_->wait_until_ready()) {
      stage_.over = true;
      stage_.ledger.violation(fmt::format("the server does not start; see {}/journal.log", data_));
      return false;
    }
    stage_.lives.begin();
    return true;
  }
  [[nodiscard]] std::unique_ptr<client::Client> connect() {
    auto client = client::Client::connect({.url = server_->url()});
    if (client) return std::move(*client);
    stage_.ledger.violation("cannot connect: " + client.error().message);
    return nullptr;
  }
  bool declare() {
    const auto client = connect();
    if (client == nullptr) return false;
    // Nothing may end but by a settle; what a client forgot comes back soon.
    const std::vector<client::OptionText> options{
        {"max_attempts", "0"}, {"dedup_window", "2h"}, {"lease", "1s"}, {"backoff", "none"}};
    for (const auto queue : {kMessages, kTasks})
      if (auto good = client->call(client::declare(queue, options)); !good)
        stage_.ledger.violation("declare: " + good.error().error.message);
    return stage_.ledger.violations().empty();
  }
  void start_clients() {
    const auto front = [this](int n) {
      return n % 2 == 0 ? http_front(stage_.port, stage_.lives)
                        : native_front(stage_.port, stage_.lives);
    };
    for (int n = 0; n < kProducers; ++n)
      producers_.emplace_back([this, n, front, seed = random_()] {
        Producer(stage_, front(n), n >= kProducers - 2, seed).run();
      });
    for (int n = 0; n < kConsumers; ++n)
      consumers_.emplace_back([this, n, front, seed = random_()] {
        Consumer(stage_, front(n), n >= kConsumers - 2, seed).run();
      });
  }

  // A random while of work, a kill, a new start; now and then a kill during the start, too.
  bool cycle() {
    if (stage_.ledger.wait_for_violation(milliseconds(20 + random_() % 581))) return false;
    (void)server_->end(SIGKILL);
    if (random_() % 5 == 0) {
      server_ = spawn();
      if (stage_.ledger.wait_for_violation(milliseconds(random_() % 40))) return false;
      (void)server_->end(SIGKILL);
      ++killed_starting_;
    }
    return start();
  }

  void finish() {
    stage_.publishing = false;
    for (auto& thread : producers_) thread.join();
    producers_.clear();
    stage_.draining = true;
    const bool drained = drain();
    stage_.over = true;
    for (auto& thread : consumers_) thread.join();
    consumers_.clear();
    if (!drained) return;
    stage_.ledger.judge();
    // What is settled stays settled: once more, with nothing but the settles to remember.
    (void)server_->end(SIGKILL);
    if (!start()) return;
    if (const auto left = waiting(); left.value_or(0) != 0)
      stage_.ledger.violation(fmt::format("{} settled messages came back after a kill", *left));
    check_results();
    if (const int code = server_->end(SIGTERM); code != 0)
      stage_.ledger.violation(fmt::format("the server ended with {} after SIGTERM", code));
    const auto log = data_ + "/journal.log";
    if (testing::wait_for_end(testing::spawn_penstock({"verify", data_ + "/journal"}, log, -1)) !=
        0)
      stage_.ledger.violation("`penstock verify` finds damage; see " + log);
  }

  bool drain() {
    const auto until = std::chrono::steady_clock::now() + kDrainTime;
    while (std::chrono::steady_clock::now() < until) {
      const auto left = waiting();
      if (!left) return false;
      if (*left == 0) return true;
      stage_.ledger.wait_for_progress(milliseconds(50));
    }
    stage_.ledger.violation(fmt::format("{} messages are still there after {} s of draining",
                                        waiting().value_or(0), kDrainTime.count()));
    stage_.ledger.judge();
    return false;
  }

  // How many messages the server still holds, in whatever state.
  std::optional<std::uint64_t> waiting() {
    const auto client = connect();
    if (client == nullptr) return std::nullopt;
    auto queues = client->call(client::all_queue_statistics());
    if (!queues) {
      stage_.ledger.violation("queue statistics: " + queues.error().error.message);
      return std::nullopt;
    }
    std::uint64_t left = 0;
    for (const auto& queue : *queues) left += queue.ready + queue.leased + queue.scheduled;
    return left;
  }

  void check_results() {
    const auto client = connect();
    if (client == nullptr) return;
    for (const auto& [id, number] : stage_.ledger.finished_tasks(kResultsLookedAt)) {
      const auto task = client->call(client::task(MessageId(id)));
      ++results_;
      if (task && task->state == "done" && task->result == result_of(number)) continue;
      stage_.ledger.violation(
          fmt::format("task {} (id {}) was done with {}, but: {}", number, id, result_of(number),
                      task ? task->state + " with " + task->result : task.error().error.message));
    }
  }

  bool report() {
    const auto totals = stage_.ledger.totals();
    fmt::print(
        "crash_cycles: seed {}, {} cycles ({} killed while starting, too): accepted {}, settled {} "
        "(and {} of unknown fate), redelivered {}\n"
        "  publishes of unknown fate {}, refused {}, repeats of a key {}, batches {}, results "
        "checked {}\n",
        seed_, done_, killed_starting_, totals.accepted, totals.settled, totals.settle_unknown,
        totals.redelivered, totals.unknown, totals.refused, totals.repeated, totals.batches,
        results_);
    const auto violations = stage_.ledger.violations();
    for (const auto& what : violations) fmt::print("  FAILED: {}\n", what);
    if (totals.accepted == 0) fmt::print("  FAILED: nothing was accepted, so nothing was tested\n");
    const bool good = violations.empty() && totals.accepted > 0;
    server_.reset();
    if (good)
      std::filesystem::remove_all(data_);
    else
      fmt::print("  the journal and the server's log are kept in {}\n", data_);
    return good;
  }

  const int cycles_;
  std::mt19937_64 random_;
  const std::uint64_t seed_;
  const std::string data_;
  Stage stage_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::thread> producers_, consumers_;
  int done_ = 0, killed_starting_ = 0, results_ = 0;
};

}  // namespace
}  // namespace penstock::crash

int main(int count, char** arguments) {
  const int cycles = count > 1 ? std::atoi(arguments[1]) : 5;
  const std::uint64_t seed =
      count > 2 ? std::strtoull(arguments[2], nullptr, 10) : std::random_device()();
  if (cycles < 1) {
    std::fprintf(stderr, "usage: crash_cycles [CYCLES [SEED]]\n");
    return 2;
  }
  return penstock::crash::Run(cycles, seed).run() ? 0 : 1;
}
