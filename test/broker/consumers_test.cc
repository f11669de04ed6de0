// Consumers and their queues: whose turn it is, credit that is shared or used up, queues that go
// when nobody uses them.
#include "test/broker/consumer_fixture.h"

namespace penstock::broker {
namespace {

using Strings = std::vector<std::string>;
using Options = std::vector<std::pair<std::string_view, std::string_view>>;

class ConsumersTest : public BrokerTest {
 protected:
  ConsumersTest() { theirs = broker->open_session(receiver); }

  static engine::Consume from(std::string_view queue, std::int64_t credit, std::uint64_t pool = 0) {
    engine::Consume command;
    command.queue = queue;
    command.credit = credit;
    command.bytes = 1 << 20;
    command.pool = pool;
    return command;
  }
  void consume(Tag consumer, const engine::Consume& command) {
    broker->consume(theirs, 1000 + consumer, consumer, command);
    broker->settle_down();
  }
  void cancel(Tag consumer) {
    broker->cancel_consumer(theirs, 2000 + consumer, consumer);
    broker->settle_down();
  }
  void add_credit(Tag consumer, std::int64_t messages, std::int64_t bytes = 0) {
    broker->add_credit(theirs, consumer, messages, bytes);
    broker->settle_down();
  }
  void fill(std::string_view queue, int from, int to) {
    for (int n = from; n < to; ++n) send(queue, std::to_string(n));
  }
  bool is_there(std::string_view queue) { return broker->check_queue(session, queue).has_value(); }
  Got remove_if(std::string_view queue, engine::RemoveIf condition) {
    broker->remove(session, ++tag, queue, condition);
    return wait(tag);
  }

  Receiver receiver;
  SessionId theirs;
};

// ---- whose turn it is

TEST_F(ConsumersTest, those_without_credit_are_passed_over_wherever_they_stand) {
  declare("q", {});
  consume(1, from("q", 0));
  consume(2, from("q", 1));
  fill("q", 0, 1);
  EXPECT_EQ(receiver.bodies[2], Strings{"0"}) << "the first one has no credit yet";
  consume(3, from("q", 10));
  add_credit(1, 2);
  fill("q", 1, 4);  // the second one has no credit any more
  EXPECT_EQ(receiver.bodies[1].size() + receiver.bodies[3].size(), 3u);
  EXPECT_FALSE(receiver.bodies[1].empty());
  EXPECT_EQ(receiver.bodies[2].size(), 1u);
  add_credit(77, 5);  // of nobody
  EXPECT_EQ(receiver.bodies.size(), 3u);
}

TEST_F(ConsumersTest, a_single_active_one_without_credit_keeps_its_place) {
  declare("q", {{"single_active_consumer", "true"}});
  consume(1, from("q", 0));
  consume(2, from("q", 10));
  fill("q", 0, 2);
  EXPECT_TRUE(receiver.bodies[2].empty());
  add_credit(1, 1);
  EXPECT_EQ(receiver.bodies[1], Strings{"0"});
  cancel(1);
  EXPECT_EQ(receiver.bodies[2].size(), 1u);
}

TEST_F(ConsumersTest, credit_of_a_pool_is_for_all_that_share_it_and_nobody_else) {
  for (const auto* queue : {"a", "b", "c"}) declare(queue, {});
  consume(1, from("a", 10, 7));
  consume(2, from("b", 0, 7));
  consume(3, from("c", 10, 8));
  for (const auto* queue : {"a", "b", "c"}) fill(queue, 0, 2);
  EXPECT_TRUE(receiver.bodies.empty()) << "the pools are empty";
  broker->add_pool_credit(theirs, 7, 3);
  broker->settle_down();
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1"}));
  EXPECT_TRUE(receiver.bodies[2].empty()) << "it has no credit of its own";
  EXPECT_TRUE(receiver.bodies[3].empty()) << "its pool is another";
  add_credit(2, 5);
  EXPECT_EQ(receiver.bodies[2], Strings{"0"}) << "what the first one left";
}

TEST_F(ConsumersTest, a_reader_of_a_stream_is_sent_no_more_bytes_than_its_credit_has_begun) {
  declare("s", {{"stream", "true"}});
  fill("s", 0, 4);
  auto command = from("s", 10);
  command.bytes = 1;
  command.start.kind = engine::StreamStart::Kind::first;
  consume(1, command);
  EXPECT_EQ(receiver.bodies[1], Strings{"0"});
  add_credit(1, 0, 1 << 20);
  EXPECT_EQ(receiver.bodies[1], (Strings{"0", "1", "2", "3"}));
}

TEST_F(ConsumersTest, a_stream_of_which_all_is_too_old_is_empty) {
  declare("s", {{"stream", "true"}, {"max_age", "10s"}});
  fill("s", 0, 3);
  clock.advance(11s);
  fill("s", 3, 4);
  auto command = from("s", 10);
  command.start.kind = engine::StreamStart::Kind::first;
  consume(1, command);
  EXPECT_EQ(receiver.bodies[1], Strings{"3"});
  EXPECT_EQ(statistics("s").expired, 3u);
}

// ---- queues that go

TEST_F(ConsumersTest, a_queue_that_goes_when_unused_stays_as_long_as_one_of_them_is_there) {
  declare("q", {{"auto_delete", "true"}});
  consume(1, from("q", 1));
  consume(2, from("q", 1));
  cancel(1);
  EXPECT_TRUE(is_there("q"));
  cancel(2);
  EXPECT_FALSE(is_there("q"));
}

TEST_F(ConsumersTest, a_queue_in_use_is_not_removed_by_who_asks_for_an_unused_one) {
  declare("q", {});
  consume(1, from("q", 1));
  EXPECT_EQ(remove_if("q", {.unused = true}).error.code, ErrorCode::conflict);
  cancel(1);
  EXPECT_EQ(remove_if("q", {.unused = true}).kind, "done");
}

TEST_F(ConsumersTest, who_waits_at_a_queue_that_is_removed_is_answered) {
  declare("q", {});
  const auto waiting = take_tag("q", 1, 1h);
  EXPECT_FALSE(answered(waiting));
  EXPECT_EQ(remove_if("q", {}).kind, "done");
  EXPECT_EQ(wait(waiting).kind, "delivered");
}

TEST_F(ConsumersTest, a_queue_expires_when_it_was_not_used_for_its_time) {
  for (const auto* queue : {"unused", "used", "waited at", "kept"})
    declare(queue, {{"expires", "10s"}});
  declare("kept", {{"expires", "0s"}});
  const auto waiting = take_tag("waited at", 1, 15s);
  advance(5s);
  (void)take("used");
  advance(6s);
  EXPECT_FALSE(is_there("unused"));
  for (const auto* queue : {"used", "waited at", "kept"}) EXPECT_TRUE(is_there(queue)) << queue;
  advance(5s);
  EXPECT_FALSE(is_there("used")) << "not since the fifth second";
  EXPECT_EQ(wait(waiting).kind, "delivered");
  advance(1h);
  EXPECT_FALSE(is_there("waited at"));
  EXPECT_TRUE(is_there("kept")) << "it expires no more";
}

TEST_F(ConsumersTest, a_purge_lets_in_what_waits_for_room) {
  declare("q", {{"max_length", "1"}, {"overflow", "block"}});
  send("q", "first");
  const std::vector messages{input("second")};
  broker->publish_wait(session, ++tag, {"q", messages}, clock.now() + 1h);
  const auto held = tag;
  EXPECT_FALSE(answered(held));
  broker->purge(session, ++tag, "q");
  EXPECT_EQ(wait(tag).count, 1u);
  EXPECT_EQ(wait(held).kind, "published");
  EXPECT_EQ(bodies(take("q", 9)), Strings{"second"});
}

TEST_F(ConsumersTest, a_queue_of_one_connection_is_declared_as_such_or_not_at_all) {
  declare("q", {});
  const Options exclusive{{"durable", "false"}, {"exclusive", "true"}};
  const auto same = [&](std::string_view queue) {
    broker->declare_same(session, ++tag, queue, exclusive);
    return wait(tag);
  };
  const auto another = same("q");
  EXPECT_EQ(another.error.code, ErrorCode::conflict);
  EXPECT_NE(another.error.message.find("'durable'"), std::string::npos) << another.error.message;
  EXPECT_EQ(same("mine").kind, "queues");
  EXPECT_EQ(same("mine").kind, "queues");
}

}  // namespace
}  // namespace penstock::broker
