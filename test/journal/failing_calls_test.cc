// Every call of the disk fails once, reads and questions included: in a whole life of a log, while
// a damaged log is opened, verified and repaired. What is answered is an error or the truth; what
// was confirmed is there afterwards.
#include <algorithm>
#include <functional>

#include "journal/verify.h"
#include "test/journal/parity_fixture.h"
#include "test/support/failing_directory.h"

namespace penstock::journal {
namespace {

using testing_support::Death;
using testing_support::FailingDirectory;
using testing_support::MortalProcess;

using Bodies = std::map<LogPosition, std::string>;
using Image = std::map<std::string, Bytes>;
using Prepare = std::function<void(MemoryDirectory&)>;

class JournalFailingCalls : public testing::Test {
 protected:
  Options options() {
    auto result = small_options();
    result.tail_cache_bytes = 0;
    result.reserve_bytes = kSegment;
    result.clock = &clock_;
    return result;
  }

  // Does `work` once for each call that it makes of the disk, which fails; then `afterwards`, on
  // what is left when the unsynced is lost.
  void for_each_call(const Prepare& prepare, ErrorCode code,
                     const std::function<Result<void>(Directory&)>& work,
                     const std::function<void(MemoryDirectory&)>& afterwards) {
    const MortalProcess mortal;
    for (std::uint64_t call = 1; !HasFailure(); ++call) {
      MemoryDirectory disk;
      prepare(disk);
      FailingDirectory failing(disk, call, code);
      std::string said;
      try {
        if (const auto done = work(failing); !done) said = done.error().message;
      } catch (const Death& death) {
        said = death.what;
      }
      SCOPED_TRACE("call " + std::to_string(call) + ", " + failing.failed() + ": " + said);
      SeededRandom random(call);
      disk.crash(MemoryDirectory::Survivors::nothing, random);
      afterwards(disk);
      if (failing.failed().empty()) {
        EXPECT_EQ(said, "") << "nothing failed";
        EXPECT_GT(call, 10u);
        return;
      }
    }
  }

  // What a log that is opened without failures holds.
  Bodies bodies_in(Directory& disk) {
    Life life(disk, options());
    EXPECT_TRUE(life) << life.error.message;
    return life ? bodies_of(life) : Bodies{};
  }
  static Bodies bodies_of(Life& life) {
    Bodies bodies;
    for (const auto* records : {&life.recorder.live, &life.recorder.records})
      for (const auto& seen : *records) bodies[seen.position] = life.body(seen.position);
    return bodies;
  }

  // Three segments, the first two sealed and with parity; a checkpoint by which every third record
  // of what was there then lives.
  Image written() {
    MemoryDirectory disk;
    Life life(disk, options());
    for (int n = 0; n < 5; ++n) EXPECT_TRUE(life->prepare());
    append(life, confirmed_, 70);
    EXPECT_TRUE(checkpoint(life, confirmed_, 3));
    append(life, confirmed_, 50);
    tend(life);
    EXPECT_GE(life->statistics().parity_files, 2u);
    life.journal.reset();
    return disk.snapshot();
  }
  static void append(Life& life, Bodies& confirmed, int count) {
    Bodies gathered;
    for (int i = 0; i < count; ++i) {
      auto body = pattern(static_cast<std::uint64_t>(i), static_cast<std::size_t>(i * 97 % 2500));
      const auto position = life.put("h" + std::to_string(i), body);
      life->retain(position, body.size() + 1);
      gathered[position] = std::move(body);
      if (i % 5 != 0 && i != count - 1) continue;
      life->commit();
      confirmed.merge(gathered);
    }
  }
  // With every `every`th record in its live set; the others are gone.
  static Result<void> checkpoint(Life& life, Bodies& confirmed, std::size_t every) {
    std::vector<LiveSegment> live;
    Bodies kept;
    std::size_t n = 0;
    for (const auto& [position, body] : confirmed) {
      if (n++ % every != 0) {
        life->release(position, body.size() + 1);
        continue;
      }
      kept[position] = body;
      if (live.empty() || live.back().number != life->segment_of(position))
        live.push_back({life->segment_of(position), {}});
      live.back().offsets.push_back(life->offset_of(position));
    }
    // Whether it failed before or behind its rename, only these must be there.
    confirmed = std::move(kept);
    return life->write_checkpoint(as_bytes("state"), live);
  }
  void tend(Life& life) {
    for (int n = 0; n < 1000 && life->tend() <= clock_.now(); ++n) continue;
  }
  // Through two scrubs of everything.
  void scrub(Life& life) {
    const auto until = life->statistics().scrubs + 2;
    for (int n = 0; n < 1000 && life->statistics().scrubs < until; ++n)
      clock_.forward(std::max(life->tend() - clock_.now(), Duration::zero()));
  }

  static void expect_all_of(const Bodies& confirmed, const Bodies& found) {
    for (const auto& [position, body] : confirmed) {
      const auto here = found.find(position);
      ASSERT_TRUE(here != found.end()) << "lost: " << position.value;
      ASSERT_EQ(here->second, body) << position.value;
    }
  }

  HandClock clock_;
  Bodies confirmed_;
};

TEST_F(JournalFailingCalls, whatever_fails_in_a_life_nothing_that_was_confirmed_is_lost) {
  const auto image = written();
  const auto before = confirmed_;
  for (const auto code : {ErrorCode::io, ErrorCode::full}) {
    const auto live = [&](Directory& disk) -> Result<void> {
      confirmed_ = before;
      Life life(disk, options());
      if (!life) return fail(life.error);
      for (const auto& [position, body] : bodies_of(life))
        if (confirmed_.contains(position)) life->retain(position, body.size() + 1);
      Result<void> first;
      const auto note = [&](auto done) {
        if (!done && first) first = fail(std::move(done).error());
      };
      for (int n = 0; n < 5; ++n) note(life->prepare());
      for (const std::uint64_t expected : {10 * kSegment, 1ul}) {
        life->expect_checkpoint(expected);
        note(life->prepare());
      }
      append(life, confirmed_, 40);
      tend(life);
      note(checkpoint(life, confirmed_, 4));
      append(life, confirmed_, 20);
      for (std::uint64_t number = 1; number <= life->segment_of(life->durable()); ++number) {
        auto done = life->for_each_record(number, [](const RecordHead&) {});
        if (!done && done.error().code != ErrorCode::not_found) note(std::move(done));
      }
      scrub(life);
      for (const auto& [position, body] : confirmed_) {
        auto record = life->read(position);
        if (record) {
          EXPECT_EQ(as_text(record->body), body) << "what is read is right";
        }
        note(std::move(record));
      }
      life->close();
      return first;
    };
    for_each_call([&](MemoryDirectory& disk) { disk.restore(image); }, code, live,
                  [&](MemoryDirectory& disk) { expect_all_of(confirmed_, bodies_in(disk)); });
  }
}

TEST_F(JournalFailingCalls, a_new_log_is_begun_by_whoever_comes_after_the_failure) {
  const auto begin = [&](Directory& disk) -> Result<void> {
    confirmed_.clear();
    Life life(disk, options());
    if (!life) return fail(life.error);
    append(life, confirmed_, 3);
    life->close();
    return {};
  };
  for_each_call([](MemoryDirectory&) {}, ErrorCode::io, begin,
                [&](MemoryDirectory& disk) { expect_all_of(confirmed_, bodies_in(disk)); });
}

// ---- damage, and failures on top of it

struct Damage {
  const char* name;
  void (*to)(MemoryDirectory&);
};

void flip(MemoryDirectory& disk, const std::string& name, std::uint64_t at) {
  auto bytes = disk.contents(name);
  bytes.at(at) ^= std::byte{0x10};
  disk.set_contents(name, std::move(bytes));
}

const Damage kDamages[] = {
    {"none", [](MemoryDirectory&) {}},
    {"segment_header", [](MemoryDirectory& disk) { flip(disk, segment_name(2), 20); }},
    {"batch", [](MemoryDirectory& disk) { flip(disk, segment_name(2), kBlock + 100); }},
    {"footer_and_batch",
     [](MemoryDirectory& disk) {
       flip(disk, segment_name(2), kSegment - kBlock + 20);
       flip(disk, segment_name(2), 5 * kBlock + 100);
     }},
    {"batch_beyond_parity",
     [](MemoryDirectory& disk) {
       ASSERT_TRUE(disk.remove(parity_name(1)));
       flip(disk, segment_name(1), kBlock + 300);
       flip(disk, segment_name(1), 6 * kBlock + 300);
     }},
    {"unreadable",
     [](MemoryDirectory& disk) { disk.fail_reads_of(segment_name(2), 2 * kBlock, 512); }},
    {"cut_short",
     [](MemoryDirectory& disk) {
       auto bytes = disk.contents(segment_name(2));
       bytes.resize(kSegment - 2 * kBlock);
       disk.set_contents(segment_name(2), std::move(bytes));
     }},
    {"missing_with_parity",
     [](MemoryDirectory& disk) { ASSERT_TRUE(disk.remove(segment_name(2))); }},
    {"parity", [](MemoryDirectory& disk) { flip(disk, parity_name(2), kBlock + 3); }},
    {"stray",
     [](MemoryDirectory& disk) {
       disk.set_contents(segment_name(9), disk.contents(segment_name(1)));
     }},
    {"checkpoint",
     [](MemoryDirectory& disk) {
       disk.set_contents(checkpoint_name(7), disk.contents(checkpoint_name(1)));
     }},
    {"half_done_repair",
     [](MemoryDirectory& disk) {
       flip(disk, segment_name(1), kBlock + 300);
       ASSERT_TRUE(disk.remove(parity_name(1)));
       disk.set_contents(kRepairTemporary, Bytes(100));
       disk.set_contents(segment_name(1) + ".damaged", Bytes(100));
     }},
};

class JournalFailingRepair : public JournalFailingCalls,
                             public testing::WithParamInterface<Damage> {
 protected:
  void SetUp() override {
    image_ = written();
    MemoryDirectory disk;
    damage(disk);
    kept_ = repaired(disk);
    EXPECT_GE(kept_.size(), confirmed_.size() / 2);
  }
  void damage(MemoryDirectory& disk) {
    disk.restore(image_);
    GetParam().to(disk);
    ASSERT_TRUE(disk.sync());
  }
  // What is there after repairs in which nothing failed.
  Bodies repaired(MemoryDirectory& disk) {
    disk.clear_faults();
    const auto report = verify(disk, true);
    EXPECT_TRUE(report) << report.error().message;
    if (report) {
      for (const auto& problem : report->problems)
        EXPECT_TRUE(problem.repaired) << problem.file << ": " << problem.what;
    }
    return bodies_in(disk);
  }
  // A repair that cannot read the parity gives up what only that could have brought back; but all
  // that it replaced is still there.
  static void put_back_what_was_put_aside(MemoryDirectory& disk) {
    const std::string aside = ".damaged";
    for (const auto& [name, bytes] : disk.snapshot()) {
      if (!name.ends_with(aside)) continue;
      const auto was = name.substr(0, name.size() - aside.size());
      if (checkpoint_number(was)) {
        for (const auto& [other, unused] : disk.snapshot()) {
          if (!checkpoint_number(other)) continue;
          ASSERT_TRUE(disk.remove(other));
        }
      }
      disk.set_contents(was, bytes);
      ASSERT_TRUE(disk.remove(name));
    }
  }

  Image image_;
  Bodies kept_;
};

TEST_P(JournalFailingRepair, that_fails_anywhere_and_is_done_again_keeps_all_that_can_be_kept) {
  const auto repair = [](Directory& disk) -> Result<void> {
    const auto report = verify(disk, true);
    return report ? Result<void>{} : fail(report.error());
  };
  for_each_call([&](MemoryDirectory& disk) { damage(disk); }, ErrorCode::io, repair,
                [&](MemoryDirectory& disk) {
                  if (repaired(disk) == kept_) return;
                  put_back_what_was_put_aside(disk);
                  EXPECT_TRUE(repaired(disk) == kept_);
                });
}

TEST_P(JournalFailingRepair, is_not_begun_by_looking_whatever_fails) {
  MemoryDirectory damaged;
  damage(damaged);
  const auto before = damaged.snapshot();
  const auto look = [](Directory& disk) -> Result<void> {
    const auto report = verify(disk, false);
    return report ? Result<void>{} : fail(report.error());
  };
  for_each_call([&](MemoryDirectory& disk) { damage(disk); }, ErrorCode::io, look,
                [&](MemoryDirectory& disk) { EXPECT_TRUE(disk.snapshot() == before); });
}

TEST_P(JournalFailingRepair, at_the_start_is_refused_or_loses_nothing) {
  const auto start = [&](Directory& disk) -> Result<void> {
    Life life(disk, options());
    if (!life) return fail(life.error);
    for (const auto& [position, body] : bodies_of(life)) {
      EXPECT_TRUE(body.starts_with("error: ") || !kept_.contains(position) ||
                  kept_.at(position) == body);
    }
    return {};
  };
  MemoryDirectory healthy;
  damage(healthy);
  const bool opens = start(healthy).has_value();
  for (std::uint64_t call = 1; !HasFailure(); ++call) {
    MemoryDirectory disk;
    damage(disk);
    FailingDirectory failing(disk, call, ErrorCode::io);
    const bool started = start(failing).has_value();
    SCOPED_TRACE("call " + std::to_string(call) + ", " + failing.failed());
    EXPECT_TRUE(repaired(disk) == kept_);
    if (!failing.failed().empty()) continue;
    EXPECT_EQ(started, opens);
    break;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, JournalFailingRepair, testing::ValuesIn(kDamages),
                         [](const auto& damage) { return std::string(damage.param.name); });

}  // namespace
}  // namespace penstock::journal
