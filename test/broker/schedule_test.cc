// Schedules: what fires when, what is made up for, and what an overlapping run does.
#include <set>

#include "engine/names.h"
#include "test/broker/schedule_fixture.h"

namespace penstock::broker {
namespace {

TEST_F(ScheduleTest, FiresWhenItIsDueAndSaysWhatForAndWhen) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1m");
  HeaderWriter headers;
  headers.add("h", "mine");
  one.headers = headers.view();
  EXPECT_TRUE(put(one).created);
  run_for(59s);
  EXPECT_TRUE(take("q").messages.empty());
  run_for(1s);
  const auto got = take("q");
  ASSERT_EQ(got.messages.size(), 1u);
  EXPECT_EQ(got.messages[0].body, "work");
  EXPECT_EQ(got.messages[0].header, "mine");
  EXPECT_EQ(got.messages[0].schedule, "tick");
  EXPECT_EQ(got.messages[0].due, flow::utc_text(start + 1min));
  EXPECT_EQ(schedule("tick").fired, 1u);
  EXPECT_EQ(schedule("tick").next_due, start + 2min);
}

TEST_F(ScheduleTest, CronLinesGoByTheirZone) {
  auto one = spec("morning", "30 7 * * *");
  one.zone = "Europe/Berlin";  // 2023-11-14 22:13:20 UTC is past it
  put(one);
  EXPECT_EQ(flow::utc_text(*schedule("morning").next_due), "2023-11-15T06:30:00Z");
  run_for(9h);
  EXPECT_EQ(dues(), (std::vector<std::string>{"2023-11-15T06:30:00Z"}));
}

TEST_F(ScheduleTest, OneTimeFiresOnceAndStaysAsDone) {
  put(spec("once", "@at 2023-11-14T22:14:00Z"));
  run_for(2min);
  EXPECT_EQ(dues(), (std::vector<std::string>{"2023-11-14T22:14:00Z"}));
  EXPECT_EQ(schedule("once").next_due, std::nullopt);
  // A program that starts anew puts it again, and it does not fire again.
  EXPECT_EQ(put(spec("once", "@at 2023-11-14T22:14:00Z")).kind, "done");
  run_for(2min);
  EXPECT_TRUE(dues().empty());
}

TEST_F(ScheduleTest, PuttingTheSameChangesNothingAndWritesNothing) {
  const auto start = clock.now();
  put(spec("tick", "@every 1m"));
  run_for(30s);
  const auto records = broker->statistics().journal.records;
  EXPECT_FALSE(put(spec("tick", "@every 60s")).created);
  EXPECT_EQ(broker->statistics().journal.records, records);
  auto changed = spec("tick", "@every 1m");
  changed.body = as_bytes("other work");
  EXPECT_FALSE(put(changed).created);
  run_for(30s);
  const auto got = take("q");
  ASSERT_EQ(got.messages.size(), 1u) << "its time stays, whatever it publishes";
  EXPECT_EQ(got.messages[0].body, "other work");
  EXPECT_EQ(got.messages[0].due, flow::utc_text(start + 1min));
  put(spec("tick", "@every 2m"));
  EXPECT_EQ(schedule("tick").next_due, start + 3min) << "another interval begins anew";
  EXPECT_EQ(schedule("tick").fired, 1u);
}

TEST_F(ScheduleTest, WhatComesWhileItIsPausedIsNotMissed) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1m");
  one.missed = Missed::all;
  put(one);
  EXPECT_EQ(pause("tick").count, 1u);
  EXPECT_EQ(schedule("tick").next_due, std::nullopt);
  run_for(10min + 30s);
  EXPECT_FALSE(put(one).created) << "an upsert leaves the pause as it is";
  EXPECT_TRUE(schedule("tick").paused);
  pause("tick", false);
  run_for(30s);
  EXPECT_EQ(dues(), every(1min, start, 11, 11));
  EXPECT_EQ(schedule("tick").missed, 0u);
}

TEST_F(ScheduleTest, ATriggerFiresOnceMoreAndMovesNothing) {
  const auto start = clock.now();
  put(spec("tick", "@every 1m"));
  pause("tick");
  const auto got = trigger("tick");
  ASSERT_EQ(got.kind, "published");
  EXPECT_EQ(take("q").messages.at(0).id, got.ids.at(0));
  pause("tick", false);
  EXPECT_EQ(schedule("tick").next_due, start + 1min);
  EXPECT_EQ(schedule("tick").fired, 1u);
  EXPECT_EQ(trigger("nothing").error.message, "there is no schedule \"nothing\"");
}

TEST_F(ScheduleTest, WhatIsRemovedFiresNoMore) {
  put(spec("tick", "@every 1m"));
  EXPECT_EQ(remove("tick").count, 1u);
  EXPECT_EQ(remove("tick").error.code, ErrorCode::not_found);
  run_for(2min);
  EXPECT_TRUE(dues().empty());
  broker->check();
}

TEST_F(ScheduleTest, GoesWithItsVirtualHost) {
  broker->declare_host(session, ++tag, "shop");
  const auto name = engine::scoped_name("shop", "tick");
  const auto queue = engine::scoped_name("shop", "q");
  auto one = spec(name, "@every 1m");
  EXPECT_EQ(put(one).error.message, "a schedule and its queue are in one virtual host");
  one.queue = queue;
  EXPECT_TRUE(put(one).created);
  broker->remove_host(session, ++tag, "shop");
  run_for(2min);
  EXPECT_FALSE(broker->schedule(session, name));
  broker->check();
}

TEST_F(ScheduleTest, RefusesWhatCannotBe) {
  const auto refusal = [&](const Spec& one) { return put(one).error.message; };
  EXPECT_EQ(refusal(spec("a", "0 0 30 2 *")),
            "a cron line that never fires: none of its months has its days");
  EXPECT_EQ(refusal(spec("a", "@at 2020-01-01T00:00Z")),
            "schedule 'a' would never fire: @at 2020-01-01T00:00:00Z has passed");
  auto one = spec("a", "@daily");
  one.zone = "Mars/Olympus";
  EXPECT_EQ(refusal(one), "there is no time zone \"Mars/Olympus\" on this machine");
  one = spec("a", "@daily");
  const std::string large(61 << 10, 'x');
  one.body = as_bytes(large);
  EXPECT_EQ(put(one).error.code, ErrorCode::too_large);
  one = spec("a", "@daily");
  one.priority = 200;
  EXPECT_EQ(put(one).error.code, ErrorCode::invalid);
  EXPECT_TRUE(broker->schedules(session)->empty());
}

TEST_F(ScheduleTest, ThereAreAtMostSoMany) {
  broker.reset();
  options.max_schedules = 2;
  open();
  EXPECT_TRUE(put(spec("a", "@daily")).created);
  EXPECT_TRUE(put(spec("b", "@daily")).created);
  EXPECT_EQ(put(spec("c", "@daily")).error.message, "there are 2 schedules already");
  EXPECT_EQ(put(spec("b", "@hourly")).kind, "done");
  remove("a");
  EXPECT_TRUE(put(spec("c", "@daily")).created);
}

// ---- while nobody was there

struct MissedRow {
  Missed missed;
  Overlap overlap;
  Duration away;
  std::vector<int> fired;  // which of the times
  std::uint64_t counted_missed, counted_skipped;
};

class MissedTimes : public ScheduleTest, public testing::WithParamInterface<MissedRow> {};

// Every ten minutes; one message of it is in the queue when the server goes away.
TEST_P(MissedTimes, AreMadeUpForAsThePolicySays) {
  const auto& row = GetParam();
  const auto start = clock.now();
  auto one = spec("tick", "@every 10m");
  one.missed = row.missed;
  one.overlap = row.overlap;
  put(one);
  run_for(10min);
  crash();
  clock.advance(row.away);
  run_turns(50);
  std::vector<std::string> expected{flow::utc_text(start + 10min)};
  for (const auto n : row.fired) expected.push_back(flow::utc_text(start + n * 10min));
  EXPECT_EQ(dues(), expected);
  EXPECT_EQ(schedule("tick").missed, row.counted_missed);
  EXPECT_EQ(schedule("tick").skipped, row.counted_skipped);
  broker->check();
}

using enum Overlap;
const MissedRow kMissedRows[] = {
    // Back 45 minutes later: times 2 to 5 have passed, the last of them 5 minutes ago.
    {Missed::skip, allow, 45min, {}, 4, 0},
    {Missed::once, allow, 45min, {5}, 3, 0},
    {Missed::all, allow, 45min, {2, 3, 4, 5}, 0, 0},
    {Missed::skip, Overlap::skip, 45min, {}, 4, 0},
    {Missed::once, Overlap::skip, 45min, {}, 3, 1},
    {Missed::all, Overlap::skip, 45min, {}, 0, 4},
    {Missed::skip, queue, 45min, {}, 4, 0},
    {Missed::once, queue, 45min, {}, 3, 0},  // it waits
    {Missed::all, queue, 45min, {}, 0, 3},   // one waits
    // Back half a minute after the fifth.
    {Missed::skip, allow, 40min + 30s, {5}, 3, 0},
    {Missed::once, allow, 40min + 30s, {5}, 3, 0},
    // Back before the second.
    {Missed::all, allow, 5min, {}, 0, 0},
};
INSTANTIATE_TEST_SUITE_P(Policies, MissedTimes, testing::ValuesIn(kMissedRows));

TEST_F(ScheduleTest, AThousandAreMadeUpForAndTheOthersCounted) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1s");
  one.missed = Missed::all;
  put(one);
  crash();
  clock.advance(24h);  // 86,400 times; counting them takes more than one turn
  broker->turn();
  EXPECT_EQ(schedule("tick").missed, 0u);
  run_turns(1200);
  const auto found = dues();
  ASSERT_GE(found.size(), 1000u);
  EXPECT_EQ(found.front(), flow::utc_text(start + 24h - 999s));
  EXPECT_EQ(schedule("tick").missed, 86'400u - 1000u);
  EXPECT_EQ(schedule("tick").fired + schedule("tick").missed,
            static_cast<std::uint64_t>((clock.now() - start) / 1s));
}

// ---- overlap

TEST_F(ScheduleTest, OneWaitsForTheRunBeforeItAndFiresAtItsEnd) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1m");
  one.overlap = Overlap::queue;
  put(one);
  run_for(1min);
  const auto running = take("q", 1, 1h);
  ASSERT_EQ(running.messages.size(), 1u);
  run_for(3min);
  EXPECT_TRUE(dues().empty());
  EXPECT_EQ(schedule("tick").waiting, start + 2min);
  EXPECT_EQ(schedule("tick").skipped, 2u);
  restart();  // it waits in the checkpoint, too
  settle({running.messages[0].lease});
  run_turns(2);
  EXPECT_EQ(dues(), every(1min, start, 2, 2)) << "at once, not at the next time";
  EXPECT_EQ(schedule("tick").waiting, Time{});
  broker->check();
}

TEST_F(ScheduleTest, ARunEndsInTheDeadLetters) {
  auto one = spec("tick", "@every 1m");
  one.overlap = Overlap::queue;
  put(one);
  run_for(1min);
  const auto running = take("q", 1, 1h);
  run_for(1min);
  settle({running.messages.at(0).lease}, engine::Outcome::reject);
  run_turns(2);
  EXPECT_EQ(take("q").messages.size(), 1u);
}

TEST_F(ScheduleTest, ARunThatIsRetriedHasNotEnded) {
  auto one = spec("tick", "@every 1m");
  one.overlap = Overlap::skip;
  put(one);
  run_for(1min);
  settle({take("q").messages.at(0).lease}, engine::Outcome::nack, 10min);
  run_for(2min);
  EXPECT_EQ(schedule("tick").skipped, 2u);
  EXPECT_EQ(schedule("tick").fired, 1u);
}

// ---- refused

TEST_F(ScheduleTest, WhatAFullQueueRefusesIsPublishedWhenThereIsRoom) {
  const auto start = clock.now();
  declare("q", {{"max_length", "1"}});
  send("q", "in the way");
  auto one = spec("tick", "@every 1h");
  one.missed = Missed::skip;
  put(one);
  run_for(1h);
  EXPECT_GE(schedule("tick").refused, 1u);
  EXPECT_NE(schedule("tick").last_error.find("max_length"), std::string::npos);
  EXPECT_EQ(schedule("tick").fired, 0u);
  run_for(10min);
  const auto tries = schedule("tick").refused;
  EXPECT_LT(tries, 60u) << "it backs off";
  settle({take("q").messages.at(0).lease});
  run_turns(2);
  EXPECT_EQ(dues(), every(1h, start, 1, 1)) << "at once";
  EXPECT_EQ(schedule("tick").missed, 0u);
  EXPECT_TRUE(schedule("tick").last_error.empty());
}

TEST_F(ScheduleTest, SeveralRefusedOnesComeInAsRoomIsMade) {
  declare("q", {{"max_length", "2"}});
  send("q", {input("a"), input("b")});
  for (const auto* name : {"one", "two", "three"}) put(spec(name, "@every 1h"));
  run_for(1h);
  std::set<std::string> names;
  for (int round = 0; round < 5; ++round)
    for (const auto& message : take("q", 1).messages) {
      if (!message.schedule.empty()) names.insert(message.schedule);
      settle({message.lease});
      run_turns(2);
    }
  EXPECT_EQ(names.size(), 3u);
  broker->check();
}

// ---- the clock

TEST_F(ScheduleTest, AClockThatIsSetBackFiresNothingTwice) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1m");
  one.missed = Missed::all;
  put(one);
  run_for(5min);
  crash();
  clock.advance(-3min);  // within a process it never goes back; a restart sees it
  run_for(3min);
  EXPECT_EQ(dues(), every(1min, start, 1, 5));
  run_for(2min);
  EXPECT_EQ(dues(), every(1min, start, 6, 7));
}

TEST_F(ScheduleTest, AClockThatIsSetForwardMissesWhatLiesBetween) {
  const auto start = clock.now();
  auto one = spec("tick", "@every 1m");
  put(one);
  run_for(1min);
  clock.advance(1h);
  run_for(1min);
  EXPECT_EQ(dues(),
            (std::vector<std::string>{flow::utc_text(start + 1min), flow::utc_text(start + 61min),
                                      flow::utc_text(start + 62min)}));
  EXPECT_EQ(schedule("tick").missed, 59u);
}

// ---- what is left after a crash

TEST_F(ScheduleTest, AllOfItSurvivesACrashAndACheckpoint) {
  auto one = spec("all", "*/5 8-17 * * MON-FRI");
  one.zone = "America/New_York";
  HeaderWriter headers;
  headers.add("h", "x");
  one.headers = headers.view();
  one.priority = 3;
  one.task = true;
  one.key = "k";
  one.group = "g";
  one.policy.max_attempts = 7;
  one.missed = Missed::all;
  one.overlap = Overlap::queue;
  put(one);
  put(spec("gone", "@daily"));
  remove("gone");
  put(spec("paused", "@every 1m"));
  run_for(2min);
  pause("paused");
  const auto expect = [&](const char* after) {
    const auto& all = schedule("all");
    EXPECT_EQ(all.when, "0,5,10,15,20,25,30,35,40,45,50,55 8-17 * * 1-5") << after;
    const auto kept = all.spec();
    EXPECT_EQ(kept.zone, one.zone) << after;
    EXPECT_EQ(as_text(kept.headers), as_text(one.headers)) << after;
    EXPECT_EQ(kept.priority, 3) << after;
    EXPECT_TRUE(kept.task) << after;
    EXPECT_EQ(kept.key, "k") << after;
    EXPECT_EQ(kept.group, "g") << after;
    EXPECT_EQ(kept.policy, one.policy) << after;
    EXPECT_EQ(kept.missed, Missed::all) << after;
    EXPECT_EQ(kept.overlap, Overlap::queue) << after;
    EXPECT_FALSE(broker->schedule(session, "gone")) << after;
    const auto& paused = schedule("paused");
    EXPECT_TRUE(paused.paused) << after;
    EXPECT_EQ(paused.fired, 2u) << after;
    EXPECT_EQ(paused.last_due, paused.since + 2min) << after;
    broker->check();
  };
  expect("at first");
  crash();
  expect("after a crash");
  restart();
  expect("after a checkpoint");
  crash();
  expect("after both");
}

// Every fire in its batch: whatever operation the power fails in, each time fires once.
TEST_F(ScheduleTest, APowerCutAnywhereLosesNoFireAndDoublesNone) {
  using Survivors = MemoryDirectory::Survivors;
  const auto start = clock.now();
  const auto begin = directory.snapshot();
  int cuts = 0;
  bool cut = true;
  for (std::uint64_t n = 1; cut; ++n)
    for (const auto survivors :
         {Survivors::nothing, Survivors::everything, Survivors::random_sectors}) {
      broker.reset();
      directory.restore(begin);
      clock.advance(start - clock.now());
      open();
      auto one = spec("tick", "@every 1m");
      one.missed = Missed::all;
      ASSERT_EQ(put(one).kind, "done");
      cut = false;
      directory.cut_power_at(directory.operations() + n);
      try {
        for (int minute = 0; minute < 4; ++minute) {
          run_for(1min);
          broker->maintain();
          if (minute == 1) restart();
        }
      } catch (const MemoryDirectory::PowerCut&) {
        cut = true;
        ++cuts;
      }
      directory.clear_faults();
      broker.reset();
      directory.crash(survivors, random);
      open();
      clock.advance(start + 6min - clock.now());
      run_turns(20);
      ASSERT_EQ(dues(), every(1min, start, 1, 6)) << "operation " << n;
      broker->check();
    }
  EXPECT_GT(cuts, 20);
}

}  // namespace
}  // namespace penstock::broker
