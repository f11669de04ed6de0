#include "cli/demo/crew.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/connection.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kFanOutThreads = 32;
constexpr Duration kLease = 5s;
constexpr Duration kGrace = 10s;

}  // namespace

// Every worker thread writes its lines with one write() each, to a file opened for appending: they
// come out whole.
class Crew::Notebook final : public WorkerPoolWatcher {
 public:
  explicit Notebook(const std::filesystem::path& file)
      : fd_(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    CHECK(fd_ >= 0);
  }
  ~Notebook() override { ::close(fd_); }

  void on_ending(const Work& work, const Ending&, bool settled) override {
    if (settled) return;
    const std::string line = notification_id(work.payload) + "\n";
    CHECK(::write(fd_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  }
  void on_server_lost(const Error&) override {}
  void on_server_back() override {}

 private:
  int fd_;
};

Crew::Crew(Clock& clock, const std::filesystem::path& unsettled)
    : clock_(clock), notebook_(std::make_unique<Notebook>(unsettled)) {}

Crew::~Crew() {
  stop();
}

Result<void> Crew::add_fan_out(const std::string& server) {
  // A connection for each thread that a full channel holds back.
  auto client = connect(server, {.max_waiting = kFanOutThreads});
  if (!client) return fail(std::move(client.error()));
  auto executor = std::make_unique<FanOut>(**client);
  fan_out_ = executor.get();
  start({std::move(*client), std::move(executor), {}, {}}, "events", kFanOutThreads);
  return {};
}

Result<void> Crew::add_channel(const std::string& server, const std::string& queue,
                               std::unique_ptr<Executor> executor) {
  auto client = connect(server);
  if (!client) return fail(std::move(client.error()));
  start({std::move(*client), std::move(executor), {}, {}}, queue, kChannelThreads);
  return {};
}

void Crew::start(Pool pool, const std::string& queue, std::uint32_t threads) {
  auto worker = this_worker("demo-" + queue, clock_.now());
  worker.queues = {queue};
  worker.any_task = true;
  pool.pool = std::make_unique<WorkerPool>(*pool.client, *pool.executor, clock_,
                                           WorkerPoolOptions{.worker = std::move(worker),
                                                             .threads_min = threads,
                                                             .threads_max = threads,
                                                             .lease = kLease,
                                                             .grace = kGrace},
                                           *notebook_);
  pool.thread = std::jthread([worker_pool = pool.pool.get()](const std::stop_token& stop) {
    // What ends it early is seen in the queues: nobody takes from them any more.
    static_cast<void>(worker_pool->run(stop));
  });
  pools_.push_back(std::move(pool));
}

void Crew::stop() {
  for (Pool& pool : pools_) pool.thread.request_stop();
  for (Pool& pool : pools_) {
    if (pool.thread.joinable()) pool.thread.join();
  }
}

std::uint64_t Crew::failed() const {
  std::uint64_t failed = 0;
  for (const Pool& pool : pools_) failed += pool.pool->statistics().failed;
  return failed;
}

}  // namespace penstock::cli
