#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/clients.h"
#include "sim/flows.h"
#include "sim/groups.h"
#include "sim/limits.h"
#include "sim/runs.h"
#include "sim/schedules.h"
#include "sim/workers.h"

namespace penstock::sim {

using namespace std::chrono_literals;

WorldOptions::WorldOptions(std::uint64_t s) : seed(s) {
  SimRandom random(s ^ 0x5eed);
  const auto pick = [&random]<class T>(std::initializer_list<T> values) {
    return values.begin()[random.below(values.size())];
  };
  steps = 150 + static_cast<std::uint32_t>(random.below(350));
  sessions = 1 + static_cast<std::uint32_t>(random.below(3));
  spare_segments = static_cast<std::uint32_t>(random.below(3));
  reserve_bytes = pick({0ull, 64ull << 10});
  tail_cache_bytes = pick({0ull, 32ull << 10, 1ull << 20});
  checkpoint_bytes = pick({0ull, 40ull << 10, 1ull << 30});
  dead_segments = pick({0ull, 2ull, 8ull});
  for (auto& length : max_length) length = pick({5ull, 20ull, 1000ull});
  max_attempts = pick({0u, 2u, 3u});
  group_limit = pick({1u, 2u});
  lease = pick({Duration(500ms), Duration(3s), Duration(60s)});
  power_cuts = pick({0u, 30u, 80u});
  io_errors = pick({0u, 0u, 60u});
  full_disks = reserve_bytes > 0 ? pick({0u, 40u}) : 0;
  restarts = pick({0u, 100u});
  large_bodies = pick({0u, 6u, 30u});
  cause_limit = pick({0u, 1u, 2u, 2u});
  flows = pick({0u, 2u, 4u});
  flow_length = pick({20ull, 1000ull});
}

std::string WorldOptions::describe() const {
  return fmt::format(
      "seed={} steps={} sessions={} segment_bytes={} reserve_bytes={} tail_cache_bytes={} "
      "spare_segments={} checkpoint_bytes={} dead_segments={} max_length={}/{} max_attempts={} "
      "group_limit={} lease_us={} power_cuts={} io_errors={} full_disks={} restarts={} "
      "large_bodies={} flows={} flow_length={} cause_limit={}",
      seed, steps, sessions, segment_bytes, reserve_bytes, tail_cache_bytes, spare_segments,
      checkpoint_bytes, dead_segments, max_length[0], max_length[1], max_attempts, group_limit,
      lease.count(), power_cuts, io_errors, full_disks, restarts, large_bodies, flows, flow_length,
      cause_limit);
}

void WorldCounters::add(const WorldCounters& other) {
  steps += other.steps, replies += other.replies, deliveries += other.deliveries;
  confirmed += other.confirmed, settled += other.settled;
  for (int n = 0; n < kPersistenceModels; ++n) crashes[n] += other.crashes[n];
  kills += other.kills, workflows += other.workflows;
  cuts_in_recovery += other.cuts_in_recovery, io_deaths += other.io_deaths;
  full_disks += other.full_disks, refused_for_disk += other.refused_for_disk;
  checkpoints += other.checkpoints, operations += other.operations;
  virtual_seconds += other.virtual_seconds;
}

namespace {

class World {
 public:
  World(const WorldOptions& options, std::function<void(const std::string&)> listener)
      : options_(options),
        random_(options.seed),
        disk_(std::make_unique<SimDisk>(store_)),
        clients_(options, random_, clock_, trace_, counters_),
        schedules_(options.seed, clock_, trace_),
        runs_(options.seed, clock_, trace_),
        limits_(options.seed, clock_, trace_),
        groups_(options.seed, clock_, trace_),
        workers_(options.seed, clock_, trace_),
        flows_(options, random_, clock_, trace_, counters_) {
    trace_.listener = std::move(listener);
  }

  WorldResult run() {
    WorldResult result;
    const auto begin = clock_.now();
    try {
      live();
    } catch (const Violation& violation) {
      result.violation = fmt::format("{}: {}", violation.law, violation.what);
    } catch (const ProcessDeath& death) {
      result.violation = fmt::format("died: {}: {}", death.what, death.why);
    }
    counters_.operations += disk_->operations();
    counters_.virtual_seconds = static_cast<std::uint64_t>((clock_.now() - begin) / 1s);
    trace_.add(counters_.operations);
    result.trace = trace_.hash();
    result.counters = counters_;
    return result;
  }

 private:
  void live() {
    power_up();
    disk_->faults = {};
    clients_.declare_queues();
    schedules_.put_all();
    runs_.put_all();
    limits_.declare_queue();
    groups_.declare_queue();
    flows_.declare_queue();
    for (std::uint32_t step = 0; step < options_.steps; ++step) {
      ++counters_.steps;
      trace_.add(step);
      try {
        if (fault_is_due(options_.power_cuts)) arm_power_cut();
        if (fault_is_due(options_.io_errors)) arm_io_error();
        one_step();
      } catch (const PowerCut&) {
        power_down();
        power_up();
      } catch (const ProcessDeath& death) {
        if (!disk_->failed()) throw;
        ++counters_.io_deaths;
        power_down();
        power_up();
      }
      if (step % 16 == 0) broker_->check();
    }
    disk_->faults = {};
    disk_->capacity_bytes = 1ull << 40;
    restart();
    schedules_.drain();
    hear();
    runs_.drain();
    limits_.drain();
    groups_.drain();
    flows_.drain();
    clients_.drain();
    broker_->check();
  }

  bool fault_is_due(std::uint32_t one_in) {
    return one_in != 0 && disk_->faults.cut_power_at == 0 && disk_->faults.fail_at == 0 &&
           random_.one_in(one_in);
  }
  void arm_power_cut() { disk_->faults.cut_power_at = disk_->operations() + 1 + random_.below(12); }
  void arm_io_error() {
    disk_->faults.fail_at = disk_->operations() + 1 + random_.below(12);
    disk_->faults.sticky = random_.one_in(2);
  }

  void one_step() {
    switch (random_.below(16)) {
      case 0:
        clock_.advance(Duration(static_cast<std::int64_t>(random_.below(1'500'000))));
        return broker_->turn();
      case 1:
        return maintain();
      case 2:
        return prepare();
      case 3:
      case 4:
      case 5:
        return seal();
      case 6:
      case 7:
      case 8:
        return finish();
      case 9:
        if (options_.full_disks != 0) change_capacity();
        if (options_.restarts != 0 && random_.one_in(options_.restarts / 8)) restart();
        return;
      default:
        if (options_.flows != 0 && random_.one_in(options_.flows))
          flows_.act();
        else
          clients_.act();
        schedules_.act();
        runs_.act();
        limits_.act();
        groups_.act();
        workers_.act();
        if (random_.one_in(2)) broker_->turn();
        hear();
    }
  }

  void hear() {
    clients_.hear();
    limits_.hear();
    runs_.hear();
    groups_.hear();
    flows_.hear();
  }
  void crashed() {
    clients_.crashed();
    limits_.crashed();
    runs_.crashed();
    groups_.crashed();
    flows_.crashed();
  }

  void seal() {
    broker_->turn();
    if (in_flight_ == nullptr) in_flight_ = broker_->seal();
  }
  void finish() {
    if (in_flight_ == nullptr) return;
    broker_->write(*in_flight_);
    broker_->complete(*std::exchange(in_flight_, nullptr));
    hear();
  }
  void maintain() {
    finish();
    broker_->maintain();
    broker_->rest();
    hear();
  }
  void make_files() {
    for (bool more = true; more;) {
      const auto made = broker_->prepare();
      if (!made) fatal("prepare", made.error().message);  // as the thread that calls it does
      more = *made;
    }
  }
  void prepare() {
    make_files();
    // Parity, and now and then some of the scrub.
    for (int step = 0; step < 4 && broker_->tend() <= clock_.now(); ++step) {
    }
  }

  // Only a log that has made its reserves promises to go on without room.
  void change_capacity() {
    if (disk_->capacity_bytes < (1ull << 40)) {
      if (random_.one_in(3)) disk_->capacity_bytes = 1ull << 40;
    } else if (random_.one_in(3)) {
      make_files();
      ++counters_.full_disks;
      disk_->capacity_bytes = disk_->used_bytes() + random_.below(3) * 20'000;
    }
    // That there is room again is noticed at the next look, not at once.
    if (disk_->capacity_bytes < (1ull << 40))
      clients_.disk_may_be_full = flows_.disk_may_be_full = true;
  }

  void restart() {
    trace_.say([] { return std::string("---- restart"); });
    disk_->faults = {};
    finish();
    broker_->close();
    hear();
    counters_.checkpoints += broker_->statistics().journal.checkpoints;
    crashed();
    broker_.reset();
    open();
  }

  void power_down() {
    if (random_.one_in(4)) return kill();
    const auto model = static_cast<Persistence>(random_.below(kPersistenceModels));
    ++counters_.crashes[static_cast<int>(model)];
    trace_.add(name_of(model));
    trace_.say([&] { return fmt::format("---- power off, survivors: {}", name_of(model)); });
    in_flight_ = nullptr;
    crashed();
    broker_.reset();
    counters_.operations += disk_->operations();
    const auto capacity = disk_->capacity_bytes;
    disk_ = std::make_unique<SimDisk>(store_, disk_->crash(model, random_));
    disk_->capacity_bytes = capacity;
    clock_.advance(Duration(static_cast<std::int64_t>(random_.below(2'000'000))));
  }

  // Only the process: what it wrote is there to be read, and may still be lost with the power.
  void kill() {
    ++counters_.kills;
    trace_.say([] { return std::string("---- the process died"); });
    in_flight_ = nullptr;
    crashed();
    broker_.reset();
    disk_->faults = {};
  }

  // Recovery may be cut short, again and again.
  void power_up() {
    for (int attempt = 0;; ++attempt) {
      if (options_.power_cuts != 0 && attempt < 4 && random_.one_in(4))
        disk_->faults.cut_power_at = 1 + random_.below(8);
      try {
        return open();
      } catch (const PowerCut&) {
        ++counters_.cuts_in_recovery;
        power_down();
      }
    }
  }

  void open() {
    broker::Options options;
    options.journal.segment_bytes = options_.segment_bytes;
    options.journal.reserve_bytes = options_.reserve_bytes;
    options.journal.tail_cache_bytes = options_.tail_cache_bytes;
    options.journal.spare_segments = options_.spare_segments;
    options.journal.clock = &clock_;
    options.journal.scrub_interval = std::chrono::seconds(2);
    options.journal.log_id.emplace();
    options.journal.log_id->fill(std::byte{9});
    options.max_message_bytes = 16 << 10;
    options.checkpoint_bytes = options_.checkpoint_bytes;
    options.dead_segments = options_.dead_segments;
    auto opened = broker::Broker::open(*disk_, clock_, random_, options);
    if (!opened) throw Violation{"recovery", opened.error().message};
    broker_ = std::move(*opened);
    clients_.disk_may_be_full = flows_.disk_may_be_full = disk_->capacity_bytes < (1ull << 40);
    clients_.connect(*broker_);
    schedules_.connect(*broker_);
    runs_.connect(*broker_);
    limits_.connect(*broker_);
    groups_.connect(*broker_);
    workers_.connect(*broker_);
    flows_.connect(*broker_);
    broker_->check();
  }

  const WorldOptions options_;
  SimRandom random_;
  SectorStore store_;
  SimClock clock_;
  Trace trace_;
  WorldCounters counters_;
  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<broker::Broker> broker_;
  Clients clients_;
  Schedules schedules_;
  Runs runs_;
  Limits limits_;
  Groups groups_;
  Workers workers_;
  Flows flows_;
  journal::Batch* in_flight_ = nullptr;
};

}  // namespace

WorldResult run_world(const WorldOptions& options,
                      std::function<void(const std::string&)> listener) {
  return World(options, std::move(listener)).run();
}

}  // namespace penstock::sim
