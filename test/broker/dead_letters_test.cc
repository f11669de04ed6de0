// Dead letters: where they go when there is little room or nobody to take them, and which of them
// come back.
#include <limits>

#include "test/broker/workflow_fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using engine::Outcome;
using engine::TaskState;

class DeadLettersTest : public WorkflowTest {
 protected:
  Got declare_exchange(std::string_view name, bool internal = false) {
    engine::ExchangeSpec spec;
    spec.name = name;
    spec.type = engine::ExchangeType::fanout;
    spec.internal = internal;
    broker->declare_exchange(session, ++tag, spec);
    return wait(tag);
  }
  void bind(std::string_view source, std::string_view queue) {
    engine::BindingSpec spec;
    spec.source = source;
    spec.destination = queue;
    broker->bind(session, ++tag, spec);
    EXPECT_EQ(wait(tag).kind, "done");
  }
  Got route(std::string_view exchange, std::string_view key, std::string_view body) {
    const std::string_view keys[]{key};
    engine::RoutedPublish publish;
    publish.exchange = exchange;
    publish.keys = keys;
    publish.message = input(body);
    broker->publish_routed(session, ++tag, publish);
    return wait(tag);
  }
  void kill(const std::string& queue, std::string_view body) {
    send(queue, body);
    reject(queue);
  }
  void reject(const std::string& queue) {
    settle({take(queue).messages.at(0).lease}, Outcome::reject, {}, "never");
    broker->check();
  }
  std::uint64_t send_task(std::string_view queue, Time expires_at = {}) {
    auto one = input("{\"args\":[]}");
    one.task = true;
    one.expires_at = expires_at;
    return send(queue, std::vector{one}).ids.at(0);
  }
  Got retry(std::uint64_t id) {
    broker->retry_task(session, ++tag, MessageId(id));
    return wait(tag);
  }
  std::uint64_t redriven(std::string_view queue) {
    broker->redrive(session, ++tag, queue, 0);
    const auto got = wait(tag);
    EXPECT_EQ(got.kind, "done") << got.error.message;
    broker->check();
    return got.count;
  }
  Got remove(std::string_view queue) {
    broker->remove(session, ++tag, queue);
    return wait(tag);
  }
};

// ---- where they go

TEST_F(DeadLettersTest, go_where_an_exchange_sends_them_and_that_queue_makes_room) {
  declare("dead", {{"max_length", "1"}, {"overflow", "drop_oldest"}});
  declare_exchange("dlx", true);
  bind("dlx", "dead");
  EXPECT_EQ(route("dlx", "", "from outside").error.code, ErrorCode::denied) << "it is internal";
  declare("q", {{"dead_letter_exchange", "dlx"}});
  kill("q", "first");
  kill("q", "second");
  EXPECT_EQ(bodies(take("dead", 9)), Strings{"second"});
  EXPECT_EQ(statistics("dead").dropped, 1u);
}

TEST_F(DeadLettersTest, end_where_their_exchange_is_gone) {
  declare("q", {{"dead_letter_exchange", "nowhere"}});
  kill("q", "a");
  EXPECT_EQ(statistics("q").dead_lettered, 1u);
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(DeadLettersTest, that_are_tasks_keep_to_the_queue_of_that_name) {
  declare_exchange("dlx");
  declare("other", {});
  bind("dlx", "other");
  declare("q", {{"dead_letter_exchange", "dlx"}});
  const auto id = send_task("q");
  reject("q");
  EXPECT_EQ(task(id).state, TaskState::failed);
  EXPECT_EQ(statistics("other").ready, 0u);
  EXPECT_EQ(statistics("q.dead").ready, 1u) << "so that it can be tried anew";
}

TEST_F(DeadLettersTest, that_are_tasks_stay_failed_when_their_result_is_forgotten) {
  const auto id = send_task("q");
  reject("q");
  advance(24h * 30);
  broker->settle_down();
  EXPECT_EQ(task(id).state, TaskState::failed);
  broker->task(session, ++tag, MessageId(id), clock.now() + 1h);
  EXPECT_TRUE(answered(tag)) << "nobody waits for what has ended";
  broker->cancel_task(session, ++tag, MessageId(id));
  EXPECT_EQ(wait(tag).error.code, ErrorCode::conflict);
  EXPECT_EQ(statistics("q.dead").ready, 1u);
  EXPECT_EQ(retry(id).kind, "done");
  EXPECT_EQ(task(id).state, TaskState::queued);
}

TEST_F(DeadLettersTest, that_would_need_one_queue_too_many_are_discarded) {
  options.max_queues = 1;
  restart();
  kill("q", "a");
  EXPECT_EQ(broker->statistics().messages, 0u);
}

TEST_F(DeadLettersTest, that_expired_say_so) {
  declare("q", {{"dead_letter", "late"}});
  const auto id = send_task("q", clock.now() + 5s);
  advance(6s);
  EXPECT_EQ(task(id).state, TaskState::expired);
  EXPECT_EQ(statistics("late").ready, 1u);
}

TEST_F(DeadLettersTest, are_not_where_the_steps_of_a_workflow_go) {
  declare("w", {{"dead_letter", "late"}});
  Flat flat;
  flatten(chain({step("a"), step("b")}), flat, "w");
  flat.nodes[1].message.expires_at = clock.now() + 5s;
  engine::WorkflowInput flow;
  flow.name = "flow";
  flow.nodes = flat.nodes;
  broker->submit(session, ++tag, flow);
  const auto id = wait(tag).ids.at(0);
  advance(6s);
  EXPECT_EQ(state(id), TaskState::failed);
  EXPECT_EQ(statistics("late").ready, 0u);
}

TEST_F(DeadLettersTest, that_find_no_room_are_tried_again_and_again) {
  declare("q.dead", {{"max_length", "1"}});
  kill("q", "a");
  kill("q", "b");
  for (int tries = 1; tries < 4; ++tries) {
    EXPECT_EQ(statistics("q").dead_letter_refused, static_cast<std::uint64_t>(tries));
    EXPECT_EQ(statistics("q").scheduled, 1u);
    advance(6s);
    broker->check();
  }
  settle({take("q.dead").messages.at(0).lease});
  crash();
  advance(6s);
  EXPECT_EQ(bodies(take("q.dead")), Strings{"b"});
}

TEST_F(DeadLettersTest, of_a_full_queue_are_dropped_where_they_find_no_room_either) {
  declare("q.dead", {{"max_length", "1"}});
  declare("q", {{"max_length", "2"}, {"overflow", "dead_letter"}});
  for (const auto* body : {"1", "2", "3", "4", "5"}) EXPECT_EQ(send("q", body).kind, "published");
  EXPECT_EQ(bodies(take("q", 9)), (Strings{"4", "5"}));
  EXPECT_EQ(bodies(take("q.dead", 9)), Strings{"1"});
  EXPECT_EQ(statistics("q").dropped, 3u);
}

TEST_F(DeadLettersTest, of_what_is_refused_are_of_the_queue_that_refused_it) {
  declare("dead", {{"max_length", "2"}});
  declare("full", {{"max_length", "1"},
                   {"overflow", "reject_dead_letter"},
                   {"dead_letter_exchange", "amq.default"},
                   {"dead_letter_routing_key", "dead"}});
  declare("other", {});
  declare_exchange("all");
  for (const auto* queue : {"other", "full"}) bind("all", queue);
  EXPECT_EQ(route("all", "", "1").kind, "published");
  EXPECT_EQ(route("all", "", "2").kind, "refused");
  EXPECT_EQ(statistics("dead").ready, 1u) << "once, though two queues were to have it";
  EXPECT_EQ(route("all", "", "3").kind, "refused");
  EXPECT_EQ(route("all", "", "4").kind, "refused") << "and finds the dead letters full";
  EXPECT_EQ(bodies(take("other", 9)), Strings{"1"});
  EXPECT_EQ(bodies(take("dead", 9)), (Strings{"2", "3"}));
  EXPECT_EQ(statistics("full").dead_lettered, 2u);
}

TEST_F(DeadLettersTest, that_nobody_keeps_make_room_for_who_waits) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}, {"dead_letter", "-"}});
  send("q", "first");
  const std::vector messages{input("second")};
  broker->publish_wait(session, ++tag, {"q", messages}, clock.now() + 1h);
  const auto held = tag;
  EXPECT_FALSE(answered(held));
  reject("q");
  EXPECT_EQ(wait(held).kind, "published");
}

// ---- which of them come back

TEST_F(DeadLettersTest, stay_when_their_queue_is_gone_or_has_no_room_for_them) {
  declare("small", {{"dead_letter", "grave"}, {"max_bytes", "1000"}});
  declare("gone", {{"dead_letter", "grave"}});
  kill("small", std::string(800, 'x'));
  kill("gone", "y");
  send("small", std::string(800, 'z'));
  EXPECT_EQ(remove("gone").kind, "done");
  broker->redrive(session, ++tag, "grave", 0);
  EXPECT_EQ(wait(tag).error.code, ErrorCode::conflict) << "0 would sound as if there were none";
  broker->redrive_some(session, ++tag, "grave", {});
  EXPECT_EQ(wait(tag).error.code, ErrorCode::conflict);
  EXPECT_EQ(statistics("grave").ready, 2u);
  settle({take("small").messages.at(0).lease});
  EXPECT_EQ(redriven("grave"), 1u);
  EXPECT_EQ(statistics("small").ready, 1u);
}

TEST_F(DeadLettersTest, are_tried_anew_one_by_one_when_there_is_room) {
  declare("q", {{"max_length", "1"}});
  const auto id = send_task("q");
  reject("q");
  send("q", "in the way");
  EXPECT_EQ(retry(id).error.code, ErrorCode::conflict);
  EXPECT_EQ(retry(id + 100).error.code, ErrorCode::not_found);
  settle({take("q").messages.at(0).lease});
  EXPECT_EQ(retry(id).kind, "done");
  EXPECT_EQ(task(id).state, TaskState::queued);
  EXPECT_EQ(retry(id).error.code, ErrorCode::not_found) << "it is none any more";
}

// ---- what a failed delivery is told

TEST_F(DeadLettersTest, come_after_the_wait_that_a_message_has_of_its_own) {
  auto own = input("own");
  own.policy.backoff = {flow::Backoff::Kind::fixed, 7s, 7s, false};
  declare("q", {{"backoff", "fixed:1s"}});
  send("q", std::vector{own});
  settle({take("q").messages.at(0).lease}, Outcome::nack);
  advance(6s);
  EXPECT_TRUE(take("q").messages.empty());
  advance(1s);
  EXPECT_EQ(bodies(take("q")), Strings{"own"});
}

TEST_F(DeadLettersTest, do_not_come_of_what_is_acknowledged_of_several_queues_at_once) {
  for (const auto* queue : {"a", "b"}) send(queue, "x");
  const auto one = take("a").messages.at(0).lease, two = take("b").messages.at(0).lease;
  EXPECT_EQ(settle({one, two}).count, 2u);
  for (const auto* queue : {"a", "b"}) EXPECT_EQ(statistics(queue).acked, 1u);
  EXPECT_EQ(broker->statistics().messages, 0u);
}

}  // namespace
}  // namespace penstock::broker
