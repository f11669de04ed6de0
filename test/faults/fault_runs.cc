// Lets the Nth call of each kind fail, or the process die there, for N = 1, 2, ... until a whole
// piece of work goes by without that call; see trial.h for what must hold each time.
//
//   fault_runs [CALL...]         everything, or everything of some calls (kCallNames)
//   fault_runs --sample N SEED   N of them, by chance
//
// Exits with 0 when all held.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "test/faults/trial.h"
#include "test/support/free_port.h"

namespace penstock::faults {
namespace {

// What may befall each call.
struct Kind {
  Call call;
  std::vector<const char*> actions;  // a + at the end: from then on, for ever
};
const std::vector<Kind> kKinds{
    {Call::write,
     {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "short", "EINTR", "before", "after", "torn"}},
    {Call::fdatasync, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::fsync, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::open, {"EIO", "EIO+", "ENOSPC", "ENOSPC+"}},
    {Call::create, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::rename, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::unlink, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::fallocate, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "EINTR", "before", "after"}},
    {Call::ftruncate, {"EIO", "EIO+", "ENOSPC", "ENOSPC+", "before", "after"}},
    {Call::read, {"EIO", "EIO+", "short", "before"}},
};

Plan make_plan(Call call, std::string action, std::uint64_t at) {
  const bool sticky = action.ends_with('+');
  if (sticky) action.pop_back();
  return {call, std::move(action), sticky, at};
}

struct Tally {
  std::uint64_t tried = 0, struck = 0, most = 0;
  std::array<std::uint64_t, 4> endings{};
};

class Runs {
 public:
  explicit Runs(std::uint64_t seed)
      : seed_(seed),
        folder_(std::filesystem::current_path() / fmt::format("faults-{}", ::getpid())) {}

  // `series`: plans that differ in `at` alone, the series ending when a plan does not strike.
  bool all(const std::set<std::string>& calls) {
    (void)count_calls();
    std::vector<std::pair<Call, std::string>> series;
    for (const auto& kind : kKinds)
      if (calls.empty() || calls.contains(kCallNames[static_cast<std::size_t>(kind.call)]))
        for (const auto* action : kind.actions) series.emplace_back(kind.call, action);
    run_threads(series.size(), [&](Trial& trial, std::size_t at) {
      for (std::uint64_t number = 1;
           one(trial, make_plan(series[at].first, series[at].second, number)); ++number) {
      }
    });
    return report();
  }

  bool sample(std::uint64_t count) {
    const auto calls = count_calls();
    std::mt19937_64 random(seed_);
    std::vector<Plan> plans;
    while (plans.size() < count) {
      const auto& kind = kKinds[random() % kKinds.size()];
      const auto most = calls[static_cast<std::size_t>(kind.call)];
      if (most > 0)
        plans.push_back(make_plan(kind.call, kind.actions[random() % kind.actions.size()],
                                  1 + random() % most));
    }
    run_threads(plans.size(), [&](Trial& trial, std::size_t at) { one(trial, plans[at]); });
    return report();
  }

 private:
  // A run without faults; what it does not come by, no fault is tried at.
  std::array<std::uint64_t, kCalls> count_calls() {
    Control control(folder_ + "/0/journal");
    Trial trial(control, folder_ + "/0", testing::free_port());
    auto verdict = trial.run(nullptr, Survivors::nothing, seed_);
    const auto& recording = control.recording();
    for (std::size_t at = 0; at < kPointCount; ++at)
      if (recording.reached[at] == 0 && !kPoints[at].by_chance)
        verdict.violations.push_back(fmt::format("no call at the point {}", kPoints[at].name));
    judge("without a fault", verdict);
    std::array<std::uint64_t, kCalls> calls{};
    std::ranges::copy(recording.calls, calls.begin());
    return calls;
  }
  // True when the plan struck.
  bool one(Trial& trial, const Plan& plan) {
    // What is certain to be durable must do; every other time chance adds some of the rest.
    const auto survivors = plan.at % 2 == 1 ? Survivors::nothing
                                            : kSurvivors[(seed_ + plan.at / 2) % kSurvivors.size()];
    const auto verdict = trial.run(&plan, survivors, seed_ + plan.at);
    const std::lock_guard lock(mutex_);
    auto& tally =
        tallies_[fmt::format("{:<10}{}{}", kCallNames[static_cast<std::size_t>(plan.call)],
                             plan.action, plan.sticky ? "+" : "")];
    ++tally.tried;
    if (verdict.struck) {
      ++tally.struck;
      tally.most = std::max(tally.most, plan.at);
      ++tally.endings[static_cast<std::size_t>(verdict.ending)];
    }
    judge_locked(fmt::format("{}, survivors: {}", plan.text(), name_of(survivors)), verdict);
    return verdict.struck && !verdict_is_hopeless();
  }
  [[nodiscard]] bool verdict_is_hopeless() const { return failed_ > 50; }
  void judge(const std::string& what, const Verdict& verdict) {
    const std::lock_guard lock(mutex_);
    judge_locked(what, verdict);
  }
  void judge_locked(const std::string& what, const Verdict& verdict) {
    ++trials_;
    confirmed_ += verdict.totals.accepted;
    settled_ += verdict.totals.settled;
    error_answers_ += verdict.error_answers;
    if (verdict.violations.empty()) return;
    ++failed_;
    fmt::print("FAILED: {}\n", what);
    for (const auto& violation : verdict.violations) fmt::print("  {}\n", violation);
    std::fflush(stdout);
  }

  void run_threads(std::size_t count, const auto& work) {
    std::atomic<std::size_t> next{0};
    std::vector<std::jthread> threads;
    // Most of the time is waiting for the disk.
    const auto wanted = 2 * std::max(1u, std::thread::hardware_concurrency());
    for (unsigned n = 1; n <= wanted; ++n)
      threads.emplace_back([&, folder = fmt::format("{}/{}", folder_, n)] {
        Control control(folder + "/journal");
        Trial trial(control, folder, testing::free_port());
        for (auto at = next++; at < count; at = next++) work(trial, at);
      });
  }

  bool report() {
    threads_done();
    fmt::print("  {:<20}{:>8}{:>8}{:>10}{:>12}{:>8}{:>8}\n", "call, what", "struck", "last N",
               "went on", "not begun", "died", "killed");
    for (const auto& [name, tally] : tallies_)
      fmt::print("  {:<20}{:>8}{:>8}{:>10}{:>12}{:>8}{:>8}\n", name, tally.struck, tally.most,
                 tally.endings[0], tally.endings[1], tally.endings[2], tally.endings[3]);
    fmt::print(
        "fault_runs: seed {}, {} runs in {:.0f} s, {} failed; confirmed messages {}, settled {}, "
        "answers that said no {}\n",
        seed_, trials_,
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count(), failed_,
        confirmed_, settled_, error_answers_);
    return failed_ == 0 && confirmed_ > 0;
  }
  void threads_done() { std::filesystem::remove_all(folder_); }

  const std::uint64_t seed_;
  const std::string folder_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::map<std::string, Tally> tallies_;
  std::uint64_t trials_ = 0, failed_ = 0, confirmed_ = 0, settled_ = 0, error_answers_ = 0;
};

}  // namespace
}  // namespace penstock::faults

int main(int count, char** arguments) {
  using penstock::faults::Runs;
  if (count == 4 && std::string_view(arguments[1]) == "--sample")
    return Runs(std::strtoull(arguments[3], nullptr, 10))
                   .sample(std::strtoull(arguments[2], nullptr, 10))
               ? 0
               : 1;
  return Runs(std::random_device()()).all({arguments + 1, arguments + count}) ? 0 : 1;
}
