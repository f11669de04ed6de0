// Kills the server with SIGKILL under load, again and again, and proves from the clients' own
// ledger that nothing accepted was lost, nothing settled came back, and nothing came twice into
// being.
//
//   crash_cycles [--power-cuts] [CYCLES [SEED]]
//
// A third of the deaths is planned for any time, the others at a named point of what the server
// does to the disk. With --power-cuts a death takes along what was not durable, or a part of it.
// Exits with 0 when all held; else says what did not, and keeps the data.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>

#include "client/api.h"
#include "test/crash/clients.h"
#include "test/crash/deaths.h"
#include "test/faults/control.h"
#include "test/faults/disk_image.h"
#include "test/support/free_port.h"
#include "test/support/server_process.h"

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;
using testing::ServerProcess;

constexpr std::uint64_t kSegmentBytes = 512 << 10;
constexpr int kProducers = 5, kConsumers = 6;
constexpr auto kDrainTime = std::chrono::seconds(90);
constexpr auto kPatience = milliseconds(400);  // with a point that a life may not come by
constexpr std::size_t kResultsLookedAt = 1000;
// Cycles in which every point must be come by; and those that chance has to lead to.
constexpr int kLongRun = 100, kVeryLongRun = 1000;

double seconds_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

struct Settings {
  bool power_cuts = false;
  int cycles = 5;
  std::uint64_t seed = 0;
};

class Run {
 public:
  explicit Run(const Settings& settings)
      : settings_(settings),
        random_(settings.seed),
        folder_((std::filesystem::current_path() / fmt::format("crash-{}", ::getpid())).string()),
        data_(folder_ + "/journal"),
        stage_(testing::free_port()) {
    std::filesystem::create_directories(data_);
    if (!faults::Control::available()) return;
    control_.emplace(data_);
    deaths_.emplace(control_->recording(), data_, kSegmentBytes);
    if (!settings.power_cuts) return;
    control_->recording().keeps_changes = 1;
    image_.emplace(data_);
  }

  // True when everything held.
  bool run() {
    if (start({}) && declare()) {
      start_clients();
      bool good = true;
      for (done_ = 0; done_ < settings_.cycles && good; ++done_) good = cycle();
      if (good) finish();
    }
    // Also when something is wrong: then nobody works on, or waits for a server.
    stage_.publishing = false;
    stage_.over = true;
    for (auto& thread : producers_) thread.join();
    for (auto& thread : consumers_) thread.join();
    return report();
  }

 private:
  // Small segments and many checkpoints, so that every life comes by all that there is. A small
  // reserve, so that it has to grow: the keys of two hours make checkpoints of some MiB.
  [[nodiscard]] std::unique_ptr<ServerProcess> spawn(const Death& death) const {
    return std::make_unique<ServerProcess>(
        data_, fmt::format("127.0.0.1:{}", stage_.port),
        std::vector<std::string>{"--segment", std::to_string(kSegmentBytes), "--max-message",
                                 "256KiB", "--checkpoint-every", "1MiB", "--disk-reserve", "1MiB",
                                 "--max-results", "1500"},
        true, control_ ? control_->environment(death.plan) : std::vector<std::string>{});
  }

  // Starts it; when it dies as planned, or is killed, before it is ready, it is started again.
  bool start(Death death) {
    for (;;) {
      death_ = death;
      if (control_) control_->recording().planned_calls = 0;
      server_ = spawn(death);
      const bool impatient = death.point < 0 && done_ > 0 && random_() % 5 == 0;
      if (impatient && !server_->ended_within(milliseconds(random_() % 30)))
        (void)server_->end(SIGKILL);
      else if (server_->wait_until_ready())
        break;
      else if (const int code = server_->wait_for_end(); code != -SIGKILL)
        return refused(fmt::format("it ended with {}", code));
      ++killed_starting_;
      if (!after_death()) return false;
      death = {};
    }
    stage_.lives.begin();
    return true;
  }
  bool refused(const std::string& why) {
    stage_.over = true;
    stage_.ledger.violation(
        fmt::format("the server does not start: {}; see {}/journal.log", why, folder_));
    return false;
  }
  // The process is gone: looks at what it left, and takes away what a power cut could take.
  bool after_death() {
    if (control_) control_->recording().disk_full = 0;
    if (deaths_) deaths_->ended(death_);
    if (!image_) return true;
    const auto difference = image_->take_in(control_->recording());
    if (!difference.empty()) return refused("the recording is not what happened: " + difference);
    // Now and then the machine stays up, and what was not synced waits for a later cut.
    const bool waited = std::exchange(uncut_, !uncut_ && random_() % 4 == 0);
    if (uncut_) return true;
    const auto survivors = waited ? faults::Survivors::nothing
                                  : faults::kSurvivors[random_() % faults::kSurvivors.size()];
    ++cuts_[static_cast<std::size_t>(survivors)];
    changes_lost_ += image_->cut(survivors, random_);
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
    // Nothing may end but by a settle; what a client forgot comes back soon. The bound keeps the
    // last drain short.
    const std::vector<client::OptionText> options{{"max_attempts", "0"},
                                                  {"dedup_window", "2h"},
                                                  {"lease", "1s"},
                                                  {"backoff", "none"},
                                                  {"max_length", "1500"}};
    for (const auto queue : {kMessages, kTasks})
      if (auto good = client->call(client::declare(queue, options)); !good)
        stage_.ledger.violation("declare: " + good.error().error.message);
    return stage_.ledger.violations().empty();
  }
  void start_clients() {
    // The last two have tasks, which AMQP does not know.
    const auto front = [this](int n) {
      return n % 2 != 0 ? native_front(stage_.port, stage_.lives)
             : n == 2   ? amqp_front(stage_.port, stage_.lives)
                        : http_front(stage_.port, stage_.lives);
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

  // A while of work, an end, a new start. The end comes at the planned point, or at any time.
  bool cycle() {
    // Now and then on a full disk: then publishes are refused, and the reserves are used.
    const bool full = control_ && (random_() % 8 == 0 || death_.plan.starts_with("reserve-remove"));
    if (full && has_reserves()) {
      control_->recording().freed_bytes = 0;
      control_->recording().disk_full = 1;
      ++full_lives_;
    }
    if (death_.point >= 0) {
      if (!server_->ended_within(kPatience))
        (void)server_->end(SIGKILL);
      else if (const int code = server_->wait_for_end(); code != -SIGKILL)
        return refused(fmt::format("in the midst of work it ended with {}", code));
    } else {
      if (stage_.ledger.wait_for_violation(milliseconds(10 + random_() % 291))) return false;
      (void)server_->end(SIGKILL);
    }
    if (!stage_.ledger.violations().empty() || !after_death()) return false;
    Death death;
    const bool last = done_ + 1 == settings_.cycles;
    if (deaths_ && !last && random_() % 3 != 0) death = deaths_->choose(random_);
    // Whatever a start tells of what the last life left unsynced must be durable by then.
    if (uncut_ && !last && random_() % 2 == 0) death = deaths_->choose_before_first_sync();
    if (death.plan.starts_with("reserve-allocate") || death.plan.starts_with("reserve-rename"))
      forget({"reserve.seg", "reserve.ckp"});
    if (death.plan.starts_with("reserve-use")) leave_the_last_reserve();
    return start(death);
  }
  // Settling on a full disk is promised by space that was set aside while there was some.
  [[nodiscard]] bool has_reserves() const {
    bool spare = false;
    for (const auto& entry : std::filesystem::directory_iterator(data_))
      spare |= entry.path().filename().string().starts_with("spare-");
    return spare && std::filesystem::exists(data_ + "/reserve.seg") &&
           std::filesystem::exists(data_ + "/reserve.ckp");
  }
  // On a full disk no checkpoint can be written then and no segment freed, so the next one has to
  // be begun in the reserve.
  void leave_the_last_reserve() {
    if (!has_reserves() || (image_ && image_->pending() > 0)) return;
    std::vector<std::string> names{"reserve.ckp"};
    for (const auto& entry : std::filesystem::directory_iterator(data_))
      if (auto name = entry.path().filename().string(); name.starts_with("spare-"))
        names.push_back(std::move(name));
    forget(names);
    control_->recording().freed_bytes = 0;
    control_->recording().disk_full = 1;
    ++full_lives_;
  }
  // Reserves are made once in the life of a directory; what is missing is made again.
  void forget(const std::vector<std::string>& names) {
    for (const auto& name : names) {
      if (!image_)
        std::filesystem::remove(data_ + "/" + name);
      else if (image_->pending() == 0)
        image_->remove(name);
    }
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
    if (!after_death() || !start({})) return;
    if (const auto left = waiting(); left.value_or(0) != 0)
      stage_.ledger.violation(fmt::format("{} settled messages came back after a kill", *left));
    check_results();
    if (const int code = server_->end(SIGTERM); code != 0)
      stage_.ledger.violation(fmt::format("the server ended with {} after SIGTERM", code));
    const auto log = data_ + ".log";
    if (testing::wait_for_end(testing::spawn_penstock({"verify", data_}, log, -1)) != 0)
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
        "crash_cycles: seed {}, {} cycles in {:.1f} s ({} killed while starting, too): accepted "
        "{}, "
        "settled {} (and {} of unknown fate), redelivered {}\n"
        "  publishes of unknown fate {}, refused {}, repeats of a key {}, batches {}, results "
        "checked {}\n",
        settings_.seed, done_, seconds_since(began_), killed_starting_, totals.accepted,
        totals.settled, totals.settle_unknown, totals.redelivered, totals.unknown, totals.refused,
        totals.repeated, totals.batches, results_);
    report_deaths();
    const auto violations = stage_.ledger.violations();
    for (const auto& what : violations) fmt::print("  FAILED: {}\n", what);
    if (totals.accepted == 0) fmt::print("  FAILED: nothing was accepted, so nothing was tested\n");
    const bool good = violations.empty() && totals.accepted > 0;
    server_.reset();
    if (good)
      std::filesystem::remove_all(folder_);
    else
      fmt::print("  the journal and the server's log are kept in {}\n", folder_);
    return good;
  }
  void report_deaths() {
    if (image_) {
      fmt::print("  power cuts, by what survived:");
      for (const auto survivors : faults::kSurvivors)
        fmt::print(" {} {}", faults::name_of(survivors),
                   cuts_[static_cast<std::size_t>(survivors)]);
      fmt::print("; changes lost or hurt {}\n", changes_lost_);
    }
    if (!deaths_) {
      fmt::print("  no deaths at points: the shim was not built\n");
      return;
    }
    fmt::print("  lives on a full disk {}\n", full_lives_);
    fmt::print("  deaths at points {}, at any time {}\n{}", deaths_->at_points(),
               static_cast<std::uint64_t>(done_ + killed_starting_) - deaths_->at_points(),
               done_ < kLongRun ? "" : deaths_->table());
    if (done_ < kLongRun) return;
    for (const auto& name : deaths_->never_reached(done_ >= kVeryLongRun))
      stage_.ledger.violation("the server never came by the point " + name);
  }

  const Settings settings_;
  std::mt19937_64 random_;
  const std::string folder_, data_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Stage stage_;
  std::optional<faults::Control> control_;
  std::optional<Deaths> deaths_;
  std::optional<faults::DiskImage> image_;
  Death death_;  // that this life of the server is to end with
  std::array<std::uint64_t, faults::kSurvivors.size()> cuts_{};
  std::uint64_t changes_lost_ = 0;
  bool uncut_ = false;  // the last life's end left changes that are not durable
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::thread> producers_, consumers_;
  int done_ = 0, killed_starting_ = 0, full_lives_ = 0, results_ = 0;
};

}  // namespace
}  // namespace penstock::crash

int main(int count, char** arguments) {
  penstock::crash::Settings settings;
  int at = 1;
  if (at < count && std::strcmp(arguments[at], "--power-cuts") == 0)
    settings.power_cuts = true, ++at;
  if (at < count) settings.cycles = std::atoi(arguments[at++]);
  settings.seed = at < count ? std::strtoull(arguments[at], nullptr, 10) : std::random_device()();
  if (settings.cycles < 1) {
    std::fprintf(stderr, "usage: crash_cycles [--power-cuts] [CYCLES [SEED]]\n");
    return 2;
  }
  if (settings.power_cuts && !penstock::faults::Control::available()) {
    std::fprintf(stderr, "without the shim, which sanitizers do not bear, nothing can be cut\n");
    return 2;
  }
  return penstock::crash::Run(settings).run() ? 0 : 1;
}
