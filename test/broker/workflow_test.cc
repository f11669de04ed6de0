// Chains, groups, what runs beside them; failures, cancelling, resuming; and all of it after power
// cuts and checkpoints.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using engine::FailurePolicy;
using engine::TaskState;

TEST_F(WorkflowTest, AChainHandsOnItsValues) {
  const auto id = submitted(chain({step("a"), step("b"), step("c")}));
  EXPECT_EQ(state(id), TaskState::running);
  EXPECT_EQ(run("1"), "[\"a\"]");
  EXPECT_EQ(run("{\"x\":2}"), "[1,\"b\"]");
  EXPECT_EQ(run("\"end\""), "[{\"x\":2},\"c\"]");
  EXPECT_EQ(run(""), "nothing");
  const auto end = task(id);
  EXPECT_EQ(end.state, TaskState::done);
  EXPECT_EQ(end.result, "\"end\"");
}

TEST_F(WorkflowTest, WhatComesBehindAGroupGetsTheListOfItsValuesInOrder) {
  const auto id = submitted(chain({group({step("a"), step("b"), step("c")}), step("body")}));
  const auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 3u);
  done(steps[2], "3");
  done(steps[0], "1");
  EXPECT_TRUE(waiting_steps().empty()) << "the body waits for all";
  done(steps[1], "2");
  EXPECT_EQ(run("6"), "[[1,2,3],\"body\"]");
  EXPECT_EQ(task(id).result, "6");
}

TEST_F(WorkflowTest, NestedTreesGiveNestedLists) {
  const auto id = submitted(chain(
      {step("in"), group({chain({step("a"), step("b")}), group({step("c")}), chain({}), group({})}),
       step("out")}));
  EXPECT_EQ(run("0"), "[\"in\"]");
  const auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(arguments(steps[0]), "[0,\"a\"]");
  EXPECT_EQ(arguments(steps[1]), "[0,\"c\"]");
  done(steps[0], "1");
  done(steps[1], "2");
  EXPECT_EQ(run("3"), "[1,\"b\"]");
  EXPECT_EQ(run("9"), "[[3,[2],null,[]],\"out\"]");
  EXPECT_EQ(state(id), TaskState::done);
}

TEST_F(WorkflowTest, AStepThatTakesNothingIsGivenNothing) {
  submitted(chain({step("a"), deaf("b")}));
  run("1");
  EXPECT_EQ(run("2"), "[\"b\"]");
}

TEST_F(WorkflowTest, AStepThatWaitsIsNotDeliveredAndCountsForItsQueue) {
  const auto id = submitted(chain({step("a"), step("b")}));
  EXPECT_EQ(statistics("w").scheduled, 1u);
  EXPECT_EQ(statistics("w").ready, 1u);
  EXPECT_EQ(state(id - 1), TaskState::waiting);
  advance(24h * 30);
  EXPECT_EQ(statistics("w").scheduled, 1u);
}

TEST_F(WorkflowTest, AQueueWithoutRoomForAllStepsTakesNone) {
  declare("w", {{"max_length", "2"}});
  EXPECT_EQ(submit(chain({step("a"), step("b"), step("c")})).kind, "refused");
  EXPECT_EQ(statistics("w").scheduled + statistics("w").ready, 0u);
  EXPECT_EQ(submit(chain({step("a"), step("b")})).kind, "published");
}

TEST_F(WorkflowTest, AFailedStepStopsTheWorkflowAndKeepsWhatWaits) {
  const auto id = submitted(chain({group({step("a"), step("b"), step("c")}), step("body")}));
  auto steps = take("w", 2).messages;
  failed(steps[0], "disk: full");
  EXPECT_EQ(statistics("w").ready, 0u) << "c does not begin any more";
  EXPECT_EQ(state(id), TaskState::running) << "b still runs";
  done(steps[1], "2");
  const auto end = task(id);
  EXPECT_EQ(end.state, TaskState::failed);
  EXPECT_EQ(end.error.message, "disk: full");
  broker->check();
}

TEST_F(WorkflowTest, AWorkflowIsResumedFromWhatFailed) {
  const auto id = submitted(chain({group({step("a"), step("b"), step("c")}), step("body")}));
  auto steps = take("w", 2).messages;
  failed(steps[0], "oops");
  done(steps[1], "2");
  ASSERT_EQ(state(id), TaskState::failed);
  crash();
  by_checkpoint();
  ASSERT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(resume(id).kind, "done");
  EXPECT_EQ(resume(id).kind, "error") << "it runs";
  auto again = waiting_steps();
  ASSERT_EQ(again.size(), 2u) << "a and c; b is done";
  for (const auto& message : again) done(message, arguments(message) == "[\"a\"]" ? "1" : "3");
  EXPECT_EQ(run("6"), "[[1,2,3],\"body\"]");
  EXPECT_EQ(task(id).result, "6");
}

TEST_F(WorkflowTest, GoingOnRunsWhatDoesNotNeedTheFailedValue) {
  const auto id =
      submitted(chain({group({chain({step("a"), step("a2")}), chain({step("b"), step("b2")})}),
                       step("body")}),
                FailurePolicy::go_on);
  auto steps = waiting_steps();
  failed(steps[0], "oops");
  done(steps[1], "2");
  EXPECT_EQ(run("22"), "[2,\"b2\"]");
  EXPECT_EQ(run(""), "nothing");
  EXPECT_EQ(state(id), TaskState::failed);
}

TEST_F(WorkflowTest, CollectingPutsAnErrorInThePlaceOfAValue) {
  const auto id =
      submitted(chain({group({step("a"), step("b")}), step("body")}), FailurePolicy::collect);
  auto steps = waiting_steps();
  failed(steps[0], "ValueError: \"x\"");
  done(steps[1], "2");
  EXPECT_EQ(run("1"), "[[{\"error\":{\"id\":\"" + std::to_string(steps[0].id) +
                          "\",\"state\":\"failed\",\"task\":\"\",\"message\":\"ValueError: "
                          "\\\"x\\\"\"}},2],\"body\"]");
  EXPECT_EQ(state(id), TaskState::done);
}

TEST_F(WorkflowTest, WhatRunsBesideGetsTheValueOrTheError) {
  Tree a = step("a");
  a.on_success = {step("told")};
  a.on_error = {step("never")};
  Tree b = step("b");
  b.on_error = {chain({step("alarm"), step("alarm2")})};
  const auto id = submitted(chain({a, b}));
  run("1");
  auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(arguments(steps[0]), "[1,\"told\"]");
  failed(steps[0], "nobody minds");
  failed(steps[1], "broken");
  EXPECT_EQ(state(id), TaskState::running) << "the alarm runs";
  const auto alarm = run("5");
  EXPECT_NE(alarm.find("broken"), std::string::npos) << alarm;
  EXPECT_EQ(run("6"), "[5,\"alarm2\"]");
  EXPECT_EQ(state(id), TaskState::failed);
}

TEST_F(WorkflowTest, WhatIsNotNeededGoesWhenAllWentWell) {
  Tree a = step("a");
  a.on_error = {step("never")};
  const auto id = submitted(a);
  run("1");
  EXPECT_EQ(state(id), TaskState::done);
  EXPECT_EQ(statistics("w").scheduled, 0u);
}

TEST_F(WorkflowTest, CancellingTakesAllThatWaitsAndAsksWhatRunsToStop) {
  const auto id = submitted(chain({group({step("a"), step("b")}), step("body")}));
  auto running = take("w", 1).messages;
  EXPECT_EQ(cancel(id).kind, "done");
  EXPECT_EQ(statistics("w").ready + statistics("w").scheduled, 0u);
  crash();
  EXPECT_EQ(state(id), TaskState::running);
  EXPECT_TRUE(task(running[0].id).cancelled);
  done(running[0], "1");
  EXPECT_EQ(state(id), TaskState::cancelled);
  EXPECT_EQ(state(running[0].id + 1), TaskState::cancelled);
  EXPECT_EQ(resume(id).kind, "error");
  EXPECT_EQ(cancel(id).kind, "error");
}

TEST_F(WorkflowTest, AStepOfACancelledWorkflowThatIsGivenBackIsNotDeliveredAgain) {
  const auto id = submitted(chain({step("a"), step("b")}));
  const auto running = take("w", 1).messages;
  cancel(id);
  EXPECT_EQ(settle({running[0].lease}, engine::Outcome::give_back).count, 1u);
  EXPECT_TRUE(waiting_steps().empty());
  EXPECT_EQ(state(id), TaskState::cancelled);
}

TEST_F(WorkflowTest, AStepThatWasAskedToStopAndIsGivenBackIsNotDeliveredAgain) {
  const auto id = submitted(group({step("a"), step("b")}));
  const auto running = waiting_steps();
  failed(running[0], "oops");
  EXPECT_EQ(settle({running[1].lease}, engine::Outcome::give_back).count, 1u);
  EXPECT_TRUE(waiting_steps().empty());
  EXPECT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(resume(id).kind, "done");
  EXPECT_EQ(waiting_steps().size(), 2u);
}

TEST_F(WorkflowTest, TheErrorOfAWorkflowIsNotOfAStepThatFailedBeside) {
  Tree a = step("a");
  a.on_success = {step("told")};
  const auto id = submitted(chain({a, step("b")}));
  run("1");
  const auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  failed(steps[0], "nobody minds");
  failed(steps[1], "broken");
  EXPECT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(task(id).error.message, "broken");
}

TEST_F(WorkflowTest, TheErrorOfAChainIsNotOfAStepWhoseErrorWasCollectedBefore) {
  Tree body = step("body");
  body.on_error = {step("told")};
  const auto id = submitted(chain({group({step("a"), step("b")}), body}), FailurePolicy::collect);
  for (const auto& message : waiting_steps()) failed(message, "collected");
  EXPECT_NE(run_badly("broken"), "nothing");
  EXPECT_NE(run("1").find("broken"), std::string::npos);
  EXPECT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(task(id).error.message, "broken");
}

// Else a step could be given an error that no disk knows yet, and that a power cut undoes.
TEST_F(WorkflowTest, TheErrorOfAGroupThatStoppedStaysThatOfItsFirstFailure) {
  Tree members = group({step("a"), step("b")});
  members.on_error = {step("told")};
  const auto id = submitted(members);
  const auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  failed(steps[1], "first");
  failed(steps[0], "second");
  by_checkpoint();
  const auto given = run("1");
  EXPECT_NE(given.find("first"), std::string::npos) << given;
  EXPECT_EQ(task(id).error.message, "first");
}

TEST_F(WorkflowTest, AnErrorThatWasCollectedOutlivesAResumption) {
  const auto id = submitted(chain({group({step("a"), step("b")}), step("c"), step("d")}),
                            FailurePolicy::collect);
  const auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  failed(steps[0], "collected");
  done(steps[1], "2");
  const auto list = run_badly("broken");
  EXPECT_NE(list.find("collected"), std::string::npos) << list;
  ASSERT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(resume(id).kind, "done");
  by_checkpoint();
  EXPECT_EQ(run("3"), list) << "c again, with what it was given before";
  EXPECT_EQ(run("4"), "[3,\"d\"]");
  EXPECT_EQ(state(id), TaskState::done);
}

TEST_F(WorkflowTest, AStepWhoseLeaseIsOverBeforeItIsToldIsNotDelivered) {
  Tree a = step("a");
  a.on_error = {step("told")};
  const auto id = submitted(a);
  EXPECT_NE(run_badly("oops"), "nothing");
  engine::Take take;
  take.queues = {"w"};
  broker->take(session, ++tag, take);
  const auto taken = tag;
  broker->turn();  // it has its lease, which is not on the disk yet
  clock.advance(1h);
  broker->turn();
  EXPECT_EQ(resume(id).kind, "done");
  EXPECT_TRUE(wait(taken).messages.empty()) << "there is no error any more that it could be given";
  EXPECT_EQ(run("1"), "[\"a\"]");
  EXPECT_EQ(state(id), TaskState::done);
}

TEST_F(WorkflowTest, AWaitEndsWithTheWorkflow) {
  const auto id = submitted(chain({step("a"), step("b")}));
  broker->task(session, ++tag, MessageId(id), clock.now() + 1h);
  const auto waits = tag;
  run("1");
  EXPECT_FALSE(answered(waits));
  run("2");
  EXPECT_EQ(wait(waits).result, "2");
}

TEST_F(WorkflowTest, ItIsForgottenWithAllOfItsResultsAfterItsTime) {
  const auto id = submitted(chain({step("a"), step("b")}));
  run("1");
  run("2");
  advance(59min);
  EXPECT_EQ(state(id), TaskState::done);
  advance(2min);
  EXPECT_EQ(state(id), TaskState::unknown);
  EXPECT_EQ(broker->statistics().results, 0u);
  const auto other = submitted(step("a"));
  run_badly("oops");
  advance(24h * 6);
  EXPECT_EQ(state(other), TaskState::failed);
  advance(25h);
  EXPECT_EQ(state(other), TaskState::unknown);
  EXPECT_EQ(statistics("w").scheduled, 0u);
}

TEST_F(WorkflowTest, ResultsOfItsStepsStayHoweverManyCome) {
  broker.reset();
  options.max_results = 2;
  open();
  const auto id = submitted(chain({group({step("a"), step("b"), step("c")}), step("body")}));
  for (const auto& message : waiting_steps()) done(message, "1");
  by_checkpoint();
  EXPECT_EQ(run("3"), "[[1,1,1],\"body\"]");
  EXPECT_EQ(task(id).result, "3");
}

TEST_F(WorkflowTest, AStepIsTriedAgainBeforeItFails) {
  Flat flat;
  flatten(chain({step("a"), step("b")}), flat, "w");
  for (auto& one : flat.nodes) one.message.policy.max_attempts = 2;
  engine::WorkflowInput input;
  input.nodes = flat.nodes;
  broker->submit(session, ++tag, input);
  const auto id = wait(tag).ids.front();
  run_badly("once");
  EXPECT_EQ(state(id), TaskState::running);
  advance(1h);
  EXPECT_EQ(run("1"), "[\"a\"]");
  EXPECT_EQ(run("2"), "[1,\"b\"]");
}

TEST_F(WorkflowTest, APurgeEndsItsStepsAndItFails) {
  const auto id = submitted(chain({step("a"), step("b")}));
  broker->purge(session, ++tag, "w");
  wait(tag);
  EXPECT_EQ(state(id), TaskState::failed);
  const auto why = task(id).error.message;
  const auto got = resume(id);
  EXPECT_EQ(got.error.code, ErrorCode::conflict) << "what is gone cannot be done again";
  EXPECT_NE(got.error.message.find("is gone"), std::string::npos) << got.error.message;
  by_checkpoint();
  EXPECT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(task(id).error.message, why);
}

TEST_F(WorkflowTest, WhatIsGoneAndNotNeededDoesNotKeepAWorkflowFromBeingResumed) {
  Tree a = step("a");
  a.on_error = {step("told")};
  const auto id =
      submitted(chain({a, group({step("b"), step("c")}), step("d")}), FailurePolicy::collect);
  EXPECT_EQ(cancel(id - 3).kind, "done") << "b, before its turn; the steps' ids end before id";
  EXPECT_NE(run_badly("oops"), "nothing");
  EXPECT_EQ(cancel(id - 4).kind, "done") << "told";
  ASSERT_EQ(state(id), TaskState::failed);
  ASSERT_EQ(resume(id).kind, "done");
  crash();
  EXPECT_EQ(run("1"), "[\"a\"]");
  EXPECT_EQ(run("3"), "[1,\"c\"]");
  const auto list = run("4");
  EXPECT_NE(list.find("cancelled before it ran"), std::string::npos)
      << "b keeps its reason: " << list;
  EXPECT_EQ(state(id), TaskState::done);
}

TEST_F(WorkflowTest, APurgeOfAStepThatHadFailedCountsItOnce) {
  const auto id = submitted(chain({step("a"), step("b")}));
  run_badly("oops");
  EXPECT_EQ(state(id), TaskState::failed);
  broker->purge(session, ++tag, "w");
  wait(tag);
  EXPECT_EQ(state(id), TaskState::failed);
  by_checkpoint();
  EXPECT_EQ(state(id), TaskState::failed);
}

TEST_F(WorkflowTest, ATaskPutsAWorkflowInItsPlace) {
  auto plain = input("{\"args\":[]}");
  plain.task = true;
  const auto id = send("w", {plain}).ids.front();
  const auto got = take("w").messages;
  Flat flat;
  flatten(chain({step("a"), step("b")}), flat, "w");
  engine::WorkflowInput replacement;
  replacement.nodes = flat.nodes;
  engine::Settle settle;
  settle.leases = {&got[0].lease, 1};
  settle.replacement = &replacement;
  broker->settle(session, ++tag, settle);
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(state(id), TaskState::running);
  crash();
  EXPECT_EQ(run("1"), "[\"a\"]");
  by_checkpoint();
  EXPECT_EQ(run("2"), "[1,\"b\"]");
  EXPECT_EQ(task(id).result, "2");
}

TEST_F(WorkflowTest, AStepPutsAWorkflowInItsPlace) {
  const auto id = submitted(chain({step("a"), step("b"), step("c")}));
  run("1");
  const auto got = take("w").messages;
  Flat flat;
  flatten(group({step("x"), step("y")}), flat, "w");
  engine::WorkflowInput replacement;
  replacement.nodes = flat.nodes;
  engine::Settle settle;
  settle.leases = {&got[0].lease, 1};
  settle.replacement = &replacement;
  broker->settle(session, ++tag, settle);
  EXPECT_EQ(wait(tag).count, 1u);
  broker->settle(session, ++tag, settle);
  EXPECT_EQ(wait(tag).lost, 1u) << "once";
  crash();
  auto steps = waiting_steps();
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(arguments(steps[0]), "[1,\"x\"]") << "what the replaced one was given";
  done(steps[0], "10");
  done(steps[1], "20");
  by_checkpoint();
  EXPECT_EQ(run("30"), "[[10,20],\"c\"]");
  EXPECT_EQ(task(id).result, "30");
}

TEST_F(WorkflowTest, AChordOfManyMembersEnds) {
  begin_anew(16 << 20);
  std::vector<Tree> members(20'000, step("m"));
  const auto id = submitted(chain({group(std::move(members)), step("body")}));
  std::uint64_t ran = 0;
  for (;;) {
    const auto got = take("w", 1000).messages;
    if (ran == 20'000 || got.empty()) {
      ASSERT_EQ(got.size(), 1u);
      EXPECT_EQ(got[0].body.size(), 20'000u * 2 + 1 + std::string("{\"args\":[,\"body\"]}").size());
      done(got[0], "true");
      break;
    }
    for (const auto& message : got) {
      engine::Settle settle;
      settle.leases = {&message.lease, 1};
      settle.result = as_bytes("1");
      broker->settle(session, ++tag, settle);
    }
    broker->settle_down();
    sink.replies.clear();
    ran += got.size();
  }
  EXPECT_EQ(task(id).result, "true");
  advance(2h);
  EXPECT_EQ(state(id), TaskState::unknown);
}

TEST_F(WorkflowTest, WhatIsNoTreeIsRefused) {
  const auto refused_as = [this](const std::function<void(Flat&)>& spoil) {
    Flat flat;
    flatten(chain({step("a"), step("b")}), flat, "w");
    spoil(flat);
    engine::WorkflowInput input;
    input.nodes = flat.nodes;
    broker->submit(session, ++tag, input);
    return wait(tag).error.message;
  };
  EXPECT_NE(refused_as([](Flat& f) { f.nodes.clear(); }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes.pop_back(); }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes.push_back(f.nodes.back()); }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes[1].message.task = false; }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes[1].message.body = as_bytes("[]"); }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes[0].node.role = engine::NodeRole::on_error; }), "");
  EXPECT_NE(refused_as([](Flat& f) { f.nodes[1].node.delay = -1ms; }), "");
  Tree deep = step("a");
  for (int n = 0; n < 64; ++n) deep = chain({deep});
  EXPECT_EQ(submit(deep).kind, "error");
  EXPECT_EQ(submit(chain({})).kind, "error") << "no steps";
  declare("memory", {{"durable", "false"}});
  EXPECT_EQ(submit(step("a"), FailurePolicy::stop, "memory").kind, "error");
}

// ---- random trees beside a naive model of them

struct Model {
  explicit Model(FakeRandom& dice) : random(dice) {}

  FakeRandom& random;
  std::map<std::string, bool> fails;  // by step
  std::map<std::string, int> ran;     // as the broker delivered them
  std::map<std::string, std::string> given;
  int steps = 0;

  Tree make(int depth) {
    const auto kind = depth == 0 ? 0 : random.next() % 3;
    if (kind == 0) {
      const auto name = "s" + std::to_string(steps++);
      fails[name] = random.next() % 5 == 0;
      return random.next() % 4 == 0 ? deaf(name) : step(name);
    }
    std::vector<Tree> members;
    for (auto left = random.next() % 4; left > 0; --left) members.push_back(make(depth - 1));
    return kind == 1 ? chain(std::move(members)) : group(std::move(members));
  }
  // What should come of a node that is given `input` (empty: nothing); none: it failed.
  std::optional<std::string> expect(const Tree& tree, const std::string& input) {
    if (tree.kind == engine::NodeKind::step) {
      given[tree.name] =
          "[" + (tree.takes_input && !input.empty() ? input + "," : "") + "\"" + tree.name + "\"]";
      if (fails[tree.name]) return std::nullopt;
      return "\"" + tree.name + "!\"";
    }
    if (tree.kind == engine::NodeKind::chain) {
      std::optional<std::string> value = "null";
      std::string handed = input;
      for (const auto& member : tree.members) {
        value = expect(member, handed);
        if (!value) return std::nullopt;
        handed = *value;
      }
      return value;
    }
    std::string list = "[";
    bool failed = false;
    for (const auto& member : tree.members) {
      const auto value = expect(member, input);
      failed = failed || !value;
      if (list.size() > 1) list += ",";
      list += value.value_or("");
    }
    if (failed) return std::nullopt;
    return list + "]";
  }
};

TEST_F(WorkflowTest, AStepWhoseResultNobodyKeepsGivesItToTheNext) {
  const auto id = submitted(chain({{.name = "a", .result_ttl = Duration(0)}, step("b")}));
  done(waiting_steps().at(0), "1");
  const auto next = waiting_steps();
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(arguments(next[0]), R"([1,"b"])");
  done(next[0], "2");
  EXPECT_EQ(task(id).state, TaskState::done);
}

// Cleaning moves what is still needed; nothing of a workflow may be lost by that.
TEST_F(WorkflowTest, WhatItNeedsSurvivesTheCleaningOfTheLog) {
  options.dead_segments = 1;
  options.checkpoint_bytes = 256 << 10;
  begin_anew(64 << 10);
  const auto id = submitted(chain({group({step("a"), step("b")}), step("body")}));
  const auto other = submitted(step("fails"));
  for (const auto& message : waiting_steps())
    arguments(message) == "[\"fails\"]" ? failed(message, "kept") : done(message, "1");
  const std::string filler(4096, 'x');
  for (int n = 0; n < 400; ++n) {
    send("filler", filler);
    settle({take("filler").messages.at(0).lease});
    broker->maintain();
    broker->settle_down();
  }
  EXPECT_LT(broker->statistics().journal.disk_bytes, 1u << 20) << "it was cleaned";
  broker->check();
  crash();
  EXPECT_EQ(task(other).error.message, "kept");
  EXPECT_EQ(resume(other).kind, "done");
  EXPECT_EQ(run("3"), "[[1,1],\"body\"]");
  EXPECT_EQ(task(id).result, "3");
  EXPECT_EQ(run("4"), "[\"fails\"]");
  EXPECT_EQ(state(other), TaskState::done);
}

class WorkflowModel : public WorkflowTest, public testing::WithParamInterface<int> {};

// An empty chain or group at a chain's beginning has a value of its own, as every other.
TEST_P(WorkflowModel, EveryStepRunsOnceWithWhatItShouldGet) {
  random = FakeRandom(static_cast<std::uint64_t>(GetParam()) + 1000);
  for (int round = 0; round < 8; ++round) {
    Model model(random);
    Tree tree = chain({deaf("first"), model.make(3), model.make(2)});
    const auto value = model.expect(tree, "");
    const auto id = submitted(tree, FailurePolicy::go_on);
    for (int turn = 0; turn < 400 && !engine::is_final(task(id).state); ++turn) {
      const auto dice = random.next() % 10;
      if (dice == 0) crash();
      if (dice == 1) by_checkpoint();
      auto got = take("w", 1 + static_cast<std::uint32_t>(random.next() % 3)).messages;
      std::ranges::reverse(got);
      for (const auto& message : got) {
        const auto text = arguments(message);
        const auto at = text.rfind("\"", text.size() - 3);
        const auto name = text.substr(at + 1, text.size() - at - 3);
        EXPECT_EQ(text, model.given[name]) << name;
        EXPECT_EQ(++model.ran[name], 1) << name << " ran twice";
        const auto settled =
            model.fails[name] ? failed(message, "no " + name) : done(message, "\"" + name + "!\"");
        EXPECT_EQ(settled.count, 1u);
      }
      broker->check();
    }
    const auto end = task(id);
    EXPECT_EQ(end.state, value ? TaskState::done : TaskState::failed);
    EXPECT_EQ(end.result.starts_with("{\"error\":"), !value);
    if (value) {
      EXPECT_EQ(end.result, *value);
    }
    EXPECT_EQ(model.ran.size(), model.given.size()) << "all whose turn came, and no other";
    advance(24h * 8);
    EXPECT_EQ(broker->statistics().messages, 0u);
    EXPECT_EQ(broker->statistics().results, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WorkflowModel, testing::Range(0, 24));

}  // namespace
}  // namespace penstock::broker
