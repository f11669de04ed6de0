// The power fails at every single storage operation, and any part of what was not synced survives.
#include <set>

#include "journal/journal.h"
#include "journal/parity.h"
#include "test/journal/fixture.h"

namespace penstock::journal {
namespace {

// What the owner was promised, and what it may find.
struct Model {
  struct Written {
    Seen seen;
    std::string body;
    bool released = false;  // not live any more when the next checkpoint is written
  };
  std::map<LogPosition, Written> confirmed;  // before durable()
  std::map<LogPosition, Written> pending;    // appended, not confirmed
  LogPosition covers;                        // of the newest checkpoint known to be there
  std::string state = "";
  std::string pending_state;  // of a checkpoint that may be there or not
  int lives = 0;
};

class CrashWorkload {
 public:
  CrashWorkload(MemoryDirectory& disk, Model& model, std::uint64_t seed)
      : disk_(disk), model_(model), random_(seed) {
    options_ = small_options();
    options_.reserve_bytes = 16 << 10;
  }

  // One life, until the power fails or it has done enough.
  void run(int steps) {
    Life life(disk_, options_);
    ASSERT_TRUE(life) << life.error.message;
    EXPECT_TRUE(life->report().repaired.empty());
    check(life);
    check_parity();
    for (int i = 0; i < steps; ++i) step(life);
    if (random_.below(2) == 0) {
      life->close();
      confirm(life);
    }
  }

  // All that was confirmed is there; of the rest, at most a prefix, whole.
  void check(Life& life) {
    ++model_.lives;
    std::set<LogPosition> found;
    for (const auto* list : {&life.recorder.live, &life.recorder.records}) {
      for (const auto& seen : *list) {
        found.insert(seen.position);
        auto it = model_.confirmed.find(seen.position);
        const bool known = it != model_.confirmed.end();
        if (!known) it = model_.pending.find(seen.position);
        ASSERT_TRUE(known || it != model_.pending.end()) << "a record that nobody wrote";
        ASSERT_EQ(it->second.seen, seen);
        ASSERT_EQ(life.body(seen.position), it->second.body);
      }
    }
    if (life.recorder.state != model_.state) {
      ASSERT_EQ(life.recorder.state, model_.pending_state);
      model_.state = model_.pending_state;
    }
    model_.covers = life.recorder.covers;
    for (const auto& [position, written] : model_.confirmed) {
      if (!found.contains(position)) {
        ASSERT_TRUE(written.released && position < model_.covers)
            << "lost " << position.value << " in life " << model_.lives;
      }
    }
    bool ended = false;
    for (auto& [position, written] : model_.pending) {
      ASSERT_FALSE(ended && found.contains(position)) << "a hole in what was not confirmed";
      ended = !found.contains(position);
      if (!ended) model_.confirmed[position] = written;
    }
    model_.pending.clear();
    std::erase_if(model_.confirmed,
                  [&](const auto& entry) { return !found.contains(entry.first); });
    for (auto& [position, written] : model_.confirmed) {
      written.released = false;
      life->retain(position, written.body.size());
    }
  }

  // Parity is of what is there, whenever the power failed.
  void check_parity() {
    for (const auto& [name, bytes] : disk_.snapshot()) {
      const auto number = parity_number(name);
      if (!number) continue;
      ++parities_checked;
      const auto parity = Parity::load(disk_, *number);
      ASSERT_TRUE(parity) << parity.error().message;
      ASSERT_FALSE(parity->worn());
      const auto segment = disk_.open(segment_name(*number));
      ASSERT_TRUE(segment) << name << " without its segment";
      ASSERT_TRUE(examine(*parity, **segment, 0, options_.segment_bytes).damaged.empty()) << name;
      for (std::uint64_t stripe = 0; stripe < parity->geometry().stripes(); ++stripe)
        ASSERT_TRUE(parity->parity_of(stripe));
    }
  }
  static inline int parities_checked = 0;

 private:
  void step(Life& life) {
    const auto dice = random_.below(20);
    if (dice < 12) {
      const auto head = "h" + std::to_string(random_.below(1000));
      const auto body = pattern(random_.next(), random_.below(4000));
      // Registered before the call: the power may fail within it.
      const auto position = life.put(head, body);
      model_.pending[position] = {{position, 1, head, static_cast<std::uint32_t>(body.size())},
                                  body};
    } else if (dice < 17) {
      life->commit();
      confirm(life);
    } else if (dice == 17) {
      static_cast<void>(life->prepare());
      for (int n = 0; n < 3; ++n) static_cast<void>(life->tend());
    } else if (dice == 18) {
      release_some(life);
    } else {
      checkpoint(life);
    }
  }

  void confirm(Life& life) {
    for (auto& [position, written] : model_.pending) {
      ASSERT_LT(position, life->durable());
      life->retain(position, written.body.size());
      model_.confirmed[position] = written;
    }
    model_.pending.clear();
  }

  void release_some(Life& life) {
    for (auto& [position, written] : model_.confirmed) {
      if (written.released || random_.below(3) == 0) continue;
      written.released = true;
      life->release(position, written.body.size());
    }
  }

  void checkpoint(Life& life) {
    life->commit();
    confirm(life);
    std::vector<LiveSegment> live;
    for (const auto& [position, written] : model_.confirmed) {
      if (written.released) continue;
      if (live.empty() || live.back().number != life->segment_of(position))
        live.push_back({life->segment_of(position), {}});
      live.back().offsets.push_back(life->offset_of(position));
    }
    model_.pending_state = "state" + std::to_string(random_.next());
    const auto done = life->write_checkpoint(as_bytes(model_.pending_state), live);
    ASSERT_TRUE(done) << done.error().message;
    model_.state = model_.pending_state;
    model_.covers = life->durable();
    std::erase_if(model_.confirmed, [](const auto& entry) { return entry.second.released; });
  }

  MemoryDirectory& disk_;
  Model& model_;
  SeededRandom random_;
  Options options_;
};

using Survivors = MemoryDirectory::Survivors;

class JournalCrash : public testing::TestWithParam<Survivors> {};

// Lives one after the other on the same disk, each cut short at a random operation.
void live_and_die(Survivors survivors, std::uint64_t seed, int lives) {
  MemoryDirectory disk;
  Model model;
  SeededRandom random(seed);
  for (int life = 0; life < lives; ++life) {
    disk.cut_power_at(disk.operations() + 1 + random.below(60));
    CrashWorkload workload(disk, model, random.next());
    try {
      workload.run(60);
    } catch (const MemoryDirectory::PowerCut&) {
    }
    if (testing::Test::HasFatalFailure()) return;
    if (random.below(3) == 0) {
      disk.process_death();
    } else {
      disk.crash(survivors, random);
    }
  }
}

TEST_P(JournalCrash, never_loses_what_was_confirmed_over_many_lives) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    live_and_die(GetParam(), seed, 12);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(CrashWorkload::parities_checked, 100);
}

TEST_P(JournalCrash, at_every_operation_of_a_life_and_again_in_the_recovery) {
  MemoryDirectory disk;
  Model model;
  CrashWorkload(disk, model, 7).run(150);
  const auto base = disk.snapshot();
  const auto base_model = model;
  const auto start = disk.operations();
  {
    Model copy = model;
    CrashWorkload(disk, copy, 8).run(120);
    if (HasFatalFailure()) return;
  }
  const auto count = disk.operations() - start;
  ASSERT_GT(count, 50u);
  for (std::uint64_t n = 1; n <= count; ++n) {
    SCOPED_TRACE(n);
    disk.restore(base);
    model = base_model;
    SeededRandom random(n);
    for (const auto cut : {n, 1 + random.below(8), 1 + random.below(8)}) {
      disk.cut_power_at(disk.operations() + cut);
      CrashWorkload workload(disk, model, 8);
      try {
        workload.run(120);
      } catch (const MemoryDirectory::PowerCut&) {
      }
      if (HasFatalFailure()) return;
      disk.crash(GetParam(), random);
    }
    CrashWorkload(disk, model, 9).run(20);
    if (HasFatalFailure()) return;
  }
}

std::string name_of_survivors(const testing::TestParamInfo<Survivors>& parameter) {
  constexpr const char* kNames[] = {"nothing", "everything", "prefix", "random_sectors",
                                    "random_garbage"};
  return kNames[static_cast<int>(parameter.param)];
}

INSTANTIATE_TEST_SUITE_P(Survivors, JournalCrash,
                         testing::Values(Survivors::nothing, Survivors::everything,
                                         Survivors::prefix, Survivors::random_sectors,
                                         Survivors::random_garbage),
                         name_of_survivors);

}  // namespace
}  // namespace penstock::journal
