// The simulator as a program: lives from seeds, and every crash of every short script.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/canary.h"
#include "os/real_clock.h"
#include "sim/enumerate.h"
#include "sim/world.h"

namespace penstock::sim {
namespace {

// One of several processes that share the work.
struct Shard {
  std::uint64_t number = 0, of = 1;
};

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(clock_->now() - start_).count();
  }

 private:
  std::unique_ptr<Clock> clock_ = make_real_clock();
  Time start_ = clock_->now();
};

void report_failure(const WorldOptions& options, const WorldResult& result) {
  fmt::print("FAILED {}\n  {}\n  repeat with: sim seed {}\n", options.describe(),
             result.violation.substr(0, 400), options.seed);
}

int run_seeds(std::uint64_t first, std::uint64_t count, Shard shard, std::uint64_t most_failures) {
  fmt::print("seeds {} to {}, shard {}/{}: what each does is decided by it alone (sim seed N)\n",
             first, first + count - 1, shard.number, shard.of);
  std::fflush(stdout);
  const Stopwatch watch;
  WorldCounters total;
  std::uint64_t run = 0, failures = 0;
  for (auto seed = first + shard.number; seed < first + count && failures < most_failures;
       seed += shard.of) {
    const WorldOptions options(seed);
    const auto result = run_world(options);
    total.add(result.counters);
    ++run;
    if (result.violation.empty()) continue;
    ++failures;
    report_failure(options, result);
  }
  fmt::print("{} seeds in {:.1f} s, {} failed\n", run, watch.seconds(), failures);
  fmt::print(
      "  {} steps, {} replies, {} messages and {} workflows confirmed, {} deliveries, {} "
      "settled\n",
      total.steps, total.replies, total.confirmed, total.workflows, total.deliveries,
      total.settled);
  fmt::print(
      "  {} deaths of a failed disk, {} power cuts inside a recovery, {} full disks ({} "
      "refusals for it)\n",
      total.io_deaths, total.cuts_in_recovery, total.full_disks, total.refused_for_disk);
  fmt::print("  {} disk operations, {} s of virtual time; what survived a crash:", total.operations,
             total.virtual_seconds);
  for (int n = 0; n < kPersistenceModels; ++n)
    fmt::print(" {} {}", name_of(static_cast<Persistence>(n)), total.crashes[n]);
  fmt::print(", the page cache {}", total.kills);
  fmt::print("\n");
  return failures == 0 ? 0 : 1;
}

int run_seed(std::uint64_t seed) {
  const WorldOptions options(seed);
  fmt::print("{}\n", options.describe());
  const auto result = run_world(options, [](const std::string& line) { fmt::print("{}\n", line); });
  fmt::print("trace {:016x}\n", result.trace);
  if (result.violation.empty()) return 0;
  report_failure(options, result);
  return 1;
}

// Each seed twice: the same trace, or something here is not decided by the seed.
int run_twice(std::uint64_t first, std::uint64_t count) {
  for (auto seed = first; seed < first + count; ++seed) {
    const WorldOptions options(seed);
    const auto once = run_world(options);
    const auto again = run_world(options);
    if (once.trace == again.trace && once.violation == again.violation) continue;
    fmt::print("seed {}: two runs, two traces: {:016x} {:016x}\n", seed, once.trace, again.trace);
    return 1;
  }
  fmt::print("{} seeds, twice each: the same traces\n", count);
  return 0;
}

Script script_of(std::size_t number, std::size_t length) {
  Script script;
  for (; script.size() < length; number /= kOps) script.push_back(static_cast<Op>(number % kOps));
  return script;
}

// Empty, or what went wrong. All scripts of exactly this length.
std::string enumerate(Enumeration& enumeration, std::size_t length, Shard shard) {
  std::size_t scripts = 1;
  for (std::size_t n = 0; n < length; ++n) scripts *= kOps;
  for (auto number = shard.number; number < scripts; number += shard.of)
    for (const bool aged : {false, true})
      for (const bool pipelined : {false, true})
        if (auto problem = enumeration.run(script_of(number, length), aged, pipelined);
            !problem.empty())
          return problem;
  return {};
}

int run_enumeration(std::size_t length, const EnumerationOptions& options, Shard shard) {
  fmt::print(
      "all scripts of up to {} of {} operations, shard {}/{}; all subsets of up to {} "
      "pending changes, crashes inside one recovery in {}\n",
      length, kOps, shard.number, shard.of, options.all_subsets_up_to,
      options.crash_recovery_every);
  std::fflush(stdout);
  const Stopwatch watch;
  SectorStore store;
  Enumeration enumeration(store, options);
  std::string problem;
  for (std::size_t n = 1; n <= length && problem.empty(); ++n)
    problem = enumerate(enumeration, n, shard);
  const auto& c = enumeration.counters();
  if (!problem.empty()) fmt::print("FAILED {}\n", problem);
  const auto minutes = watch.seconds() / 60;
  fmt::print(
      "{} scripts, stopped at {} moments, in {:.1f} s: {} images made, {} of them by a second "
      "crash inside the recovery; {} recoveries of different ones\n",
      c.scripts, c.moments, watch.seconds(), c.images, c.inside_recovery, c.recoveries);
  fmt::print("  {} kills with the page cache intact; {} operations and {} reads failed\n", c.kills,
             c.failed_operations, c.failed_reads);
  fmt::print("  {} flipped bits: {} reported, {} without effect, {} under parity, all undone\n",
             c.rotten, c.rot_found, c.rot_harmless, c.rot_under_parity);
  fmt::print("  {} lying syncs: {} reported\n", c.lies, c.lies_found);
  fmt::print("  {:.0f} images judged a minute, {:.0f} recoveries\n",
             static_cast<double>(c.images) / minutes,
             static_cast<double>(c.recoveries + c.kills + c.rotten + c.lies) / minutes);
  return problem.empty() ? 0 : 1;
}

#ifdef PENSTOCK_CANARIES
// 0 when the bug was found within the budget.
int run_canary(const std::string& name, std::uint64_t seeds, std::size_t length) {
  const auto* found = std::ranges::find(kCanaryNames, name);
  if (found == kCanaryNames.end()) {
    fmt::print(stderr, "there is no canary `{}`\n", name);
    return 2;
  }
  SectorStore store;
  EnumerationOptions options;
  options.all_subsets_up_to = 6;
  options.random_subsets = 8;
  options.failures_up_to = 0;
  Enumeration enumeration(store, options);
  active_canary = static_cast<Canary>(found - kCanaryNames.begin());
  const auto found_by_seed = [&name](std::uint64_t first, std::uint64_t last) {
    for (auto seed = first; seed <= last; ++seed) {
      const auto result = run_world(WorldOptions(seed));
      if (result.violation.empty()) continue;
      fmt::print("{}: found by seed {}: {}\n", name, seed, result.violation.substr(0, 200));
      return true;
    }
    return false;
  };
  const auto at_first = std::min<std::uint64_t>(seeds, 50);
  if (found_by_seed(1, at_first)) return 0;
  for (std::size_t n = 1; n <= length; ++n) {
    const auto problem = enumerate(enumeration, n, {});
    if (problem.empty()) continue;
    fmt::print("{}: found by the enumeration in script {}:\n{}\n", name,
               enumeration.counters().scripts, problem);
    return 0;
  }
  if (found_by_seed(at_first + 1, seeds)) return 0;
  fmt::print("{}: NOT found, neither by {} seeds nor by {} scripts\n", name, seeds,
             enumeration.counters().scripts);
  return 1;
}
#endif

int run(int argc, char** argv) {
  CLI::App app{"Penstock's simulator: the engine, the journal and the broker on a disk that fails"};
  app.require_subcommand(1);
  std::uint64_t first = 1, count = 1000, most_failures = 5;
  std::size_t length = 2;
  Shard shard;
  EnumerationOptions options;
  int status = 0;
  const auto sharded = [&shard](CLI::App* command) {
    command->add_option("--shard", shard.number, "this one of them, from 0");
    command->add_option("--of", shard.of, "how many processes share the work")
        ->check(CLI::Range(1, 1024));
    command->parse_complete_callback([&shard] {
      if (shard.number < shard.of) return;
      throw CLI::ValidationError("--shard", fmt::format("{} is not one of 0 to {} (--of {})",
                                                        shard.number, shard.of - 1, shard.of));
    });
  };

  auto* seeds = app.add_subcommand("seeds", "one life each");
  seeds->add_option("--first", first, "the first seed");
  seeds->add_option("--count", count, "how many");
  seeds->add_option("--most-failures", most_failures, "stop after so many");
  sharded(seeds);
  seeds->callback([&] { status = run_seeds(first, count, shard, most_failures); });

  auto* seed = app.add_subcommand("seed", "one life, told line by line");
  seed->add_option("number", first, "the seed")->required();
  seed->callback([&] { status = run_seed(first); });

  auto* twice = app.add_subcommand("twice", "each seed twice, and the traces compared");
  twice->add_option("--first", first, "the first seed");
  twice->add_option("--count", count, "how many");
  twice->callback([&] { status = run_twice(first, count); });

  auto* enumeration = app.add_subcommand("enumerate", "every crash of every short script");
  enumeration->add_option("--length", length, "operations in a script, at most")
      ->check(CLI::Range(1, 4));
  enumeration->add_option("--subsets", options.all_subsets_up_to,
                          "try all subsets of up to so many pending changes");
  enumeration->add_option("--failures", options.failures_up_to,
                          "let every operation of the disk fail in scripts of up to so many steps");
  enumeration->add_option("--inside", options.crash_recovery_every,
                          "crash inside one recovery in so many; 0 = never");
  sharded(enumeration);
  enumeration->callback([&] { status = run_enumeration(length, options, shard); });

#ifdef PENSTOCK_CANARIES
  std::string name;
  count = 2000;
  length = 1;
  auto* canary = app.add_subcommand("canary", "switches a deliberate bug on, and finds it");
  canary->add_option("name", name, "which")->required();
  canary->add_option("--seeds", count, "at most so many lives");
  canary->add_option("--length", length, "scripts of up to so many operations");
  canary->callback([&] { status = run_canary(name, count, length); });
#endif
  CLI11_PARSE(app, argc, argv);
  return status;
}

}  // namespace
}  // namespace penstock::sim

int main(int argc, char** argv) {
  const penstock::sim::MortalProcess mortal;
  return penstock::sim::run(argc, argv);
}
