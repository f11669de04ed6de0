// Rules that meet: bounds with priorities and groups, what ends early in a workflow, streams from
// every beginning, dead letters of which only some go back.
#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::FailurePolicy;
using engine::Outcome;

class CornersTest : public WorkflowTest {
 protected:
  static Tree step(std::string name, bool takes_input = false) {
    Tree one;
    one.name = std::move(name);
    one.takes_input = takes_input;
    return one;
  }
  Got consume(Tag consumer, const engine::Consume& command) {
    broker->consume(session, ++tag, consumer, command);
    return wait(tag);
  }
};

// ---- bounds

TEST_F(CornersTest, what_makes_room_is_the_oldest_of_all_priorities_and_groups) {
  declare("q", {{"max_length", "4"}, {"overflow", "drop_oldest"}, {"max_priority", "3"}});
  const auto one = [](std::string_view body, std::uint8_t priority, std::string_view group) {
    auto message = input(body);
    message.priority = priority;
    message.group = group;
    return message;
  };
  send("q", {one("low", 0, ""), one("high", 3, ""), one("ours", 0, "a"), one("theirs", 0, "b")});
  for (const auto* body : {"1", "2", "3"}) send("q", body);
  EXPECT_EQ(statistics("q").dropped, 3u);
  auto left = bodies(take("q", 9));
  std::ranges::sort(left);
  EXPECT_EQ(left, (Strings{"1", "2", "3", "theirs"}));
}

TEST_F(CornersTest, what_alone_is_larger_than_the_queue_is_refused_whatever_could_make_room) {
  for (const auto* overflow : {"drop_oldest", "block"}) {
    const auto queue = std::string("q-") + overflow;
    declare(queue, {{"max_length", "2"}, {"max_bytes", "1000"}, {"overflow", overflow}});
    send(queue, "small");
    EXPECT_EQ(send(queue, std::string(2000, 'x')).refused.reason, "max_bytes");
    EXPECT_EQ(send(queue, {input("a"), input("b"), input("c")}).refused.reason, "max_length");
    EXPECT_EQ(statistics(queue).ready, 1u);
  }
  send("q-drop_oldest", std::string(900, 'x'));
  send("q-drop_oldest", std::string(800, 'y'));
  EXPECT_EQ(bodies(take("q-drop_oldest", 9)), Strings{std::string(800, 'y')});
}

TEST_F(CornersTest, what_is_scheduled_makes_no_room) {
  declare("q", {{"max_length", "2"}, {"overflow", "drop_oldest"}});
  auto later = input("later");
  later.not_before = clock.now() + 1h;
  send("q", {later, later});
  EXPECT_EQ(send("q", "now").kind, "refused");
}

TEST_F(CornersTest, a_message_expires_by_its_own_time_or_by_the_sooner_of_two) {
  declare("q", {{"ttl", "10s"}});
  auto own = input("own"), sooner = input("sooner"), early = input("early");
  own.expires_at = sooner.expires_at = clock.now() + 60s;
  early.expires_at = clock.now() + 5s;
  sooner.soonest_expiry = early.soonest_expiry = true;
  send("q", {own, sooner, early, input("plain")});
  advance(6s);
  EXPECT_EQ(statistics("q").ready, 3u);
  advance(5s);
  EXPECT_EQ(bodies(take("q", 9)), Strings{"own"});
}

// ---- streams

TEST_F(CornersTest, a_stream_is_read_from_its_beginning_its_end_a_place_or_a_time) {
  declare("s", {{"stream", "true"}});
  std::vector<Time> came;
  for (const auto* body : {"a", "b", "c"}) {
    clock.advance(1s);
    came.push_back(clock.now());
    send("s", body);
  }
  using Kind = engine::StreamStart::Kind;
  const struct {
    engine::StreamStart start;
    Strings read;
  } starts[] = {{{Kind::first, 0, {}}, {"a", "b", "c"}},
                {{Kind::last, 0, {}}, {"c"}},
                {{Kind::next, 0, {}}, {}},
                {{Kind::offset, 1, {}}, {"b", "c"}},
                {{Kind::time, 0, came[1]}, {"b", "c"}},
                {{Kind::offset, 4, {}}, {}}};
  Tag reader = 5000;
  for (const auto& [start, read] : starts) {
    engine::Consume command;
    command.queue = "s";
    command.credit = 10;
    command.bytes = 1 << 20;
    command.start = start;
    ASSERT_EQ(consume(++reader, command).kind, "done");
    broker->settle_down();
    Strings got;
    if (auto found = sink.replies.extract(reader); !found.empty()) got = bodies(found.mapped());
    EXPECT_EQ(got, read) << reader;
    broker->cancel_consumer(session, ++tag, reader);
    wait(tag);
  }
}

// ---- dead letters

TEST_F(CornersTest, only_those_dead_letters_go_back_that_are_asked_for_and_find_room) {
  declare("a", {{"dead_letter", "grave"}, {"max_length", "2"}});
  declare("b", {{"dead_letter", "grave"}});
  const auto kill = [&](const std::string& queue, std::string_view body, std::string_view error) {
    send(queue, body);
    settle({take(queue).messages[0].lease}, Outcome::reject, {}, error);
  };
  kill("a", "1", "bad luck");
  kill("a", "2", "bad luck");
  kill("a", "3", "");
  kill("b", "4", "bad luck");
  const auto redrive = [&](std::string_view queue, engine::Redrive which) {
    broker->redrive_some(session, ++tag, queue, which);
    return wait(tag).count;
  };
  engine::Redrive which;
  which.error = "luck";
  which.max = 1;
  EXPECT_EQ(redrive("a", which), 1u);
  which.max = 0;
  which.task = "nobody";
  EXPECT_EQ(redrive("a", which), 0u);
  which.task = {};
  EXPECT_EQ(redrive("a", which), 1u);
  which.error = {};
  EXPECT_EQ(redrive("a", which), 0u) << "its queue is full";
  EXPECT_EQ(redrive("grave", which), 1u) << "of b";
  EXPECT_EQ(statistics("b").ready, 1u);
  EXPECT_EQ(statistics("grave").ready, 1u);
}

// ---- workflows

TEST_F(CornersTest, a_workflow_tells_the_error_of_the_step_that_failed_and_not_of_what_ran_beside) {
  Tree beside = step("watched");
  beside.on_success = {step("beside")};
  const auto flow = submitted(chain({beside, group({step("x"), step("y")}), step("end", true)}),
                              FailurePolicy::stop);
  run("1");
  for (const auto& message : waiting_steps())
    failed(message, arguments(message).find("beside") != std::string::npos ? "aside" : "broken");
  EXPECT_NE(task(flow).error.message.find("broken"), std::string::npos) << task(flow).error.message;
  broker->check();
}

TEST_F(CornersTest, a_workflow_whose_steps_are_purged_has_failed_and_says_of_which) {
  for (const auto policy : {FailurePolicy::stop, FailurePolicy::go_on, FailurePolicy::collect}) {
    const auto flow = submitted(
        chain({group({step("a"), chain({step("b"), step("c")})}), step("d", true)}), policy);
    broker->purge(session, ++tag, "w");
    wait(tag);
    for (int n = 0; n < 5; ++n) run_badly("broken");
    broker->check();
    const auto status = task(flow);
    EXPECT_NE(status.state, engine::TaskState::done);
    for (int n = 0; n < 10 && run("1") != "nothing"; ++n) continue;
    broker->check();
  }
}

TEST_F(CornersTest, a_failed_member_among_those_that_went_well_is_found_wherever_it_is) {
  for (const std::size_t bad : {0, 1, 2}) {
    const auto flow = submitted(group({step("s0"), chain({step("s1"), step("t")}), step("s2")}),
                                FailurePolicy::go_on);
    const auto name = "s" + std::to_string(bad);
    for (int round = 0; round < 3; ++round)
      for (const auto& message : waiting_steps())
        if (arguments(message).find(name) != std::string::npos)
          failed(message, "broken " + name);
        else
          done(message, "1");
    EXPECT_EQ(task(flow).state, engine::TaskState::failed);
    EXPECT_NE(task(flow).error.message.find("broken " + name), std::string::npos)
        << task(flow).error.message;
  }
}

TEST_F(CornersTest, only_one_task_that_is_done_is_replaced_by_a_workflow) {
  HeaderWriter headers;
  headers.add(kTaskHeader, "work");
  auto work = input("{\"args\":[]}");
  work.headers = headers.view();
  work.task = true;
  send("t", {work, work});
  send("plain", "x");
  const auto tasks = take("t", 2).messages;
  const auto plain = take("plain").messages;
  engine::WorkflowNodeInput node;
  node.queue = "w";
  node.message.task = true;
  node.message.body = as_bytes("{\"args\":[]}");
  engine::WorkflowInput flow;
  flow.name = "instead";
  flow.nodes = {&node, 1};
  const auto replace = [&](std::vector<engine::LeaseToken> leases, Outcome outcome) {
    engine::Settle command;
    command.leases = leases;
    command.outcome = outcome;
    command.replacement = &flow;
    broker->settle(session, ++tag, command);
    return wait(tag);
  };
  EXPECT_EQ(replace({tasks[0].lease}, Outcome::nack).error.code, ErrorCode::invalid);
  EXPECT_EQ(replace({tasks[0].lease, tasks[1].lease}, Outcome::ack).error.code, ErrorCode::invalid);
  EXPECT_EQ(replace({plain[0].lease}, Outcome::ack).error.code, ErrorCode::invalid);
  node.node.children = 1;
  EXPECT_EQ(replace({tasks[0].lease}, Outcome::ack).error.code, ErrorCode::invalid);
  node.node.children = 0;
  EXPECT_EQ(replace({tasks[0].lease}, Outcome::ack).kind, "settled");
  EXPECT_EQ(waiting_steps().size(), 1u);
}

}  // namespace
}  // namespace penstock::broker
