// Commands that meet: of several sessions, or one before the other is done; what somebody waits for
// is gone, was asked for twice, or is told to two who wait.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Outcome;
using engine::TaskState;

class MeetingsTest : public WorkflowTest {
 protected:
  std::uint64_t send_task(std::string_view queue) {
    auto one = input("{\"args\":[]}");
    one.task = true;
    return send(queue, std::vector{one}).ids.at(0);
  }
  Tag publish_wait(std::string_view queue, std::string_view body) {
    const std::vector messages{input(body)};
    broker->publish_wait(session, ++tag, {queue, messages}, clock.now() + 10s);
    return tag;
  }
  Tag purge_tag(std::string_view queue) {
    broker->purge(session, ++tag, queue);
    return tag;
  }
  static bool is_invalid(const Got& got) {
    return got.kind == "error" && got.error.code == ErrorCode::invalid;
  }
  Tag remove_tag(std::string_view queue) {
    broker->remove(session, ++tag, queue);
    return tag;
  }
};

// ---- publishes that wait for room

TEST_F(MeetingsTest, who_does_not_wait_for_room_is_refused_at_once) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "a");
  EXPECT_EQ(send("q", "b").refused.reason, "max_length");
}

TEST_F(MeetingsTest, publishes_that_wait_at_a_queue_that_goes_are_tried_at_their_time) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "a");
  const auto first = publish_wait("q", "b");
  EXPECT_FALSE(answered(first));
  wait(remove_tag("q"));
  const auto second = publish_wait("q", "c");
  advance(11s);
  EXPECT_EQ(wait(first).kind, "published");
  EXPECT_EQ(wait(second).kind, "published");
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"b", "c"}));
}

TEST_F(MeetingsTest, room_that_is_made_in_a_queue_that_goes_is_nobodys) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "a");
  const auto waiting = publish_wait("q", "b");
  EXPECT_FALSE(answered(waiting));
  const auto purged = purge_tag("q"), removed = remove_tag("q");
  EXPECT_EQ(wait(purged).count, 1u);
  EXPECT_EQ(wait(removed).kind, "done");
  advance(11s);
  EXPECT_EQ(wait(waiting).kind, "published");
}

// ---- takes

TEST_F(MeetingsTest, a_take_that_was_never_asked_for_is_not_cancelled) {
  const auto waiting = take_tag("q", 1, 10s);
  broker->cancel_take(session, 99'999);
  EXPECT_FALSE(answered(waiting));
  broker->cancel_take(session, waiting);
  EXPECT_EQ(wait(waiting).kind, "delivered");
}

// ---- tasks

TEST_F(MeetingsTest, a_running_task_is_cancelled_once_and_one_that_failed_not_at_all) {
  const auto id = send_task("q");
  const auto lease = take("q").messages.at(0).lease;
  EXPECT_EQ(cancel(id).kind, "done");
  const auto written = broker->statistics().journal.appended_bytes;
  EXPECT_EQ(cancel(id).kind, "done");
  EXPECT_EQ(broker->statistics().journal.appended_bytes, written) << "nothing was to be done";
  EXPECT_TRUE(task(id).cancelled);
  settle({lease}, Outcome::nack);
  EXPECT_EQ(task(id).state, TaskState::cancelled);
  const auto failed = send_task("q");
  settle({take("q").messages.at(0).lease}, Outcome::reject);
  EXPECT_EQ(cancel(failed).error.code, ErrorCode::conflict) << "it lies among the dead letters";
  EXPECT_EQ(task(failed).state, TaskState::failed);
}

TEST_F(MeetingsTest, lines_of_a_task_are_not_its_end_to_who_waits_for_that) {
  const auto id = send_task("q");
  const auto lease = take("q").messages.at(0).lease;
  broker->task(session, ++tag, MessageId(id), clock.now() + 1h);
  const auto end = tag;
  broker->task_log(session, ++tag, MessageId(id), 0, clock.now() + 1h);
  const auto lines = tag;
  const auto log = [&](std::vector<std::string_view> said) {
    broker->log_task(session, ++tag, lease, said);
    return wait(tag).count;
  };
  EXPECT_EQ(log({}), 1u);
  EXPECT_FALSE(answered(lines)) << "nothing was said";
  EXPECT_EQ(log({"begun"}), 1u);
  EXPECT_EQ(wait(lines).lines.size(), 1u);
  EXPECT_FALSE(answered(end));
  settle({lease});
  EXPECT_EQ(wait(end).state, TaskState::done);
}

TEST_F(MeetingsTest, who_read_lines_of_a_server_before_reads_those_of_this_one) {
  const auto id = send_task("q");
  const auto lease = take("q").messages.at(0).lease;
  const auto ask = [&](std::uint64_t after, Time until) {
    broker->task_log(session, ++tag, MessageId(id), after, until);
    return tag;
  };
  const auto waiting = ask(11, clock.now() + 1h);
  EXPECT_FALSE(answered(waiting));
  std::vector<std::string_view> said{"one", "two"};
  broker->log_task(session, ++tag, lease, said);
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(wait(waiting).lines.size(), 2u);
  EXPECT_EQ(wait(ask(11, clock.now() + 1h)).lines.size(), 2u);
  EXPECT_EQ(wait(ask(1, clock.now() + 1h)).lines.size(), 1u);
  EXPECT_FALSE(answered(ask(2, clock.now() + 1h)));
}

TEST_F(MeetingsTest, a_text_of_progress_is_cut_and_kept_with_its_task) {
  const auto id = send_task("q");
  const auto lease = take("q").messages.at(0).lease;
  engine::Progress progress{.value = 1, .total = 2, .text = std::string(100'000, 'x')};
  broker->progress(session, ++tag, lease, progress);
  EXPECT_EQ(wait(tag).count, 1u);
  struct Kept final : ReplySink {
    void on_reply(Tag, const Reply& reply) override {
      bytes = std::get<TaskStatus>(reply).progress.text.size();
    }
    std::size_t bytes = 0;
  } kept;
  broker->task(broker->open_session(kept), 1, MessageId(id), Time{});
  broker->settle_down();
  EXPECT_GT(kept.bytes, 0u);
  EXPECT_LT(kept.bytes, 100'000u);
}

// ---- transactions

TEST_F(MeetingsTest, a_transaction_with_a_settle_that_cannot_be_does_nothing) {
  const auto id = send_task("q");
  const auto lease = take("q").messages.at(0).lease;
  engine::WorkflowInput nothing;
  engine::Settle settle;
  settle.leases = std::span(&lease, 1);
  settle.outcome = Outcome::nack;
  settle.replacement = &nothing;
  broker->transact(session, ++tag, {}, std::span(&settle, 1));
  EXPECT_TRUE(is_invalid(wait(tag)));
  EXPECT_EQ(task(id).state, TaskState::running);
}

// ---- workflows

TEST_F(MeetingsTest, a_workflow_takes_the_place_of_a_task_alone_and_of_what_it_can_be) {
  send_task("q");
  declare("memory", {{"durable", "false"}});
  const auto lease = take("q").messages.at(0).lease;
  const auto replace = [&](std::string_view queue, std::span<const engine::Publish> sends) {
    Flat flat;
    flatten(step("a"), flat, queue);
    engine::WorkflowInput flow;
    flow.name = "instead";
    flow.nodes = flat.nodes;
    engine::Settle settle;
    settle.leases = std::span(&lease, 1);
    settle.sends = sends;
    settle.replacement = &flow;
    broker->settle(session, ++tag, settle);
    return wait(tag);
  };
  const std::vector messages{input("beside")};
  const engine::Publish beside{"other", messages};
  EXPECT_TRUE(is_invalid(replace("w", {&beside, 1})));
  EXPECT_EQ(replace("memory", {}).kind, "error") << "that keeps no steps";
  EXPECT_EQ(statistics("q").leased, 1u);
  EXPECT_EQ(replace("w", {}).kind, "settled");
  EXPECT_EQ(waiting_steps().size(), 1u);
}

TEST_F(MeetingsTest, a_step_without_a_value_gives_null_to_the_next) {
  submitted(chain({step("a"), step("b")}));
  run("");
  EXPECT_EQ(run("1"), "[null,\"b\"]");
}

TEST_F(MeetingsTest, a_step_with_a_message_that_cannot_be_refuses_its_workflow) {
  Flat flat;
  flatten(step("a"), flat, "w");
  flat.nodes[0].message.group = std::string_view("a\nb");
  engine::WorkflowInput flow;
  flow.name = "flow";
  flow.nodes = flat.nodes;
  broker->submit(session, ++tag, flow);
  EXPECT_TRUE(is_invalid(wait(tag)));
}

TEST_F(MeetingsTest, steps_go_with_their_queue_and_take_their_workflow_along) {
  const auto flow = submitted(group({step("a"), chain({step("b"), step("c")})}));
  EXPECT_EQ(wait(remove_tag("w")).kind, "done");
  EXPECT_EQ(state(flow), TaskState::failed);
  EXPECT_EQ(resume(flow).error.code, ErrorCode::conflict) << "nothing can run any more";
  EXPECT_EQ(state(flow), TaskState::failed);
}

// ---- timers

TEST_F(MeetingsTest, more_than_one_turn_can_fire_is_fired_in_the_next_ones) {
  auto later = input("later");
  later.not_before = clock.now() + 10s;
  for (int n = 0; n < 25; ++n) send("q", std::vector<Input>(1000, later));
  clock.advance(10s);
  broker->turn();
  EXPECT_EQ(broker->next_timer(), clock.now()) << "there is more to do";
  broker->settle_down();
  EXPECT_GT(broker->next_timer(), clock.now());
  EXPECT_EQ(statistics("q").ready, 25'000u);
}

}  // namespace
}  // namespace penstock::broker
