// What is refused, with which reason, and that nothing came of it.
#include "engine/names.h"
#include "test/broker/access_fixture.h"

namespace penstock::broker {
namespace {

class RefusalsTest : public AccessTest {
 protected:
  static void expect_error(const Got& got, ErrorCode code, std::string_view part) {
    EXPECT_EQ(got.kind, "error") << part;
    EXPECT_EQ(got.error.code, code) << got.error.message;
    EXPECT_NE(got.error.message.find(part), std::string::npos) << got.error.message;
  }
  Got declare_same(std::string_view queue,
                   std::vector<std::pair<std::string_view, std::string_view>> options_of_it) {
    broker->declare_same(session, ++tag, queue, options_of_it);
    return wait(tag);
  }
  Got consume(std::string_view queue, bool exclusive = false) {
    engine::Consume command;
    command.queue = queue;
    command.exclusive = exclusive;
    ++tag;
    broker->consume(session, tag, tag, command);
    return wait(tag);
  }
};

// ---- queues

TEST_F(RefusalsTest, a_queue_that_is_there_keeps_what_was_decided_when_it_was_made) {
  declare("q", {});
  expect_error(declare("q", {{"durable", "false"}}), ErrorCode::conflict, "durable");
  expect_error(declare("q", {{"stream", "true"}}), ErrorCode::conflict, "decided");
  expect_error(declare("q", {{"exclusive", "true"}}), ErrorCode::conflict, "exclusive");
  EXPECT_EQ(declare("q", {{"max_length", "5"}}).kind, "done");
  EXPECT_EQ(declare("q", {{"max_length", "5"}}).kind, "done");
}

TEST_F(RefusalsTest, a_queue_declared_as_it_is_must_be_it) {
  declare("q", {{"arguments", "{}"}});
  EXPECT_EQ(declare_same("q", {{"arguments", "{}"}}).kind, "queues");
  expect_error(declare_same("q", {{"durable", "false"}}), ErrorCode::conflict, "durable");
  expect_error(declare_same("q", {{"exclusive", "true"}}), ErrorCode::conflict, "exclusive");
  expect_error(declare_same("q", {{"auto_delete", "true"}}), ErrorCode::conflict, "auto_delete");
  expect_error(declare_same("q", {{"arguments", "[]"}}), ErrorCode::conflict, "arguments");
  expect_error(declare_same("q", {{"speed", "1"}}), ErrorCode::invalid, "speed");
  // Of one that is exclusive it does not matter whether it was said to last.
  const std::vector<std::pair<std::string_view, std::string_view>> mine{{"exclusive", "true"},
                                                                        {"durable", "false"}};
  EXPECT_EQ(declare_same("mine", mine).kind, "queues");
  EXPECT_EQ(declare_same("mine", {{"exclusive", "true"}}).kind, "queues");
  expect_error(declare_same("mine", {{"durable", "false"}}), ErrorCode::conflict, "exclusive");
  auto other = guest();
  broker->declare(other->session, ++tag, "mine", mine);
  EXPECT_EQ(wait(tag, other->sink).error.code, ErrorCode::locked);
  broker->declare_same(other->session, ++tag, "mine", mine);
  EXPECT_EQ(wait(tag, other->sink).error.code, ErrorCode::locked);
}

TEST_F(RefusalsTest, a_queue_for_one_connection_does_not_last) {
  expect_error(declare("q", {{"exclusive", "true"}}), ErrorCode::invalid, "never durable");
}

TEST_F(RefusalsTest, queues_are_bounded) {
  options.max_queues = 3;
  restart();
  for (const auto* name : {"a", "b", "c"}) EXPECT_EQ(declare(name, {}).kind, "done");
  expect_error(declare("d", {}), ErrorCode::too_large, "3 queues");
  EXPECT_EQ(declare("c", {{"max_length", "1"}}).kind, "done");
  expect_error(send("d", "x"), ErrorCode::too_large, "3 queues");
}

TEST_F(RefusalsTest, a_consumer_that_wants_a_queue_for_itself_finds_nobody_there) {
  declare("q", {});
  declare("single", {{"single_active_consumer", "true"}});
  EXPECT_EQ(consume("q").kind, "done");
  expect_error(consume("q", true), ErrorCode::denied, "exclusive use");
  expect_error(consume("single", true), ErrorCode::denied, "single active");
  expect_error(consume("nowhere"), ErrorCode::not_found, "nowhere");
  declare("own", {});
  EXPECT_EQ(consume("own", true).kind, "done");
  expect_error(consume("own"), ErrorCode::denied, "exclusive use");
}

// ---- publishes

TEST_F(RefusalsTest, a_publish_of_nothing_or_of_another_century) {
  expect_error(send("q", std::vector<Input>{}), ErrorCode::invalid, "no message");
  auto late = input("x");
  late.not_before = clock.now() + std::chrono::hours(24 * 366 * 31);
  expect_error(send("q", {late}), ErrorCode::invalid, "30 years");
  EXPECT_TRUE(take("q").messages.empty());
}

TEST_F(RefusalsTest, what_a_full_queue_refuses_lies_where_its_dead_letters_go) {
  declare("grave", {});
  declare("q", {{"max_length", "2"},
                {"overflow", "reject_dead_letter"},
                {"dead_letter_exchange", "amq.default"},
                {"dead_letter_routing_key", "grave"}});
  declare("plain", {{"max_length", "1"}, {"overflow", "reject_dead_letter"}});
  send("q", {input("a"), input("b")});
  const auto refused = send("q", {input("c"), input("d")});
  EXPECT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "max_length");
  EXPECT_EQ(bodies(take("grave", 9)), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(bodies(take("q", 9)), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(statistics("q").dead_lettered, 2u);
  send("plain", "a");
  EXPECT_EQ(send("plain", "b").kind, "refused");
  EXPECT_EQ(statistics("plain").dead_lettered, 0u);
  crash();
  EXPECT_EQ(statistics("q").dead_lettered + statistics("grave").leased, 2u);
}

TEST_F(RefusalsTest, publishes_that_wait_for_room_are_held_up_to_so_many_bytes) {
  options.max_blocked_bytes = 2000;
  restart();
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "first");
  const auto wait_for = [&](std::string_view body) {
    const Input messages[]{input(body)};
    broker->publish_wait(session, ++tag, engine::Publish{"q", messages}, clock.now() + 60s);
    broker->settle_down();
    return tag;
  };
  const auto held = wait_for("second");
  EXPECT_FALSE(sink.replies.contains(held));
  const auto refused = wait(wait_for(std::string(3000, 'x')));
  EXPECT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "memory");
  // Another that waits for the same room, and one whose session goes meanwhile.
  const auto third = wait_for("third");
  settle({take("q").messages[0].lease});
  EXPECT_TRUE(answered(held));
  EXPECT_FALSE(answered(third));
  settle({take("q").messages[0].lease});
  EXPECT_TRUE(answered(third));
}

TEST_F(RefusalsTest, queues_in_memory_hold_so_many_bytes_together) {
  options.max_transient_bytes = 1000;
  restart();
  declare("m", {{"durable", "false"}});
  EXPECT_EQ(send("m", std::string(900, 'x')).kind, "published");
  const auto refused = send("m", std::string(900, 'y'));
  EXPECT_EQ(refused.kind, "refused");
  EXPECT_EQ(refused.refused.reason, "memory");
  EXPECT_EQ(send("durable", std::string(900, 'z')).kind, "published");
  settle({take("m").messages[0].lease});
  EXPECT_EQ(send("m", std::string(2000, 'y')).kind, "published") << "one alone may be larger";
}

TEST_F(RefusalsTest, settings_of_groups_are_bounded) {
  declare("q", {});
  const std::vector<std::pair<std::string_view, std::string_view>> weight{{"weight", "2"}};
  for (int n = 0; n < 10'000; ++n)
    broker->set_group(session, ++tag, "q", "g" + std::to_string(n), weight);
  broker->set_group(session, ++tag, "q", "one more", weight);
  expect_error(wait(tag), ErrorCode::too_large, "10000 groups");
  broker->set_group(session, ++tag, "q", "g7", weight);
  EXPECT_EQ(wait(tag).kind, "done") << "one that has them may change them";
  broker->reset_group(session, ++tag, "q", "g8");
  EXPECT_EQ(wait(tag).kind, "done");
  broker->set_group(session, ++tag, "q", "one more", weight);
  EXPECT_EQ(wait(tag).kind, "done");
}

// ---- users

TEST_F(RefusalsTest, a_user_has_a_name_a_password_and_leaves_an_administrator) {
  expect_error(put_user("first", 0), ErrorCode::conflict, "first user");
  expect_error(put_user("", engine::bit(engine::Role::administrator)), ErrorCode::invalid, "user");
  expect_error(put_user("a", engine::bit(engine::Role::administrator), std::nullopt),
               ErrorCode::invalid, "password");
  const std::string long_text(513, 'h');
  expect_error(put_user("a", engine::bit(engine::Role::administrator), long_text),
               ErrorCode::too_large, "512");
  EXPECT_FALSE(broker->has_users());
}

TEST_F(RefusalsTest, permissions_are_of_users_and_hosts_that_are_there_by_patterns_that_are_some) {
  add_administrator();
  put_user("u", 0);
  put_user("v", 0);
  // Those who ask here are trusted.
  expect_error(grant("nobody", "", "", ""), ErrorCode::not_found, "nobody");
  expect_error(grant("u", "", "", "", "nowhere"), ErrorCode::not_found, "nowhere");
  expect_error(grant("u", "(", "", ""), ErrorCode::invalid, "pattern");
  EXPECT_EQ(grant("u", "a", "b", "c").kind, "done");
  auto client = as("u");
  EXPECT_EQ(grant("u", "a", "b", "c").kind, "done");
  EXPECT_TRUE(client->sink.ended.empty()) << "nothing changed";
  EXPECT_EQ(grant("u", "a", "x", "c").kind, "done");
  EXPECT_FALSE(client->sink.ended.empty());
  EXPECT_EQ(grant("u", "a", "x", "y").kind, "done");
  expect_error(revoke("v"), ErrorCode::not_found, "no permission");
  const auto topic = [&](std::string_view host, std::string_view exchange,
                         std::string_view pattern) {
    broker->grant_topic(session, ++tag, {"u", host, exchange, pattern, ""});
    return wait(tag);
  };
  expect_error(topic("nowhere", "amq.topic", ""), ErrorCode::not_found, "nowhere");
  expect_error(topic("/", "", ""), ErrorCode::invalid, "exchange name");
  expect_error(topic("/", "amq.topic", "("), ErrorCode::invalid, "pattern");
  EXPECT_EQ(topic("/", "amq.topic", "a").kind, "done");
  // The last administrator stays, whatever others there are.
  expect_error(remove_user("admin"), ErrorCode::conflict, "no administrator");
}

TEST_F(RefusalsTest, users_are_bounded) {
  add_administrator();
  for (int n = 1; n < 10'000; ++n)
    broker->put_user(session, ++tag, {"u" + std::to_string(n), "hash", engine::Roles{0}});
  expect_error(put_user("one more", 0), ErrorCode::too_large, "10000 users");
  EXPECT_EQ(put_user("u5", 0, "other").kind, "done");
}

// ---- workers and workflows

TEST_F(RefusalsTest, an_order_to_workers_names_patterns_and_slots_that_can_be) {
  const auto order = [&](engine::OrderKind kind, std::uint32_t slots, std::string name) {
    engine::WorkerOrderSpec spec;
    spec.kind = kind;
    spec.slots = slots;
    spec.who.name = std::move(name);
    broker->order_workers(session, ++tag, spec);
    return wait(tag);
  };
  using engine::OrderKind;
  expect_error(order(OrderKind::quiet, 0, std::string(256, '*')), ErrorCode::invalid, "pattern");
  expect_error(order(OrderKind::quiet, 0, "\xff"), ErrorCode::invalid, "pattern");
  expect_error(order(OrderKind::resize, 0, ""), ErrorCode::invalid, "resize");
  expect_error(order(OrderKind::resize, 4097, ""), ErrorCode::invalid, "resize");
  expect_error(order(OrderKind::quiet, 1, ""), ErrorCode::invalid, "resize");
}

TEST_F(RefusalsTest, a_workflow_is_a_tree_of_tasks_that_queues_keep) {
  declare("stream", {{"stream", "true"}});
  declare("memory", {{"durable", "false"}});
  using Flow = engine::WorkflowInput;
  using Node = engine::WorkflowNodeInput;
  const struct {
    const char* what;
    ErrorCode code;
    void (*change)(Flow&, Node&);
  } wrong[] = {
      {"deep", ErrorCode::invalid, [](Flow&, Node& node) { node.node.children = 3; }},
      {"name", ErrorCode::invalid,
       [](Flow& flow, Node&) {
         static const std::string name(1000, 'n');
         flow.name = name;
       }},
      {"negative", ErrorCode::invalid, [](Flow& flow, Node&) { flow.ttl = -1s; }},
      {"negative", ErrorCode::invalid, [](Flow& flow, Node&) { flow.failed_ttl = -1s; }},
      {"task", ErrorCode::invalid, [](Flow&, Node& node) { node.message.task = false; }},
      {"idempotency", ErrorCode::invalid, [](Flow&, Node& node) { node.message.key = "k"; }},
      {"unique", ErrorCode::invalid,
       [](Flow&, Node& node) {
         node.message.limit.rule = engine::KeyRule::unique_done;
         node.message.limit.key = "k";
       }},
      {"40 days", ErrorCode::invalid,
       [](Flow&, Node& node) { node.node.delay = std::chrono::hours(24 * 41); }},
      {"40 days", ErrorCode::invalid, [](Flow&, Node& node) { node.node.delay = -1s; }},
      {"args", ErrorCode::invalid,
       [](Flow&, Node& node) {
         node.node.takes_input = true;
         node.message.body = as_bytes("{}");
       }},
      {"stream", ErrorCode::unsupported, [](Flow&, Node& node) { node.queue = "stream"; }},
      {"memory", ErrorCode::unsupported, [](Flow&, Node& node) { node.queue = "memory"; }},
      {"queue name", ErrorCode::invalid, [](Flow&, Node& node) { node.queue = ""; }},
  };
  for (const auto& one : wrong) {
    Node node;
    node.queue = "q";
    node.message.task = true;
    node.message.body = as_bytes("{\"args\":[]}");
    Flow flow;
    flow.name = "flow";
    one.change(flow, node);
    flow.nodes = {&node, 1};
    broker->submit(session, ++tag, flow);
    expect_error(wait(tag), one.code, one.what);
  }
  EXPECT_TRUE(take("q").messages.empty());
}

TEST_F(RefusalsTest, SayWhatCanNeverFit) {
  declare("small", {{"max_length", "2"}});
  const auto refused = send("small", {input("a"), input("b"), input("c")}).refused;
  EXPECT_EQ(refused.message,
            "queue small takes at most 2 messages, and 3 came at once: send them in smaller "
            "batches");
  EXPECT_EQ(send("small", {input("a"), input("b")}).kind, "published");
}

}  // namespace
}  // namespace penstock::broker
