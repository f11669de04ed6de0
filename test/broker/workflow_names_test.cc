// What the steps of a workflow were is told when their messages are gone.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using engine::FailurePolicy;
using engine::TaskState;

class WorkflowNamesTest : public WorkflowTest {
 protected:
  // The tasks of a workflow's steps as its tree has them, in order.
  std::string tasks_of(std::uint64_t id) {
    const auto text = task(id).workflow;
    constexpr std::string_view kBefore = "\"task\":\"";
    std::string names;
    for (auto at = text.find(kBefore); at != std::string::npos; at = text.find(kBefore, at)) {
      at += kBefore.size();
      if (!names.empty()) names.push_back(' ');
      names.append(text, at, text.find('"', at) - at);
    }
    return names;
  }
};

TEST_F(WorkflowNamesTest, StepsThatWentWithTheirWorkflowKeepTheirTask) {
  const auto id = submitted(
      chain({step_of("fetch"), group({step_of("scale"), step_of("crop")}), step_of("fetch")}));
  EXPECT_EQ(tasks_of(id), "fetch scale crop fetch");
  EXPECT_EQ(cancel(id).kind, "done");
  EXPECT_EQ(state(id), TaskState::cancelled);
  EXPECT_EQ(tasks_of(id), "fetch scale crop fetch");
  crash();
  EXPECT_EQ(tasks_of(id), "fetch scale crop fetch");
  by_checkpoint();
  EXPECT_EQ(tasks_of(id), "fetch scale crop fetch");
  EXPECT_EQ(task(2).name, "scale");
  EXPECT_EQ(task(2).state, TaskState::cancelled);
}

TEST_F(WorkflowNamesTest, SoDoThoseOfAWorkflowInTheirPlace) {
  const auto id = submitted(chain({step_of("crawl"), step_of("index")}));
  Flat flat;
  flatten(group({step_of("index"), step_of("visit")}), flat, "w");
  engine::WorkflowInput instead;
  instead.nodes = flat.nodes;
  const auto taken = take("w").messages;
  ASSERT_EQ(taken.size(), 1u);
  engine::Settle command;
  command.leases = {&taken.front().lease, 1};
  command.replacement = &instead;
  broker->settle(session, ++tag, command);
  wait(tag);
  EXPECT_EQ(cancel(id).kind, "done");
  EXPECT_EQ(tasks_of(id), "index visit index");
  crash();
  EXPECT_EQ(tasks_of(id), "index visit index");
  by_checkpoint();
  EXPECT_EQ(tasks_of(id), "index visit index");
}

TEST_F(WorkflowNamesTest, OneOfManySlicesOfTheLogNamesItsTasks) {
  begin_anew(16 << 20);
  std::vector<Tree> members;
  for (int n = 0; n < 5000; ++n) members.push_back(step_of(n < 4500 ? "early" : "late"));
  const auto id = submitted(group(std::move(members)));
  EXPECT_EQ(cancel(id).kind, "done");
  crash();
  EXPECT_EQ(task(4096).name, "early");
  EXPECT_EQ(task(4097).name, "early");
  EXPECT_EQ(task(5000).name, "late");
}

TEST_F(WorkflowNamesTest, OfVeryManyTasksTheFirstAreKept) {
  std::vector<Tree> members;
  for (std::size_t n = 1; n <= engine::kTaskNamesMax + 2; ++n)
    members.push_back(step_of("t" + std::to_string(n)));
  const auto id = submitted(group(std::move(members)));
  EXPECT_EQ(task(engine::kTaskNamesMax + 1).name, "t256") << "its message has it";
  EXPECT_EQ(cancel(id).kind, "done");
  by_checkpoint();
  EXPECT_EQ(task(engine::kTaskNamesMax).name, "t255");
  EXPECT_EQ(task(engine::kTaskNamesMax + 1).name, "");
  EXPECT_EQ(task(engine::kTaskNamesMax + 1).state, TaskState::cancelled);
}

TEST_F(WorkflowNamesTest, WhoRetriesAFailedStepIsToldWhichWorkflowToResume) {
  const auto id = submitted(chain({step_of("fetch"), step_of("index")}));
  const auto got = waiting_steps();
  ASSERT_EQ(got.size(), 1u);
  settle({got[0].lease}, engine::Outcome::reject, {}, "no luck");
  ASSERT_EQ(state(id), TaskState::failed);
  broker->retry_task(session, ++tag, MessageId(got[0].id));
  const auto refused = wait(tag).error;
  EXPECT_EQ(refused.code, ErrorCode::conflict);
  EXPECT_NE(refused.message.find("a step of workflow " + std::to_string(id)), std::string::npos)
      << refused.message;
}

}  // namespace
}  // namespace penstock::broker
